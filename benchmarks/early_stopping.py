"""The savings of early stopping, and its effect on the order of the networks.

    rl_nas search --flagfile=flags/digits.cfg --strategy=random --early_stop_rule=record --run_dir=curves
    python benchmarks/early_stopping.py --run_dir=curves

The rules are replayed over the recorded curves of a search that stopped nobody, trial by trial in their order, each
told of the trials before it, and those of successive halving (`halving`) batch by batch. Saved: share of the epochs.
Spearman: between the qualities that the search would have seen, those of stopped children at their last epoch, and the
full ones.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from frame import Table, remark, run

from rl_nas.early_stopping.catalog import rule_of
from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.early_stopping.halving import HalvingExecutor
from rl_nas.early_stopping.rules import Finished
from rl_nas.early_stopping.thresholds import EarlyStopSettings, falls_short, rungs
from rl_nas.errors import UsageError
from rl_nas.evaluation.rewards import quality
from rl_nas.execution.inline import InlineExecutor
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.statistics import correlation, spearman
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import read_trials
from rl_nas.trial import Job, Measurement
from rl_nas.workflows.recorded_run import RecordedRun

Curve = tuple[float, ...]

KEPT = {True: "yes", False: "no, {found:.4f} of {best:.4f}"}
COLUMNS = {
    "rule": str,
    "stopped": "{:.0%}".format,
    "epochs saved": "{:.0%}".format,
    "Spearman (95%)": str,
    "of the best 10%, stopped": "{0[stopped]} of {0[best]}".format,
    "best kept": lambda kept: KEPT[kept["found"] == kept["best"]].format(**kept),
}
THRESHOLDS = (("median", 0.5), ("extrapolation", 0.5), ("extrapolation", 0.75), ("extrapolation", 0.9))
"""Rules with their quantiles."""
FACTORS = (2.0, 3.0)
"""Of successive halving, in batches and asynchronous."""


@dataclass(frozen=True)
class ReplaySettings(Settings):
    """The curves to replay."""

    title: ClassVar[str] = "Replay"

    run_dir: str = setting("curves", "search with --early_stop_rule=record")
    batch: int = setting(20, "children that halving compares", minimum=1)


COMMAND = Command(
    name="python benchmarks/early_stopping.py",
    summary="replays the rules of early stopping over recorded curves.",
    examples=("python benchmarks/early_stopping.py --run_dir=curves --early_stop_trials=5",),
    groups=(ReplaySettings, EarlyStopSettings),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    replay = parsed.group(ReplaySettings)
    folder = SearchFolder(replay.run_dir)
    trials = [trial for trial in read_trials(folder.trials) if trial.measurement]
    curves = [trial.measurement.curve for trial in trials if trial.measurement]
    if not curves or len({len(curve) for curve in curves}) > 1 or not curves[0]:
        raise UsageError("the trials have no curves of one length; expected a search with --early_stop_rule=record")
    remark(f"{len(curves)} children of {len(curves[0])} epochs")
    children = [Finished(trial.architecture, curve) for trial, curve in zip(trials, curves, strict=True)]
    space = RecordedRun(replay.run_dir).space if folder.config.exists() else None
    return Table(COLUMNS, _rows(children, space, parsed.group(EarlyStopSettings), replay.batch))


def _rows(
    children: Sequence[Finished], space: SearchSpace[Any] | None, settings: EarlyStopSettings, batch: int
) -> Iterator[tuple[Any, ...]]:
    curves = [child.curve for child in children]
    for rule, quantile in THRESHOLDS:
        name = rule if rule == "median" else f"{rule}, quantile {quantile:g}"
        yield name, *_compared(curves, _replay(children, space, replace(settings, rule=rule, quantile=quantile)))
    for factor in FACTORS:
        chosen = replace(settings, rule="halving", factor=factor)
        yield f"halving, factor {factor:g}", *_compared(curves, _halve(curves, chosen, batch))
    for rule in ("asha", "model") if space is not None else ("asha",):
        for factor in FACTORS:
            chosen = replace(settings, rule=rule, factor=factor)
            yield f"{rule}, factor {factor:g}", *_compared(curves, _replay(children, space, chosen))


def _halve(curves: Sequence[Curve], settings: EarlyStopSettings, batch: int) -> list[Curve]:
    """The curves as far as successive halving lets them come."""

    def train(job: Job) -> Measurement:
        curve = curves[job.index][: job.epochs]
        return Measurement(curve[-1], epochs=len(curve), curve=curve)

    jobs = [Job(index, (), 0) for index in range(len(curves))]
    with tempfile.TemporaryDirectory() as folder:
        whole, states = rungs(settings, len(curves[0])), ChildStates(Path(folder))
        executor = HalvingExecutor(InlineExecutor(train), whole, settings.factor, quality, states)
        batches = (jobs[first : first + batch] for first in range(0, len(jobs), batch))
        outcomes = [outcome for jobs in batches for outcome in executor.run(jobs)]
    return [outcome.measurement.curve for outcome in outcomes if outcome.measurement]


def _replay(children: Sequence[Finished], space: SearchSpace[Any] | None, settings: EarlyStopSettings) -> list[Curve]:
    """The curves as far as the rule lets them come; only the rule `model` needs the space."""
    rule, seen = rule_of(settings, space, len(children[0].curve)), list[Finished]()
    for index, (architecture, curve) in enumerate(children):
        limits = rule.thresholds(Job(index, architecture, 0), seen)
        lengths = range(1, len(curve) + 1)
        length = next((n for n in lengths if falls_short(curve[:n], limits, settings.rule)), len(curve))
        seen.append(Finished(architecture, curve[:length]))
    return [child.curve for child in seen]


def _compared(curves: Sequence[Curve], seen: Sequence[Curve]) -> tuple[Any, ...]:
    """All columns but the first."""
    full, met = np.array([curve[-1] for curve in curves]), np.array([curve[-1] for curve in seen])
    stopped = np.array([len(curve) < len(curves[0]) for curve in seen])
    saved = 1 - sum(map(len, seen)) / sum(map(len, curves))
    best = np.argsort(-full, kind="stable")[: max(1, len(full) // 10)]
    return (
        float(stopped.mean()),
        saved,
        correlation(met, full, spearman),
        {"stopped": int(stopped[best].sum()), "best": len(best)},
        {"found": float(full[np.argmax(met)]), "best": float(full.max())},
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
