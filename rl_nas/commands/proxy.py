"""`rl_nas proxy`: how well cheap trainings rank networks, compared with the training of a search."""

import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import ClassVar

from rl_nas.commands import cli
from rl_nas.commands.search import CHANGEABLE
from rl_nas.errors import UsageError
from rl_nas.evaluation.proxy_ranking import rank
from rl_nas.evaluation.settings import SCORE_NAMES
from rl_nas.exit_codes import DONE
from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command, OutputSettings, Parsed, parse
from rl_nas.report.proxy_text import proxy_json, proxy_text
from rl_nas.report.tables import counted
from rl_nas.settings import Settings, setting
from rl_nas.store.json_files import blaming
from rl_nas.workflows import run_config
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.page_proxies import write_proxies
from rl_nas.workflows.sizing import without_given
from rl_nas.workflows.tensorflow_setup import load_tensorflow
from rl_nas.workflows.trust import OF_TRAININGS, PLUGINS


@dataclass(frozen=True)
class ProxySettings(Settings):
    """The proxies to compare."""

    title: ClassVar[str] = "Proxies"

    proxies: str = setting(
        "seed=1; epochs=1; epochs=3",
        "trainings, by the flags that differ: commas between flags, semicolons between trainings; seed=1 shows the"
        " effect of randomness alone on the order",
    )
    scores: str = setting("parameters", "scores of the untrained networks, separated by commas; or none")
    correlation: float = setting(0.8, "wanted Spearman correlation", minimum=-1, maximum=1)


PROXY = Command(
    name="rl_nas proxy",
    summary=(
        "trains --trials random networks fully, as a search with these flags would, and by cheaper proxies,\n"
        "and prints how well these rank."
    ),
    examples=(
        "rl_nas proxy --flagfile=flags/digits.cfg --run_dir=runs/proxy",
        'rl_nas proxy --flagfile=flags/digits.cfg --trials=50 --proxies="epochs=2; filters=4; train_images=300"'
        " --scores=synflow,naswot --run_dir=runs/proxy",
        "rl_nas proxy --resume --run_dir=runs/proxy",
    ),
    groups=(ProxySettings, *SearchConfig.groups()),
)
_MAY_CHANGE = (*CHANGEABLE, "proxies", "scores", "correlation")


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(PROXY, _run, argv)


def _run(parsed: Parsed) -> int:
    run = SearchConfig.from_flags(parsed.values).run
    folder = run.folder
    if run.resume:
        parsed = run_config.merge(parsed, folder.reopen(), _MAY_CHANGE)
    auto = None if run.resume else parsed.values["auto"]  # they were found when the run began
    parsed = replace(parsed, values=without_given({**parsed.values, "auto": auto}, parsed.given))
    with blaming(folder.config) if run.resume else nullcontext():
        settings, config = parsed.group(ProxySettings), SearchConfig.from_flags(parsed.values)
    ways = _ways(parsed, settings)
    scores = [] if settings.scores == "none" else names_of(settings.scores, SCORE_NAMES, "scores")
    config.data.required_dataset()
    if config.run.max_hours is not None:
        raise UsageError("--max_hours would leave networks out that all ways are compared on; leave it out")
    if config.track.track is not None:
        raise UsageError(f"--track={config.track.track} is told of searches; leave it out")
    if not run.resume:
        folder.check_new()
    on = f"{config.space.space} on {config.data.dataset}"
    cli.tell(
        f"proxy: {counted(config.run.trials, 'random network')} of --space={on}, each trained by"
        f" {counted(1 + len(ways), 'way')}, in {folder.path}"
    )
    load_tensorflow(debug=parsed.group(OutputSettings).debug)
    from rl_nas.workflows.proxies import FULL, ProxyTraining, check_scores, scored, sized_by_data

    if config.auto.names:  # once: ways differ in nothing that they do not name
        config = sized_by_data(config)
        parsed = replace(parsed, values={**parsed.values, **config.flags()})
        ways = _ways(parsed, settings)
    all_ways = {FULL: config, **ways}.items()
    trainings = [ProxyTraining(name, way, config, folder, parsed.typed) for name, way in all_ways]
    check_scores(scores, config)
    if not run.resume:
        flags = parsed.values
        folder.create(run_config.config(flags), run_config.repeating_flagfile(flags, PROXY.name))
    full, *others = (training.rank() for training in trainings)
    others += scored(scores, config, folder)
    rankings = [rank(proxy, full) for proxy in others]
    document = proxy_json(full, rankings, settings.correlation)
    write_proxies(folder, document)
    if parsed.group(OutputSettings).json:
        print(json.dumps(document))
    else:
        print(proxy_text(full, rankings, settings.correlation))
    return DONE


def _ways(parsed: Parsed, settings: ProxySettings) -> dict[str, SearchConfig]:
    """The config of each proxy, by its name."""
    return {name: SearchConfig.from_flags(_with(parsed, name).values) for name in _names(settings.proxies)}


def _names(proxies: str) -> list[str]:
    names = [re.sub(r"\s", "", name) for name in proxies.split(";")]
    for name in names:
        if os.pardir in name.split(os.sep):  # names are those of folders in the run's, too
            raise UsageError(f"--proxies: {name!r} names a folder above; give its whole path")
    return [name for name in dict.fromkeys(names) if name]


def _with(parsed: Parsed, name: str) -> Parsed:
    """The flags with the changes of a proxy."""
    changed = parse(PROXY, [f"--{word}" for word in name.split(",")])
    of_all = {"trials", "run_dir", "resume", "trust", "proxies", *PLUGINS}
    fixed = of_all.difference(OF_TRAININGS) & changed.given
    if fixed:
        raise UsageError(f"--proxies: {name!r} changes {', '.join(sorted(fixed))}, which is the same for all")
    return replace(parsed, values={**parsed.values, **{flag: changed.values[flag] for flag in changed.given}})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
