"""Which trial is truly the best: by a model of all rewards, as a single one is partly noise."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.surrogate.gaussian_process import GaussianProcess, NoisePrior
from rl_nas.surrogate.scores import normal_scores

_LEAST_DISTINCT = 5
"""Fewest different rewards that a model is made of."""

_MEMORY = 1000
"""Trials of the model; of more, those that may be the best and so many others at equal distances."""

_NOISE = NoisePrior(0.2, 1.0)
"""Wider than that of a search, where noise that is not seen costs some trials, and not the result."""

_KNOWN_STD = 0.3
"""Deviation of the logarithm of a noise's variance that was measured by repeated trainings."""


class Expected(NamedTuple):
    """What a model of the rewards says of the trials that may be the best.

    Attributes:
        places: of these trials, the largest expected reward first.
        rewards: that are expected of them, without noise, float [places].
        lead_deviation: posterior standard deviation of the difference of the first two, in units of the reward.
        noise: standard deviation of one reward around its expectation.
    """

    places: list[int]
    rewards: list[float]
    lead_deviation: float
    noise: float


def expected_rewards(
    space: SearchSpace[Any],
    architectures: Sequence[Architecture],
    rewards: Sequence[float],
    among: Sequence[int],
    noise: float | None = None,
) -> Expected | None:
    """Expected rewards of trials, by a Gaussian process of all of them.

    The process works on normal scores; a score is a reward by the scores of the rewards themselves, and deviations are
    those of the better half, where the best is decided.

    Args:
        space: of the architectures.
        architectures: of the successful trials, in the order of their numbers.
        rewards: of these.
        among: places of those that may be the best, two or more.
        noise: standard deviation of a reward, if it was measured.

    Returns:
        None if the rewards hardly differ.
    """
    values = np.array(rewards, np.float64)
    if len(values) > _MEMORY:
        kept = np.unique([*among, *np.linspace(0, len(values) - 1, _MEMORY - len(among)).astype(int)]).tolist()
        place_of = {place: number for number, place in enumerate(kept)}
        thinned = [architectures[place] for place in kept], values[kept].tolist(), [place_of[place] for place in among]
        found = expected_rewards(space, *thinned, noise)
        return None if found is None else found._replace(places=[kept[place] for place in found.places])
    if len(np.unique(values)) < _LEAST_DISTINCT or len(among) < 2:
        return None
    scores = normal_scores(values)
    order = np.argsort(values)
    better = values >= np.median(values)
    spread = np.ptp(scores[better])
    scale = float(np.polyfit(scores[better], values[better], 1)[0]) if spread else 0.0
    if not scale > 0:
        return None
    prior = _NOISE if noise is None else NoisePrior(max((noise / scale) ** 2, 1e-4), _KNOWN_STD)
    model = GaussianProcess(space, len(values), noise=prior)
    model.observe(np.array(architectures), values)
    belief = model.posterior(np.array([architectures[place] for place in among]))
    first = sorted(range(len(among)), key=lambda i: (-belief.mean[i], -values[among[i]], among[i]))
    pair = belief.points.take(first[:2])
    covariance = model.covariance(pair, pair) - belief.whitened[:, first[:2]].T @ belief.whitened[:, first[:2]]
    lead = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    means = np.interp(belief.mean, scores[order], values[order])
    return Expected(
        [among[i] for i in first],
        [float(means[i]) for i in first],
        scale * max(lead, 0.0) ** 0.5,
        scale * model.noise**0.5,
    )
