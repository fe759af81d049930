"""Rules for stopping children that will not be among the better ones. No TensorFlow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rl_nas.settings import Settings, setting

_DEVIATIONS = 1.645
"""Standard deviations that a normal variable exceeds with a probability of 5 %."""

NONE = -math.inf
"""Threshold that stops no child: a quality may be negative, such as R squared."""


@dataclass(frozen=True)
class EarlyStopSettings(Settings):
    """Early stopping of children; the reward of a stopped one is that of its quality then."""

    title: ClassVar[str] = "Early stopping"
    prefix: ClassVar[str] = "early_stop_"

    rule: str = setting(
        "none",
        "median: stop a child whose best quality so far is below the median of others' mean qualities up to the same"
        " epoch (Golovin et al. 2017); extrapolation: stop one that, by a linear fit, ends above --early_stop_quantile"
        " of the finished ones with a probability of only 5 %; halving: train the --update_every children between two"
        " updates for --early_stop_epochs, the best for --early_stop_factor times as many, and so on (Jamieson and"
        " Talwalkar 2016); asha: at each of these rungs, stop a child that is not among the best of those that reached"
        " it before, one in --early_stop_factor (Li et al. 2020); model: the same by the final quality that a model of"
        " all children expects (after Klein et al. 2020); record: stop none, but measure after every epoch",
        choices=("none", "record", "median", "extrapolation", "halving", "asha", "model"),
    )
    epochs: int = setting(1, "no child is stopped before this many epochs", minimum=1)
    factor: float = setting(3.0, "one child in this many is trained on; rules halving, asha and model", minimum=1.1)
    trials: int | None = setting(
        None,
        "children that must have reached an epoch before others are stopped there; left out: 10, for asha and model"
        " --early_stop_factor, rounded up",
        minimum=3,
    )
    quantile: float = setting(0.5, "quantile of the final qualities; rule extrapolation", minimum=0, maximum=1)

    @property
    def measures(self) -> bool:
        """Whether qualities are measured after every epoch."""
        return self.rule != "none"

    @property
    def stops(self) -> bool:
        """Whether children may be stopped."""
        return self.rule not in ("none", "record")

    @property
    def least(self) -> int:
        """Children that must have reached an epoch before others are stopped there."""
        if self.trials is not None:
            return self.trials
        return math.ceil(self.factor) if self.rule in ("asha", "model") else 10


def thresholds(curves: Sequence[Sequence[float]], settings: EarlyStopSettings) -> tuple[float, ...]:
    """Quality that a child must reach after its first, second, ... epoch; -inf where none is stopped.

    Args:
        curves: qualities of children after each epoch; those of stopped ones are shorter.
        settings: the rule.
    """
    whole = max(map(len, curves), default=0)
    if settings.rule not in _RULES:
        return ()
    found = []
    for epochs in range(1, whole):  # nothing is left to stop after the last one
        reached = [np.array(curve) for curve in curves if len(curve) >= epochs]
        enough = epochs >= settings.epochs and len(reached) >= settings.least
        found.append(_RULES[settings.rule](reached, epochs, whole, settings) if enough else NONE)
    return tuple(found)


def _median(curves: Sequence[np.ndarray], epochs: int, whole: int, settings: EarlyStopSettings) -> float:
    return float(np.median([curve[:epochs].mean() for curve in curves]))


def _extrapolated(curves: Sequence[np.ndarray], epochs: int, whole: int, settings: EarlyStopSettings) -> float:
    """The quality from which a linear fit of the final one, with its scatter, just reaches the target."""
    finished = [curve for curve in curves if len(curve) == whole]
    if len(finished) < settings.least:
        return NONE
    now, final = (np.array([curve[at] for curve in finished]) for at in (epochs - 1, -1))
    spread = np.sum((now - now.mean()) ** 2)
    slope = np.sum((now - now.mean()) * (final - final.mean())) / spread if spread else 0.0
    if slope <= 0:  # the present quality does not predict the final one
        return NONE
    scatter = np.sqrt(np.sum((final - final.mean() - slope * (now - now.mean())) ** 2) / (len(finished) - 2))
    target = np.quantile(final, settings.quantile) - _DEVIATIONS * scatter
    return float(now.mean() + (target - final.mean()) / slope)


_RULES = {"median": _median, "extrapolation": _extrapolated}


def falls_short(curve: Sequence[float], thresholds: Sequence[float], rule: str) -> bool:
    """Whether to stop a child that has these qualities after its epochs."""
    if not curve or len(curve) > len(thresholds):
        return False
    reached = max(curve) if rule == "median" else curve[-1]
    return reached < thresholds[len(curve) - 1]


def rungs(settings: EarlyStopSettings, epochs: int) -> list[int]:
    """Epochs of the rungs of a training of a number of epochs, the last of which is the whole training."""
    found, reached = [], settings.epochs
    while reached < epochs:
        found.append(reached)
        reached = max(reached + 1, round(reached * settings.factor))
    return [*found, epochs]
