"""`rl_nas runs`: the trials of a search, best first. No TensorFlow; the run may be at work."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from rl_nas.commands import cli
from rl_nas.errors import UsageError
from rl_nas.exit_codes import DONE
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.report.tables import csv_cell, failures_table, trials_table
from rl_nas.settings import Settings, setting
from rl_nas.store.run_folder import SearchFolder
from rl_nas.store.trials import read_trials
from rl_nas.trial import Trial, TrialState, best_first, measurement_document


@dataclass(frozen=True)
class TrialListSettings(Settings):
    """The trials to show, and their form."""

    title: ClassVar[str] = "Trials"

    state: str | None = setting(None, "only trials that ended in this state", choices=tuple(TrialState))
    limit: int | None = setting(None, "most trials to show", minimum=1)
    csv: bool = setting(False, "print comma-separated values, with the names of the columns first")
    log: bool = setting(False, "also show the last output of failed attempts")


RUNS = Command(
    name="rl_nas runs",
    summary="lists the trials of a search, best first, then the failed ones by number.",
    examples=(
        "rl_nas runs runs/digits",
        "rl_nas runs runs/digits --state=oom --log",
        "rl_nas runs runs/digits --csv > trials.csv",
    ),
    groups=(TrialListSettings,),
    words="RUN_DIR: the folder of a search.",
)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(RUNS, _run, argv, only_prints=lambda parsed: True)


def _run(parsed: Parsed) -> int:
    settings, as_json = parsed.group(TrialListSettings), parsed.group(OutputSettings).json
    if len(parsed.words) != 1:
        raise UsageError(f"{len(parsed.words)} folders; expected one, such as: rl_nas runs runs/digits")
    if settings.csv and as_json:
        raise UsageError("--csv and --json; leave one of them out")
    folder = SearchFolder(parsed.words[0])
    if not folder.trials.exists():
        raise UsageError(f"{folder.path} holds no trials.sqlite; expected the folder of a search")
    folder.check()
    trials = best_first(read_trials(folder.trials))
    shown = [trial for trial in trials if settings.state in (None, trial.state)][: settings.limit]
    if as_json:
        print(json.dumps([_document(trial) for trial in shown]))
    elif settings.csv:
        metrics = dict.fromkeys(name for t in shown if t.measurement for name in t.measurement.metrics or ["quality"])
        print(_csv([_document(trial) for trial in shown], list(metrics)), end="")
    else:
        print(trials_table(shown))
        if settings.log:
            print(failures_table(shown))
    return DONE


def _document(trial: Trial) -> dict[str, Any]:
    """Everything known of a trial, flat except for its failed attempts."""
    document = asdict(trial)
    for name in ("measurement", "cached", "failures"):
        document.pop(name)
    measured = measurement_document(trial.measurement) if trial.measurement else {}
    return {**document, **measured, "error": trial.error, "failures": [asdict(failure) for failure in trial.failures]}


def _csv(documents: Sequence[dict[str, Any]], metrics: Sequence[str]) -> str:
    names = ("index", "state", "reward", *metrics, "parameters", "madds", "epochs", "seconds", "latency")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*map(csv_cell, names), "attempts", "error", "architecture"])
    for document in documents:
        attempts = len(document["failures"]) + (document["state"] == TrialState.OK)
        architecture = " ".join(map(str, document["architecture"]))
        writer.writerow([*(document.get(name) for name in names), attempts, csv_cell(document["error"]), architecture])
    return text.getvalue()
