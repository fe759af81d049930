"""Rules of early stopping, which are told of finished children."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from rl_nas.early_stopping.thresholds import NONE, EarlyStopSettings, rungs
from rl_nas.spaces.decisions import Architecture
from rl_nas.trial import Job


class Finished(NamedTuple):
    """A child whose training is over.

    Attributes:
        architecture: of the child.
        curve: its quality after each epoch.
    """

    architecture: Architecture
    curve: tuple[float, ...]


class Rule(Protocol):
    """Qualities that children must reach to be trained on."""

    def thresholds(self, child: Job, finished: Sequence[Finished]) -> tuple[float, ...]:
        """Those of a child after its first, second, ... epoch, given others in the order of their numbers.

        They depend on the arguments alone.
        """


class CurveRule:
    """A rule that knows the others' curves, and nothing of the architectures.

    Args:
        rule: from curves to thresholds.
    """

    def __init__(self, rule: Callable[[Sequence[tuple[float, ...]]], tuple[float, ...]]) -> None:
        self._rule = rule

    def thresholds(self, child: Job, finished: Sequence[Finished]) -> tuple[float, ...]:
        """See `Rule`."""
        return self._rule([other.curve for other in finished])


class HalvingRule(ABC):
    """Asynchronous successive halving: at each rung, about one child in `factor` goes on.

    While too few have reached a rung to compare with, these are those of every `factor`-th number.

    Args:
        settings: the factor, the first rung, and how many children a rung needs before they are compared.
        epochs: of a whole training.
    """

    def __init__(self, settings: EarlyStopSettings, epochs: int) -> None:
        self.settings, self.rungs = settings, rungs(settings, epochs)

    def thresholds(self, child: Job, finished: Sequence[Finished]) -> tuple[float, ...]:
        """See `Rule`."""
        found = [NONE] * (self.rungs[-1] - 1)
        for rung, epochs in enumerate(self.rungs[:-1]):
            reached = [other for other in finished if len(other.curve) >= epochs]
            if len(reached) >= self.settings.least:
                found[epochs - 1] = self.threshold(child, rung, finished)
            elif child.index % math.ceil(self.settings.factor) ** (rung + 1):
                found[epochs - 1] = math.inf
        return tuple(found)

    @abstractmethod
    def threshold(self, child: Job, rung: int, finished: Sequence[Finished]) -> float:
        """The quality that a child needs to go on from a rung; enough others have reached it."""


class RankRule(HalvingRule):
    """Compares qualities at the rung (Li et al. 2020, algorithm 2, without going back to stopped children)."""

    def threshold(self, child: Job, rung: int, finished: Sequence[Finished]) -> float:
        """See `HalvingRule.threshold`."""
        epochs = self.rungs[rung]
        qualities = [other.curve[epochs - 1] for other in finished if len(other.curve) >= epochs]
        return float(np.quantile(qualities, 1 - 1 / self.settings.factor))
