"""The result of a search with shared weights, and how well they ranked networks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rl_nas.statistics import Correlation, correlation, kendall, spearman

FEWEST = 3
"""Networks that a correlation is computed of."""


@dataclass(frozen=True)
class Confirmed:
    """A network that shared weights ranked and that was then trained alone.

    Attributes:
        trial: its number.
        place: in the ranking, the first being 1.
        shared: quality with shared weights.
        alone: quality of the child that was trained alone; None if it failed.
        random: whether it is of the random sample of the ranking, whatever its place.
    """

    trial: int
    place: int
    shared: float
    alone: float | None
    random: bool


@dataclass(frozen=True)
class OneShotResult:
    """Networks that shared weights ranked, and those of them that were trained alone.

    Attributes:
        ranked: number of networks that were ranked.
        confirmed: those that were trained alone.
    """

    ranked: int
    confirmed: Sequence[Confirmed]

    def sample(self) -> list[Confirmed]:
        """The random sample, failures left out."""
        return [one for one in self.confirmed if one.random and one.alone is not None]

    def correlations(self) -> dict[str, Correlation]:
        """Rank correlations of the qualities with shared weights and alone; none of too small a sample."""
        sample = self.sample()
        if len(sample) < FEWEST:
            return {}
        shared, alone = np.array([(one.shared, one.alone) for one in sample], float).T
        measures = {"spearman": spearman, "kendall": kendall}
        return {name: correlation(shared, alone, measure) for name, measure in measures.items()}
