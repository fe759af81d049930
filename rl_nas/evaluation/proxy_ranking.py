"""Proxies: cheaper measurements of networks, and their ranking compared with that of full training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rl_nas.statistics import Correlation, correlation, kendall, spearman

_NONE = Correlation(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Proxy:
    """Networks measured by one proxy.

    Attributes:
        name: the flags that differ, or a score.
        values: qualities or scores of the networks; None for failures.
        seconds: mean over the networks.
    """

    name: str
    values: tuple[float | None, ...]
    seconds: float

    @property
    def succeeded(self) -> int:
        """Number of networks that did not fail."""
        return sum(value is not None for value in self.values)


@dataclass(frozen=True)
class Ranking:
    """A proxy compared with full training.

    Attributes:
        name: of the proxy.
        networks: number on which both succeeded.
        seconds: of a network.
        cost: fraction of full training's seconds.
        kendall: tau-b.
        spearman: rho.
        best_place: place of the proxy's best network in full training, counted from 1.
    """

    name: str
    networks: int
    seconds: float
    cost: float
    kendall: Correlation
    spearman: Correlation
    best_place: int


def rank(proxy: Proxy, full: Proxy) -> Ranking:
    """Compares a proxy with full training of the same networks."""
    pairs = [pair for pair in zip(proxy.values, full.values, strict=True) if None not in pair]
    cheap, whole = np.array(pairs, float).reshape(-1, 2).T
    place = 1 + int(np.sum(whole > whole[np.argmax(cheap)])) if pairs else 0
    return Ranking(
        name=proxy.name,
        networks=len(pairs),
        seconds=proxy.seconds,
        cost=proxy.seconds / full.seconds if full.seconds else math.nan,
        kendall=correlation(cheap, whole, kendall) if pairs else _NONE,
        spearman=correlation(cheap, whole, spearman) if pairs else _NONE,
        best_place=place,
    )


def cheapest(rankings: Sequence[Ranking], wanted: float) -> Ranking | None:
    """The cheapest proxy with at least the wanted Spearman correlation."""
    good = [ranking for ranking in rankings if ranking.spearman.value >= wanted and ranking.cost < 1]
    return min(good, key=lambda ranking: ranking.cost, default=None)
