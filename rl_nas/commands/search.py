"""`rl_nas search`: from flags to the best network, its picture and its SavedModel."""

import contextlib
import json
import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rl_nas.child.data.settings import DIVISION, DataSettings
from rl_nas.commands import cli
from rl_nas.commands.train import TRAIN
from rl_nas.errors import UsageError, printable_lines
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.exit_codes import DONE, FAILED, INTERRUPTED
from rl_nas.flags.parsing import Command, OutputSettings, Parsed, parse
from rl_nas.report.search_summary import SearchResult, summary_json, summary_text
from rl_nas.report.second_stage import second_stage_text
from rl_nas.report.tables import counted
from rl_nas.store.json_files import blaming
from rl_nas.store.search_folder import SearchFolder
from rl_nas.trial import MOST_TRIALS
from rl_nas.workflows import run_config
from rl_nas.workflows.checks import check_search, remarks, with_found_sizes, with_one_shot_defaults
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.followed import Follower
from rl_nas.workflows.second_stage import published
from rl_nas.workflows.settings import ChoiceSettings, SecondStageSettings
from rl_nas.workflows.sizing import without_given
from rl_nas.workflows.tensorflow_setup import load_tensorflow

if TYPE_CHECKING:
    from rl_nas.workflows.search import SearchRun

SEARCH = Command(
    name="rl_nas search",
    summary=(
        "searches for networks: a strategy proposes them, children are trained on the data,\n"
        "their quality on held-out training images is the reward."
    ),
    examples=(
        "rl_nas search --flagfile=flags/digits.cfg --run_dir=runs/digits",
        "rl_nas search --flagfile=flags/digits.cfg --space=amoebanet --strategy=aging_evolution --run_dir=runs/aging",
        "rl_nas search --resume --run_dir=runs/digits --trials=40",
        "rl_nas search --resume --run_dir=runs/digits --then_train=flags/digits_final.cfg --then_random=3",
    ),
    groups=SearchConfig.groups(),
)

CHANGEABLE = (
    *("run_dir", "resume", "rebuild", "trials", "max_hours", "data_dir", "auto", "json", "debug", "track"),
    "try_export",
    *(field.name for field in fields(ExecutionSettings) if field.name not in ("threads_per_worker", "async_updates")),
    *(field.name for field in fields(ChoiceSettings)),
    *(SecondStageSettings.prefix + field.name for field in fields(SecondStageSettings)),
)
"""Flags that may change when a run is resumed."""


def main(argv: Sequence[str], follower: Follower | None = None) -> int:
    """Runs the verb; returns its exit code.

    Args:
        argv: the words of the command line.
        follower: is told of each trial, and may end the search.
    """
    return cli.run(SEARCH, partial(_run, follower=follower), argv)


def _run(parsed: Parsed, follower: Follower | None) -> int:
    output = parsed.group(OutputSettings)
    given = checked(parsed)
    folder = given.run.folder
    if not given.run.resume:
        config = with_found_sizes(given)
        folder.check_new()
        started = _prepared(config, folder, output, follower, asked=parsed.typed)
        if config.run.try_export:
            from rl_nas.workflows.rehearsal import try_export  # imports TensorFlow

            try_export(started.parts)
        flags = started.config.flags()
        document = {**run_config.config(flags, started.parts.data), **started.parts.prior}
        folder.create(document, run_config.repeating_flagfile(flags, SEARCH.name))
        return _follow(started, output)
    recorded = folder.reopen()
    merged = run_config.merge(parsed, recorded, (*CHANGEABLE, *run_config.moved(recorded, parsed)))
    with blaming(folder.config):
        config = SearchConfig.from_flags({**merged.values, "auto": None})  # they were found when the run began
    _check_second_stage(config)
    config = with_one_shot_defaults(config)
    check_search(config, resumed=True)
    continued = _prepared(config, folder, output, follower, resumed=True)
    folder.write_config(run_config.changed(recorded, continued.config.flags(), continued.parts.data))
    return _follow(continued, output)


def checked(parsed: Parsed) -> SearchConfig:
    """The config of a new search, checked before anything is loaded; of one that is continued, what was given.

    Raises:
        UsageError: a flag is invalid, or some exclude each other.
    """
    config = SearchConfig.from_flags(without_given(within_hours(parsed).values, parsed.given))
    if config.run.resume:
        return config
    _check_second_stage(config)
    config = with_one_shot_defaults(config)
    check_search(with_found_sizes(config))
    return config


def within_hours(parsed: Parsed) -> Parsed:
    """The flags of a search that ends with its hours, however many children these are, unless --trials is given."""
    if parsed.values["max_hours"] is None or "trials" in parsed.given:
        return parsed
    return replace(parsed, values={**parsed.values, "trials": MOST_TRIALS})


def _prepared(
    config: SearchConfig,
    folder: SearchFolder,
    output: OutputSettings,
    follower: Follower | None,
    *,
    resumed: bool = False,
    asked: Collection[str] = (),
) -> "SearchRun":
    cli.tell(_first_line(config, folder, resumed=resumed))
    load_tensorflow(debug=output.debug)
    from rl_nas.workflows.search import SearchRun
    from rl_nas.workflows.search_parts import prepare_search

    parts = prepare_search(config, folder, resumed=resumed, debug=output.debug, asked=asked)
    return SearchRun(parts, follower)


def _first_line(config: SearchConfig, folder: SearchFolder, *, resumed: bool) -> str:
    """What is known before anything is loaded."""
    run = config.run
    most = [] if run.trials == MOST_TRIALS else [counted(run.trials, "child", "children")]
    most += [] if run.max_hours is None else [f"at most {run.max_hours:g} hours"]
    what = f"--space={config.space.space} by --strategy={config.strategy.strategy} on {config.data.dataset}"
    return f"search: {what}, {', '.join(most)}{', continued' if resumed else ''}, in {folder.path}"


def _follow(run: "SearchRun", output: OutputSettings) -> int:
    """Searches and prints the result; Ctrl-C ends only the search."""
    for line in remarks(run.config):
        cli.tell(line)
    with run:
        try:
            run.search()
            run.confirm()
        except KeyboardInterrupt:
            return _stop(run, output)
        result = run.finish()
        run.forget_states()
        code = DONE
        if run.config.then.train is None:
            _print(result, output)
        else:
            if not output.json:
                _print(result, output)
            code = _retrain(run, result, output)
        if code == DONE:
            cli.tell(f"see all of it in a browser: {cli.program()} report {shlex.quote(str(run.folder.path))}")
        return code


def _stop(run: "SearchRun", output: OutputSettings) -> int:
    done = len(run.store.trials())
    if run.one_shot is not None and not done:
        print(f"stopped; the shared weights after {counted(run.one_shot.epochs, 'epoch')} are kept", file=sys.stderr)
    elif run.best.trial is None:
        print(f"stopped; {done} children finished, none successfully", file=sys.stderr)
    else:
        print(f"stopped; {done} children finished; writing the best files (Ctrl-C again to skip)", file=sys.stderr)
        with contextlib.suppress(KeyboardInterrupt):
            _print(run.finish(), output)
    print(f"resume with: rl_nas search --resume --run_dir={run.folder.path}", file=sys.stderr)
    return INTERRUPTED


def _retrain(run: "SearchRun", result: SearchResult, output: OutputSettings) -> int:
    try:
        document = run.second_stage(result.trials)
    except KeyboardInterrupt:
        print(f"stopped; continue with: rl_nas search --resume --run_dir={run.folder.path}", file=sys.stderr)
        return INTERRUPTED
    print(
        json.dumps({**summary_json(result), "then": document})
        if output.json
        else printable_lines(second_stage_text(document, run.folder.path))
    )
    failed = _failed_trainings(document, run.config.then.seeds)
    if failed:
        cli.tell(
            f"trainings that failed, of which the lines above say why: {', '.join(failed)}; the others are in"
            f" {run.folder.then}; try these again with: rl_nas search --resume --run_dir={run.folder.path}"
        )
    return FAILED if failed else DONE


def _failed_trainings(document: Mapping[str, Any], seeds: int) -> list[str]:
    """Names of the networks of which a training failed, by the content of then.json."""
    failed = [one["name"] for one in document["compared"] if len(one["results"]) < seeds]
    full = document["full"]
    return failed + ([f"{full['name']}/full"] if full and full["results"] is None else [])


def _print(result: SearchResult, output: OutputSettings) -> None:
    print(json.dumps(summary_json(result)) if output.json else printable_lines(summary_text(result)), flush=True)


def _check_second_stage(config: SearchConfig) -> None:
    """Raises `UsageError` for recipes that `rl_nas train` cannot read and for unknown names, before a search."""
    settings = config.then
    for flag, recipe in (("then_train", settings.train), ("then_full", settings.full)):
        if recipe is not None:
            try:
                read = parse(TRAIN, [f"--flagfile={recipe}"])
            except UsageError as error:
                raise UsageError(f"--{flag}={recipe}: {error}") from error
            if "genotype" in read.given:
                raise UsageError(f"--{flag}={recipe} gives a --genotype; the search gives it: remove it")
            _check_division(f"--{flag}={recipe}", read.values, config.data)
    published(settings)
    if settings.full is not None and settings.train is None:
        raise UsageError("--then_full trains the best of the cells that --then_train compares; give --then_train too")


def _check_division(recipe: str, values: Mapping[str, Any], data: DataSettings) -> None:
    """Raises `UsageError` for a recipe whose data cannot be split as those of the search are, or would be otherwise."""
    passed = {name: value for name, value in data.flags().items() if name in DIVISION and value is not None}
    if run_config.portable(values)["dataset"] not in (None, run_config.portable(data.flags())["dataset"]):
        if passed:
            raise UsageError(
                f"{recipe} is for another data set, but gets --{', --'.join(passed)} from the search; remove it"
            )
        return
    for name in DIVISION:
        if values[name] is not None and values[name] != passed.get(name):
            raise UsageError(
                f"{recipe} gives --{name}={values[name]}, by which images that the search learned from could be tested;"
                " give it to the search, too"
            )
    try:
        DataSettings.from_flags({**values, **passed})
    except UsageError as error:
        raise UsageError(f"{recipe}, with --{', --'.join(passed)} of the search: {error}") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
