"""`rl_nas runs`: the trials of a search, or several searches. No TensorFlow; the runs may be at work."""

import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rl_nas.commands import cli
from rl_nas.errors import RunError, StorageError, UsageError, printable
from rl_nas.exit_codes import DONE
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.objectives import Objectives
from rl_nas.report.choice_text import choice_text
from rl_nas.report.front_text import front_text
from rl_nas.report.runs_table import COLUMNS, RunRow, runs_table
from rl_nas.report.tables import (
    COSTS,
    csv_cell,
    failures_table,
    held_out_text,
    measured_text,
    trial_row,
    trials_table,
)
from rl_nas.settings import Settings, setting
from rl_nas.store.choice import best_of, read_choice
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import read_trials
from rl_nas.trial import Trial, TrialState, best_first, trial_document
from rl_nas.workflows.run_config import held_out
from rl_nas.workflows.trust import OF_THE_CALL


@dataclass(frozen=True)
class TrialListSettings(Settings):
    """The trials to show, and their form."""

    title: ClassVar[str] = "Trials"

    state: str | None = setting(None, "of one run, only trials that ended in this state", choices=tuple(TrialState))
    front: bool = setting(False, "of one run with --objectives, only the trials on their front, by falling quality")
    limit: int | None = setting(None, "most trials, or runs, to show", minimum=1)
    csv: bool = setting(False, "print comma-separated values, with the names of the columns first")
    log: bool = setting(False, "also show the last output of failed attempts")


RUNS = Command(
    name="rl_nas runs",
    summary=(
        "lists the trials of a search, best first, then the failed ones by number;\n"
        "of several searches, their best trials, and the flags in which they differ."
    ),
    examples=(
        "rl_nas runs runs/digits",
        "rl_nas runs runs/digits --state=oom --log",
        "rl_nas runs runs/digits --csv > trials.csv",
        "rl_nas runs runs/pareto --front",
        "rl_nas runs runs/digits runs/aging",
        "rl_nas runs runs",
    ),
    groups=(TrialListSettings,),
    words="RUN_DIR ...: folders of searches, or one that holds such folders.",
)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(RUNS, _run, argv, only_prints=lambda parsed: True)


def _run(parsed: Parsed) -> int:
    settings, as_json = parsed.group(TrialListSettings), parsed.group(OutputSettings).json
    if not parsed.words:
        raise UsageError("no folder; expected one or more, such as: rl_nas runs runs/digits")
    if settings.csv and as_json:
        raise UsageError("--csv and --json; leave one of them out")
    first = SearchFolder(parsed.words[0])
    if len(parsed.words) > 1 or not first.trials.exists():
        _compare(parsed.words, settings, as_json=as_json)
    else:
        _list(first, settings, as_json=as_json)
    return DONE


def _list(folder: SearchFolder, settings: TrialListSettings, *, as_json: bool) -> None:
    """Prints the trials of a search."""
    folder.check()
    trials = best_first(read_trials(folder.trials))
    config = folder.read_config() if folder.config.exists() else {}
    objectives = Objectives.recorded(config["flags"]) if config else None
    front = objectives.front(trials) if objectives is not None else []
    measured_ones = sum(trial.measurement is not None for trial in trials)
    if settings.front:
        if objectives is None:
            raise UsageError(f"--front: {folder.path} has one objective, its reward; leave it out")
        trials = front
    shown = [trial for trial in trials if settings.state in (None, trial.state)][: settings.limit]
    if as_json:
        print(json.dumps([trial_document(trial) for trial in shown]))
    elif settings.csv:
        metrics = dict.fromkeys(name for t in shown if t.measurement for name in t.measurement.metrics or ["quality"])
        print(_csv(shown, list(metrics)), end="")
    else:
        print(trials_table(shown))
        if objectives is not None:
            print(f"\n{front_text(objectives, front, measured_ones)}")
        choice = read_choice(folder, trials)
        if measured := _measured_on(folder, config, best_of(trials, choice)):
            print(f"\n{printable(measured)}")
        if choice is not None:
            print(choice_text(choice))
        if settings.log:
            print(failures_table(shown))


def _measured_on(folder: SearchFolder, config: dict[str, Any], best: Trial | None) -> str:
    """On which images the trials were measured, if the run has recorded it, and the best one's metric on them."""
    images = held_out(config, folder.config) if config else 0
    if not images or best is None or best.measurement is None:
        return ""
    name, value = best.measurement.quality_name, best.measurement.quality
    on = held_out_text(images, config["flags"].get("valid_split"))
    return f"Measured on {on}; the best: trial {best.index}, {measured_text(name, value, images)}"


def _compare(words: Sequence[str], settings: TrialListSettings, *, as_json: bool) -> None:
    """Prints several searches; tells those in the folders of others that cannot be read."""
    for flag, given in (("state", settings.state), ("front", settings.front), ("log", settings.log)):
        if given:
            raise UsageError(f"--{flag} is for the trials of one run; give one folder, or leave it out")
    names = [name for word in words for name in searches_in(word)]
    broken: list[str] = []
    rows = list(_rows(names[: settings.limit], words, broken))
    if not rows:
        raise UsageError(f"none of the searches in {', '.join(words)} can be read")
    if as_json:
        print(json.dumps([row.document() for row in rows]))
    elif settings.csv:
        print(_csv_of(COLUMNS, ([*row.cells().values()] for row in rows)), end="")
    else:
        print(runs_table(rows))
    if broken:
        raise RunError(f"left out: {'; '.join(broken)}")


def searches_in(name: str, known: Sequence[str] = ()) -> list[str]:
    """The folder, if it is that of a search, or those in it; tells what else is there but for `known`."""
    if SearchFolder(name).trials.exists():
        return [name]
    folders = sorted(str(path) for path in Path(name).iterdir() if path.is_dir()) if Path(name).is_dir() else []
    found = [one for one in folders if SearchFolder(one).trials.exists()]
    if not found and not known:
        raise UsageError(f"{name} holds no trials.sqlite; expected the folder of a search, or one of such folders")
    others = [Path(one).name for one in folders if one not in (*found, *known)]
    if others:
        print(printable(f"{name}: no searches, and left out: {', '.join(others)}"), file=sys.stderr)
    return found


def _rows(names: Sequence[str], named: Sequence[str], broken: list[str]) -> Iterator[RunRow]:
    """Yields the searches; one whose files are broken does not hide the others.

    Args:
        names: of the folders.
        named: those that the user gave.
        broken: takes what was met in those of them that cannot be read.
    """
    for name in names:
        try:
            yield _row(name)
        except (UsageError, StorageError) as error:
            cli.tell(f"left out: {error}")
            if name in named:
                broken.append(str(error))


def _row(name: str) -> RunRow:
    folder = SearchFolder(name)
    config = folder.read_config()
    kept = {flag: value for flag, value in config["flags"].items() if flag not in OF_THE_CALL}
    trials = read_trials(folder.trials)
    return RunRow(name, trials, kept, held_out(config, folder.config), read_choice(folder, trials))


def _csv(trials: Sequence[Trial], metrics: Sequence[str]) -> str:
    names = ("trial", "state", "reward", *metrics, *COSTS, "attempts", "error")
    rows = []
    for trial in trials:
        cells = trial_row(trial)
        rows.append([*(cells.get(name) for name in names), " ".join(map(str, trial.architecture))])
    return _csv_of(("index", *names[1:], "architecture"), rows)


def _csv_of(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(csv_cell, head))
    for row in rows:
        writer.writerow([csv_cell(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue()
