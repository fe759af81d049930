"""The trials of the page as data: what its table, its charts and its details of a trial are made of in the browser.

JSON of columns, compressed, as 20,000 trials take several megabytes otherwise.
"""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

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
_MEASURED = (*COSTS, "epochs", "seconds")


class TrialData:
    """The data of the trials of runs.

    Attributes:
        columns: by name, each with an entry for each trial: `run`, the place of its run; `trial`, its number; `state`;
            `reward`; the metrics as `metric0` and so on; costs, `epochs`, `seconds`, `attempts`.
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
        """Everything as JSON values."""
        return {
            "runs": [{"name": run.name, "decisions": _decisions(run)} for run in self._runs],
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

    def _columns(self) -> dict[str, list[Any]]:
        columns: dict[str, list[Any]] = {
            "run": [place for place, _ in self._trials],
            "trial": [trial.index for _, trial in self._trials],
            "state": [str(trial.state) for _, trial in self._trials],
            "reward": [trial.reward for _, trial in self._trials],
        }
        measured = [trial.measurement for _, trial in self._trials]
        for place, name in enumerate(self.metrics):
            columns[f"metric{place}"] = [one and one.metrics.get(name) for one in measured]
        for name in _MEASURED:
            columns[name] = [one and getattr(one, name) for one in measured]
        columns["quality"] = [one and one.quality for one in measured]
        return {**columns, "attempts": [trial.attempts for _, trial in self._trials]}

    def _architectures(self) -> list[Sequence[int]]:
        """The choices of each trial; empty for those for which there is no room."""
        architectures: list[Sequence[int]] = []
        left = _MOST_CHOICES
        for _, trial in self._trials:
            left -= len(trial.architecture)
            architectures.append(trial.architecture if left >= 0 else ())
        if left < 0:
            hint = "rl_nas describe --run_dir=RUN --trial=N shows them"
            self.notes.append(f"The choices of later trials are left out; {hint}.")
        return architectures

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


def packed(document: Mapping[str, Any]) -> str:
    """A JSON document for a browser: compressed by gzip, as base64, which no text can break out of."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=6, mtime=0)).decode()


def unpacked(text: str) -> Any:
    """The document of a packed one."""
    return json.loads(gzip.decompress(base64.b64decode(text)))


def _decisions(run: PageRun) -> list[dict[str, Any]]:
    """Names and choices of the decisions of a run; none if its space is not known."""
    if run.space is None:
        return []
    check_fits(run.trials, run.space)
    return [
        {"name": decision.name, "choices": list(map(str, decision.choices)), "when": run.space.conditions(number)}
        for number, decision in enumerate(run.space.decisions)
    ]
