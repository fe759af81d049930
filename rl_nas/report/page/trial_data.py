"""The trials of the page as data: what its table, its charts and its details of a trial are made of in the browser."""

import contextlib
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from typing import Any

import numpy as np

from rl_nas.report.page.choices import check_fits
from rl_nas.report.page.pareto import COSTS
from rl_nas.report.page.run import PageRun
from rl_nas.trial import Trial, best_first

MOST_TRIALS = 50_000
"""Trials of all runs that a page shows; the facts above them are computed from all."""

_MOST_CHOICES = 4_000_000
"""Choices of all architectures."""
_MOST_LOG = 4_000_000
"""Characters of all logs of failures."""
_MOST_METRICS = 8
NO_CHOICE = -1
"""Stands in architectures for a choice that is not on the page."""
_MEASURED = (*COSTS, "epochs", "seconds")


class TrialData:
    """The data of the trials of runs.

    Attributes:
        columns: by name, each with an entry for each trial: `run`, the place of its run; `trial`, its number; `state`;
            `reward`; the metrics as `metric0` and so on; costs, `epochs`, `seconds`, `attempts`. All but `state` are
            numbers, float [trials], NaN where there is none.
        metrics: names of the metrics.
        notes: what was left out.
    """

    def __init__(self, runs: Sequence[PageRun]) -> None:
        self._runs, self.notes = runs, list[str]()
        self.metrics = list(dict.fromkeys(name for run in runs for name in run.metric_names))
        if len(self.metrics) > _MOST_METRICS:
            self.notes.append(f"{len(self.metrics) - _MOST_METRICS} metrics are left out of the table of trials.")
            self.metrics = self.metrics[:_MOST_METRICS]
        self._trials = self._shown()
        self.columns = self._columns()

    @property
    def names(self) -> list[str]:
        """The runs, as users named them."""
        return [run.name for run in self._runs]

    def document(self) -> dict[str, Any]:
        """Everything as JSON values and arrays."""
        return {
            "runs": [
                {"name": run.name, "folder": shlex.quote(run.folder or "RUN_DIR"), "decisions": _decisions(run)}
                for run in self._runs
            ],
            "metrics": self.metrics,
            "columns": self.columns,
            "architectures": self._architectures(),
            "failures": self._failures(),
        }

    def _shown(self) -> list[tuple[int, Trial]]:
        room = max(1, MOST_TRIALS // max(1, len(self._runs)))
        shown: list[tuple[int, Trial]] = []
        for place, run in enumerate(self._runs):
            trials: Sequence[Trial] = run.trials
            if len(trials) > room:
                self.notes.append(f"Of {len(trials):,} trials of {run.name} the best {room:,} are in charts and table.")
                trials = sorted(best_first(trials)[:room], key=lambda trial: trial.index)
            shown += ((place, trial) for trial in trials)
        return shown

    def _columns(self) -> dict[str, Any]:
        measured = [trial.measurement for _, trial in self._trials]
        columns: dict[str, Sequence[Any]] = {
            "run": [place for place, _ in self._trials],
            "trial": [trial.index for _, trial in self._trials],
            "reward": [trial.reward for _, trial in self._trials],
        }
        for place, name in enumerate(self.metrics):
            columns[f"metric{place}"] = [one and one.metrics.get(name) for one in measured]
        for name in (*_MEASURED, "quality"):
            columns[name] = [one and getattr(one, name) for one in measured]
        columns["attempts"] = [trial.attempts for _, trial in self._trials]
        numbers = {name: np.array(values, float) for name, values in columns.items()}
        return {**numbers, "state": [str(trial.state) for _, trial in self._trials]}

    def _architectures(self) -> list[np.ndarray]:
        """The choices of the first trials of each run, as far as there is room, int [decisions, trials].

        The choices of a decision stand together, as they have the same few values. `NO_CHOICE` stands for those of an
        architecture that is longer or shorter than the others, which no search has, but a stranger's file may.
        """
        tables, trials = list[np.ndarray](), iter(self._trials)
        left, cut = _MOST_CHOICES, False
        for run in range(len(self._runs)):
            made = [trial.architecture for _, trial in islice(trials, int((self.columns["run"] == run).sum()))]
            length = len(made[0]) if made else 0
            shown = made[: left // max(1, length)]
            left -= length * len(shown)
            table = np.full((length, len(shown)), NO_CHOICE, float)
            for place, architecture in enumerate(shown):
                with contextlib.suppress(OverflowError):  # a stranger's number
                    table[:, place] = architecture if len(architecture) == length else NO_CHOICE
            cut |= len(shown) < len(made) or bool((table == NO_CHOICE).any())
            tables.append(_narrow(table))
        if cut:
            hint = "rl_nas describe --run_dir=RUN --trial=N shows them"
            self.notes.append(f"The choices of later trials are left out; {hint}.")
        return tables

    def _failures(self) -> dict[str, list[dict[str, Any]]]:
        """The failed attempts by the place of their trial; logs while there is room for them."""
        failures: dict[str, list[dict[str, Any]]] = {}
        left, cut = _MOST_LOG, 0
        for place, (_, trial) in enumerate(self._trials):
            for failure in trial.failures:
                left -= len(failure.log)
                cut += left < 0
                shown = {**asdict(failure), **({"log": ""} if left < 0 else {})}
                failures.setdefault(str(place), []).append(shown)
        if cut:
            self.notes.append(f"The logs of {cut:,} failed attempts are left out; rl_nas runs RUN --log shows them.")
        return failures


def _narrow(table: np.ndarray) -> np.ndarray:
    """Whole numbers, of which strangers may have large ones, in as few bytes as hold them all."""
    most = float(np.abs(table).max(initial=0))
    kind = next((kind for kind in (np.int8, np.int16, np.int32) if most <= np.iinfo(kind).max), np.float64)
    return table.astype(kind)


def _decisions(run: PageRun) -> list[dict[str, Any]]:
    """Names and choices of the decisions of a run; none if its space is not known."""
    if run.space is None:
        return []
    check_fits(run.trials, run.space)
    return [
        {"name": decision.name, "choices": list(map(str, decision.choices)), "when": run.space.conditions(number)}
        for number, decision in enumerate(run.space.decisions)
    ]
