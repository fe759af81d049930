"""The result of a search, as text and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.genotypes import to_json
from rl_nas.objectives import Objectives
from rl_nas.one_shot.result import OneShotResult
from rl_nas.report.choice_text import choice_text
from rl_nas.report.front_text import front_text
from rl_nas.report.one_shot_text import one_shot_json, one_shot_text
from rl_nas.report.tables import counted, held_out_text, measured_text, trials_table
from rl_nas.spaces.decisions import Genotype
from rl_nas.store.choice import Choice
from rl_nas.trial import Trial, TrialState, best_trials, measurement_document, trial_document

_SHOWN = 5
_DIFFERENCE = "max_difference"


@dataclass(frozen=True)
class SearchResult:
    """Trials and best network of a search.

    Attributes:
        trials: all of them.
        best: the chosen one.
        genotype: of the best.
        epochs: of each child's training: the rewards are those of a proxy.
        runs: trainings of each child.
        choice: why the best was chosen; None: not known.
        valid_images: number of held-out images that children were measured on.
        valid_split: the split that these are; None: a part of the training split.
        files: paths by description.
        agreement: figures of the reloaded SavedModel's agreement with the child, by name.
        shared: the ranking by shared weights, if there are any.
        objectives: if there are several; None: the reward alone.
        front: of the objectives, by falling quality.
    """

    trials: Sequence[Trial]
    best: Trial
    genotype: Genotype
    epochs: int
    valid_images: int
    files: dict[str, Path]
    agreement: Mapping[str, float]
    shared: OneShotResult | None = None
    valid_split: str | None = None
    runs: int = 1
    choice: Choice | None = None
    objectives: Objectives | None = None
    front: Sequence[Trial] = ()

    @property
    def proxy(self) -> str:
        """What a child's quality is the mean of, in words."""
        return "one run" if self.runs == 1 else f"mean of {self.runs} runs"

    @property
    def measured_on(self) -> str:
        """The images that children were measured on, in words."""
        return held_out_text(self.valid_images, self.valid_split)

    @property
    def failures(self) -> int:
        """Children that ended without a measurement, those over a limit aside."""
        return sum(trial.reward is None for trial in self.trials) - self.over_limit

    @property
    def over_limit(self) -> int:
        """Networks that exceed a limit."""
        return sum(trial.state is TrialState.OVER_LIMIT for trial in self.trials)


def summary_text(result: SearchResult) -> str:
    """Table of the best children, the best cell, the files, and the final line."""
    width = max(len(name) for name in result.files)
    measurement = result.best.measurement
    assert measurement is not None
    return "\n".join(
        [
            f"The best of {counted(len(result.trials), 'child', 'children')} ({_ended(result)}), measured on"
            f" {result.measured_on}:",
            trials_table(best_trials(result.trials, _SHOWN)),
            "",
            *([] if result.choice is None else [choice_text(result.choice), ""]),
            *([] if result.shared is None else [one_shot_text(result.shared), ""]),
            *([] if result.objectives is None else [_front(result, result.objectives), ""]),
            family_of(result.genotype).text(result.genotype),
            "",
            *(f"{name:{width}}  {path}" for name, path in result.files.items()),
            f"The SavedModel was loaded back: {_agreement_text(result.agreement)}.",
            "",
            f"Best child: trial {result.best.index},"
            f" {measured_text(measurement.quality_name, measurement.quality, result.valid_images)} on"
            f" {result.measured_on} (proxy: {counted(result.epochs, 'epoch')}, {result.proxy}).",
        ]
    )


def summary_json(result: SearchResult) -> dict[str, Any]:
    """The result as JSON values."""
    measurement = result.best.measurement
    assert measurement is not None
    return {
        "trials": len(result.trials),
        "failures": result.failures,
        "over_limit": result.over_limit,
        "best": {"trial": result.best.index, "reward": result.best.reward, **measurement_document(measurement)},
        **({} if result.choice is None else {"choice": asdict(result.choice)}),
        "measured_on": f"{result.measured_on}, proxy, {result.proxy}",
        "genotype": to_json(result.genotype),
        **({} if result.objectives is None else {"front": [trial_document(trial) for trial in result.front]}),
        **({} if result.shared is None else {"shared": one_shot_json(result.shared)}),
        "files": {name: str(path) for name, path in result.files.items()},
        "export_difference": result.agreement.get(_DIFFERENCE),
        "export_agreement": dict(result.agreement),
    }


def _ended(result: SearchResult) -> str:
    epochs = [trial.measurement.epochs or 0 for trial in result.trials if trial.measurement]
    stopped = sum(one < max(epochs) for one in epochs)
    early = f", {stopped} stopped early: {sum(epochs):,} epochs" if stopped else ""
    over = f", {result.over_limit} over a limit" if result.over_limit else ""
    return f"{result.failures} failed{early}{over}"


def _front(result: SearchResult, objectives: Objectives) -> str:
    return front_text(objectives, result.front, len(result.trials) - result.failures - result.over_limit)


def _agreement_text(agreement: Mapping[str, float]) -> str:
    """The largest difference of a prediction, or the task's own figures where predictions have none."""
    if _DIFFERENCE in agreement:
        return f"largest difference of a prediction {agreement[_DIFFERENCE]:.1e}"
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in agreement.items()) or "it agrees"
