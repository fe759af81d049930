"""Comparison of strategies on columns of a table: setup and results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rl_nas.bench.runs import Curves
from rl_nas.statistics import Estimate, estimate
from rl_nas.strategies.settings import EvolutionSettings


@dataclass(frozen=True)
class ComparisonSetup:
    """Setup of a comparison.

    Attributes:
        table: its name.
        reward_column: column that strategies maximized.
        report_column: column that is reported of the architecture with the best reward.
        runs: of each strategy.
        seed: of all runs.
        maximum: of the reward column.
        report_of_maximum: report of a perfect search of the reward.
    """

    table: str
    reward_column: str
    report_column: str
    runs: int
    seed: int
    maximum: float
    report_of_maximum: float


@dataclass(frozen=True)
class Line:
    """One strategy at one budget.

    Attributes:
        strategy: its name.
        evaluations: the budget.
        reward: best so far.
        report: of the architecture with that reward.
        at_maximum: fraction of the runs that have found the maximum.
    """

    strategy: str
    evaluations: int
    reward: Estimate
    report: Estimate
    at_maximum: float


@dataclass(frozen=True)
class Comparison:
    """One pair of columns.

    Attributes:
        setup: of the comparison.
        curves: of each strategy.
        seconds: wall time of each strategy.
        batches: proposals between two updates of each strategy.
        in_flight: batches that are proposed before the first of them is observed.
        evolution: population and sample of aging evolution.
    """

    setup: ComparisonSetup
    curves: Mapping[str, Curves]
    seconds: Mapping[str, float]
    batches: Mapping[str, int]
    evolution: tuple[int, int] = EvolutionSettings().sizes
    in_flight: int = 1

    @property
    def reports(self) -> bool:
        """Whether something else than the reward is reported."""
        return self.setup.report_column != self.setup.reward_column

    def lines(self, budgets: Sequence[int]) -> list[Line]:
        """Every strategy at every budget."""
        return [self._line(strategy, budget) for strategy in self.curves for budget in budgets]

    def differences(self, budgets: Sequence[int]) -> dict[str, list[Estimate]]:
        """Of every strategy but the first, at every budget: how much more reward the first has, paired by seed."""
        first, *others = self.curves
        return {other: [self._difference(first, other, budget) for budget in budgets] for other in others}

    def _difference(self, first: str, other: str, budget: int) -> Estimate:
        ours, theirs = (_filled(self.curves[name].best[:, budget - 1]) for name in (first, other))
        return estimate(ours - theirs)

    def _line(self, strategy: str, budget: int) -> Line:
        curves = self.curves[strategy]
        best, report = _filled(curves.best[:, budget - 1]), _filled(curves.report[:, budget - 1])
        at_maximum = float(np.mean(best >= self.setup.maximum))
        return Line(strategy, budget, estimate(best), estimate(report), at_maximum)


def _filled(values: np.ndarray) -> np.ndarray:
    """Replaces NaN, of runs without a valid architecture so far, by the lowest value of the others, else by 0."""
    return np.asarray(np.nan_to_num(values, nan=float(np.nanmin(values)) if np.isfinite(values).any() else 0.0))
