"""Strategies compared on columns of a table: what was run, and what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rl_nas.bench.runs import Curves
from rl_nas.bench.statistics import Estimate, estimate


@dataclass(frozen=True)
class Protocol:
    """How a comparison was made.

    Attributes:
        table: its name.
        reward_column: what strategies maximised.
        report_column: what is reported of the architecture with the best reward.
        runs: of each strategy.
        seed: of all of them.
        maximum: of the reward column.
        report_of_maximum: what a perfect search of the reward would report.
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
        at_maximum: share of the runs that have found the maximum.
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
        protocol: how it was made.
        curves: of each strategy.
        seconds: wall time of each strategy.
        batches: proposals between two updates of each strategy.
    """

    protocol: Protocol
    curves: Mapping[str, Curves]
    seconds: Mapping[str, float]
    batches: Mapping[str, int]

    def lines(self, budgets: Sequence[int]) -> list[Line]:
        """Every strategy at every budget."""
        return [self._line(strategy, budget) for strategy in self.curves for budget in budgets]

    def _line(self, strategy: str, budget: int) -> Line:
        best = self.curves[strategy].best[:, budget - 1]
        # Runs that met no valid architecture yet count as the worst there is to know: they are left out of the
        # means only if all are.
        found = np.nan_to_num(best, nan=float(np.nanmin(best)) if np.isfinite(best).any() else 0.0)
        report = self.curves[strategy].report[:, budget - 1]
        reported = np.nan_to_num(report, nan=float(np.nanmin(report)) if np.isfinite(report).any() else 0.0)
        at_maximum = float(np.mean(found >= self.protocol.maximum))
        return Line(strategy, budget, estimate(found), estimate(reported), at_maximum)
