"""Prior knowledge on a table: trials of an earlier search, of another column."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from rl_nas.bench.runs import SequentialRuns, usable_rows
from rl_nas.bench.table import Table
from rl_nas.settings import Settings, setting
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.surrogate.earlier import EarlierTrials


@dataclass(frozen=True)
class TablePriorSettings(Settings):
    """Trials of an earlier search as prior knowledge (strategies controller and gp)."""

    title: ClassVar[str] = "Prior knowledge"
    prefix: ClassVar[str] = "prior_"

    column: str | None = setting(
        None,
        "column of the earlier search, which is one of aging evolution with the seed of each run; left out: no prior"
        " knowledge",
    )
    trials: int = setting(100, "evaluations of the earlier search", minimum=10, maximum=100_000)


def earlier_searches(table: Table, column: str, seeds: Sequence[int], trials: int) -> list[EarlierTrials]:
    """The successful trials of a search of another column by aging evolution, for each seed."""
    values, settings = table.column(column), EvolutionSettings().sized(trials)
    found = []
    for seed in seeds:
        runs = SequentialRuns([AgingEvolution(table.space, settings, seed)])
        tokens = list[np.ndarray]()
        for _ in range(trials):
            proposed = runs.propose(1)
            rows = usable_rows(table, proposed, values)
            runs.observe(proposed, np.where(rows >= 0, values[rows], np.nan))
            tokens += [proposed[0, 0]] if rows[0, 0] >= 0 else []
        known = np.unique(np.array(tokens), axis=0)
        found.append(EarlierTrials(known, values[table.lookup(known)]))
    return found
