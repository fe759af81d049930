"""A search as the page of it needs it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rl_nas.evaluation.retraining import Retrained
from rl_nas.one_shot.result import OneShotResult
from rl_nas.spaces.decisions import Genotype, SearchSpace
from rl_nas.store.choice import Choice, best_of
from rl_nas.store.class_results import ClassResults
from rl_nas.store.decision_log import DecisionProbabilities
from rl_nas.trial import Trial


@dataclass(frozen=True)
class HeldOut:
    """The images that children were measured on.

    Attributes:
        images: how many.
        where: the part of the data that they are, in words.
    """

    images: int
    where: str


class MeasuredClasses(NamedTuple):
    """What became of each class.

    Attributes:
        of: the network and the images, in words.
        results: of the classes.
    """

    of: str
    results: ClassResults


@dataclass(frozen=True)
class PageRun:
    """A search, as its folder records it.

    Attributes:
        name: of its folder, as the user gave it.
        trials: so far, in the order of their numbers.
        flags: all recorded ones.
        asked: trials of the whole search; None: as many as its hours allow.
        versions: of the packages, by name.
        space: of the search; None: it is code that is not trusted, or does not fit the trials.
        decode: from a trial to its genotype; raises `UsageError`.
        health: figures of each update, in order, each with its number as `update`.
        decisions: the policy's probabilities after updates, all of the lengths of the space's decisions.
        seconds: wall time of all sittings; None: not recorded.
        held_out: images that children were measured on; None: not recorded.
        shared: the ranking by shared weights, if there is one.
        retrained: networks that were trained longer.
        full: name, number of images, split and metrics of the full training, as in then.json; None: there was none.
        classes: results of each class, of the best trial and of the full training.
        examples: a PNG of held-out images with predictions of the best child.
        notes: what is left out of the page, and why.
        choice: of the best trial when the search ended; None: it has not ended.
        folder: of the search, as a command line names it; None: not known.
    """

    name: str
    trials: Sequence[Trial]
    flags: Mapping[str, Any]
    asked: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    space: SearchSpace[Any] | None = None
    decode: Callable[[Trial], Genotype] | None = None
    health: Sequence[Mapping[str, float]] = ()
    decisions: Sequence[DecisionProbabilities] = ()
    seconds: float | None = None
    held_out: HeldOut | None = None
    shared: OneShotResult | None = None
    retrained: Sequence[Retrained] = ()
    full: Mapping[str, Any] | None = None
    classes: Sequence[MeasuredClasses] = ()
    examples: bytes | None = None
    notes: Sequence[str] = ()
    choice: Choice | None = None
    folder: str | None = None

    @property
    def best(self) -> Trial | None:
        """The chosen trial, else that with the highest reward; None: none succeeded."""
        return best_of(self.trials, self.choice)

    @property
    def quality_name(self) -> str:
        """The metric that rewards are computed from."""
        measured = (trial.measurement for trial in self.trials if trial.measurement)
        return next((measurement.quality_name for measurement in measured), "quality")

    @property
    def metric_names(self) -> list[str]:
        """The metrics of its children, the quality first; those with a slash are too many for a line."""
        names = dict.fromkeys(n for t in self.trials if t.measurement for n in t.measurement.metrics)
        return [name for name in names if "/" not in name]
