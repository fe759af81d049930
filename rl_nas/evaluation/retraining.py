"""Cells trained longer than in their search, and the quality of the search's ranking."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rl_nas.metrics import metrics_of, quality_of
from rl_nas.spaces.decisions import Genotype
from rl_nas.statistics import spearman

FOUND, RANDOM = "trial", "random"
"""Kinds of candidates, the prefixes of their names: found by the search, or drawn at random."""

_FEWEST = 3
"""Fewest cells to compute a correlation of."""


@dataclass(frozen=True)
class Candidate:
    """A genotype to be trained longer.

    Attributes:
        name: `trial12`, `random0`, or a published one.
        genotype: the genotype.
        proxy: the search's reward, if the search found it.
    """

    name: str
    genotype: Genotype
    proxy: float | None


@dataclass(frozen=True)
class Retrained:
    """The trainings of a candidate.

    Attributes:
        name: the candidate's.
        proxy: the candidate's.
        results: the content of results.json for every seed whose training did not fail.
    """

    name: str
    proxy: float | None
    results: list[dict[str, Any]]

    @property
    def quality(self) -> float:
        """Mean quality on the held-out images, by which candidates are ranked; on the test split if there are none."""
        return float(np.mean(self.qualities("valid") or self.qualities("final_test")))

    @property
    def seconds(self) -> float:
        """Wall time of all trainings."""
        return float(sum(one["seconds"] for one in self.results))

    def qualities(self, measured: str) -> list[float]:
        """The quality of every seed on `valid` or `final_test`, if measured."""
        return [quality_of(metrics_of(one[measured])).value for one in self.results if one[measured]]


def ranked(retrained: Sequence[Retrained]) -> list[Retrained]:
    """Candidates with a training that did not fail, best first."""
    return sorted((one for one in retrained if one.results), key=lambda one: -one.quality)


def of_kind(retrained: Sequence[Retrained], kind: str) -> list[Retrained]:
    """Candidates that are `FOUND` or `RANDOM`."""
    return [one for one in retrained if one.name.startswith(kind)]


class Spread(NamedTuple):
    """A mean with the sample standard deviation, None for a single value."""

    mean: float
    deviation: float | None


def spread(values: Sequence[float]) -> Spread | None:
    """Mean and deviation; None without values."""
    if not values:
        return None
    return Spread(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)


class RankAgreement(NamedTuple):
    """Spearman's rank correlation of proxy and longer training, and its number of cells."""

    spearman: float
    cells: int


def agreement(finished: Sequence[Retrained]) -> RankAgreement | None:
    """The rank correlation over the candidates that the search found; None for fewer than three."""
    pairs = [(one.proxy, one.quality) for one in finished if one.proxy is not None]
    if len(pairs) < _FEWEST:
        return None
    proxy, longer = np.array(pairs).T
    return RankAgreement(spearman(proxy, longer), len(pairs))
