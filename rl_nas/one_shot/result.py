"""How well shared weights ranked networks, as text."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rl_nas.bench.statistics import Correlation, correlation, kendall, spearman
from rl_nas.report.tables import counted

_FEWEST = 3
"""Networks that a correlation is computed of."""


@dataclass(frozen=True)
class Confirmed:
    """A network that shared weights ranked and that was then trained alone.

    Attributes:
        trial: its number.
        place: in the ranking, the first being 1.
        shared: accuracy with shared weights.
        alone: accuracy of the child that was trained alone; None if it failed.
        by_chance: whether it is of the random sample of the ranking, whatever its place.
    """

    trial: int
    place: int
    shared: float
    alone: float | None
    by_chance: bool


@dataclass(frozen=True)
class OneShotResult:
    """What came of a search with shared weights.

    Attributes:
        ranked: number of networks that were ranked.
        confirmed: those that were trained alone.
    """

    ranked: int
    confirmed: Sequence[Confirmed]

    def sample(self) -> list[Confirmed]:
        """The random sample, failures left out."""
        return [one for one in self.confirmed if one.by_chance and one.alone is not None]

    def correlations(self) -> dict[str, Correlation]:
        """Rank correlations of the accuracies with shared weights and alone; none of too small a sample."""
        sample = self.sample()
        if len(sample) < _FEWEST:
            return {}
        shared, alone = np.array([(one.shared, one.alone) for one in sample], float).T
        measures = {"spearman": spearman, "kendall": kendall}
        return {name: correlation(shared, alone, measure) for name, measure in measures.items()}


def one_shot_json(result: OneShotResult) -> dict[str, Any]:
    """All figures."""
    correlations = {name: found._asdict() for name, found in result.correlations().items()}
    return {"ranked": result.ranked, "confirmed": [asdict(one) for one in result.confirmed], **correlations}


def one_shot_text(result: OneShotResult) -> str:
    """A table of what was trained alone, in the order of the ranking, and how far the ranking is to be trusted."""
    head = f"Shared weights ranked {counted(result.ranked, 'network')}; trained alone, these reach:"
    lines = [head, "place  shared   alone  trial"]
    for one in sorted(result.confirmed, key=lambda one: one.place):
        alone = "failed" if one.alone is None else f"{one.alone:.4f}"
        lines.append(f"{one.place:5}  {one.shared:.4f}  {alone}  {one.trial:5}{'  by chance' if one.by_chance else ''}")
    return "\n".join([*lines, *_trust(result)])


def _trust(result: OneShotResult) -> list[str]:
    found = result.correlations()
    if not found:
        return [f"Rank correlation: needs {_FEWEST} networks chosen by chance; --resume with more --trials."]
    figures = ", ".join(f"{name.capitalize()} {c}" for name, c in found.items())
    lines = [f"Rank correlation over the {len(result.sample())} chosen by chance: {figures}."]
    if not found["spearman"].low > 0:
        lines.append("That may be chance: the shared weights are not shown to rank better than none.")
    return lines
