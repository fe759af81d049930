"""The result of a search with shared weights, and the quality of its ranking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from rl_nas.statistics import Correlation, correlation, kendall, spearman
from rl_nas.trial import Trial

FEWEST = 3
"""Fewest networks to compute a correlation of."""


@dataclass(frozen=True)
class Confirmed:
    """A network ranked by shared weights and then trained alone.

    Attributes:
        trial: its number.
        place: in the ranking, the first being 1.
        shared: quality with shared weights.
        alone: quality of the child that was trained alone; None if it failed.
        random: whether it belongs to the random sample of the ranking, whatever its place.
    """

    trial: int
    place: int
    shared: float
    alone: float | None
    random: bool


@dataclass(frozen=True)
class OneShotResult:
    """Networks ranked by shared weights, and those of them that were trained alone.

    Attributes:
        ranked: number of networks that were ranked.
        confirmed: those that were trained alone.
    """

    ranked: int
    confirmed: Sequence[Confirmed]

    def sample(self) -> list[Confirmed]:
        """The random sample without failures."""
        return [one for one in self.confirmed if one.random and one.alone is not None]

    def correlations(self) -> dict[str, Correlation]:
        """Rank correlations of the qualities with shared weights and alone; none if the sample is too small."""
        sample = self.sample()
        if len(sample) < FEWEST:
            return {}
        shared, alone = np.array([(one.shared, one.alone) for one in sample], float).T
        measures = {"spearman": spearman, "kendall": kendall}
        return {name: correlation(shared, alone, measure) for name, measure in measures.items()}


def order_of_confirmation(count: int, seed: int) -> list[int]:
    """Places of a ranking in the order in which they are trained alone: the next best and a random one in turn.

    The random ones, `random_places`, show the quality of the ranking, which the best alone could not.
    """
    places: list[int] = []
    for best, random in zip(range(count), random_places(count, seed), strict=True):
        places += [best, random]
    return list(dict.fromkeys(places))


def random_places(count: int, seed: int) -> list[int]:
    """All places of a ranking in random order."""
    order: list[int] = np.random.default_rng([seed, count]).permutation(count).tolist()
    return order


def one_shot_result(ranking: Sequence[Mapping[str, Any]], trials: Sequence[Trial], seed: int) -> OneShotResult:
    """Joins a ranking with the trials of its networks.

    Args:
        ranking: `quality` with shared weights of each network, the best first.
        trials: of networks that were trained alone; a stopped run may lack some in between.
        seed: of the run.
    """
    order = order_of_confirmation(len(ranking), seed)
    trained = {order[trial.index]: trial for trial in trials}
    chosen = set(takewhile(trained.__contains__, random_places(len(ranking), seed)))
    confirmed = []
    for place, trial in trained.items():
        alone = trial.measurement.quality if trial.measurement else None
        confirmed.append(Confirmed(trial.index, place + 1, ranking[place]["quality"], alone, place in chosen))
    return OneShotResult(len(ranking), confirmed)
