"""Rewards over children, and what the first epochs of children tell of their last one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rl_nas.report.page.random_search import rewards_of
from rl_nas.statistics import Correlation, correlation, spearman
from rl_nas.trial import Trial

FEWEST = 3
"""Fewest children to compute a correlation of."""
MOST_COMPARED = 500
"""Most children that a correlation is computed from: its interval takes their square, 2,000 times."""


@dataclass(frozen=True)
class RewardCurves:
    """Rewards over children.

    Attributes:
        best: the best reward so far, float [trials]; NaN before the first success.
        mean: of the rewards of the last `window` children, float [trials]; NaN where all of these failed.
        window: children that the mean is taken over.
    """

    best: np.ndarray
    mean: np.ndarray
    window: int


def reward_curves(trials: Sequence[Trial]) -> RewardCurves:
    """The best so far, and a moving mean over a twentieth of the children, 5 at least."""
    rewards = rewards_of(trials)
    window = max(5, len(rewards) // 20)
    known = np.isfinite(rewards)
    sums, counts = (np.concatenate([[0.0], np.cumsum(part)]) for part in (np.where(known, rewards, 0.0), known))
    ends = np.arange(1, len(rewards) + 1)
    starts = np.maximum(0, ends - window)
    with np.errstate(invalid="ignore"):
        mean = (sums[ends] - sums[starts]) / (counts[ends] - counts[starts])
    return RewardCurves(np.fmax.accumulate(rewards) if len(rewards) else rewards, mean, window)


@dataclass(frozen=True)
class EpochAgreement:
    """What the quality after an epoch tells of that after the last one.

    Attributes:
        epoch: from 1.
        reached: children that were measured after it.
        compared: those of them that were trained to the end, at most `MOST_COMPARED`.
        spearman: over these; None for fewer than `FEWEST`.
    """

    epoch: int
    reached: int
    compared: int
    spearman: Correlation | None


def epoch_agreements(trials: Sequence[Trial], most: int = 20) -> list[EpochAgreement]:
    """For each epoch, of very many those in equal distances, the agreement of ranks with the last one.

    None if no curves were kept.
    """
    curves = [trial.measurement.curve for trial in trials if trial.measurement and trial.measurement.curve]
    last = max(map(len, curves), default=0)
    whole = [curve for curve in curves if len(curve) == last][:MOST_COMPARED]
    found = []
    for epoch in sorted({int(at) for at in np.linspace(1, last, min(last, most)).round()}):
        reached = sum(len(curve) >= epoch for curve in curves)
        agreement = None
        if len(whole) >= FEWEST and epoch < last:
            pairs = np.array([(curve[epoch - 1], curve[-1]) for curve in whole], float)
            agreement = correlation(pairs[:, 0], pairs[:, 1], spearman)
        found.append(EpochAgreement(epoch, reached, len(whole), agreement))
    return found
