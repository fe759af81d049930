"""How good the chosen child truly is where rewards are noisy, by its own reward and by a model of all rewards.

    python benchmarks/choice_of_best.py --table=nasbench201.npz --column=ep12_cifar10_valid --noise=0.5

Normal noise is added to a column of a table, as a strategy sees it.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from frame import Table, run

from rl_nas.bench import table as tables
from rl_nas.bench.table_files import load_table
from rl_nas.flags.lists import budgets_of
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.statistics import Estimate, estimate
from rl_nas.strategies.batching import BATCHES
from rl_nas.strategies.catalog import StrategyOptions, find_strategy
from rl_nas.trial import Measurement, Trial, TrialState, best_trials
from rl_nas.workflows.choice import ranked
from rl_nas.workflows.config import SearchConfig


def _shown(value: Estimate) -> str:
    return f"{value.mean:.2f} [{value.low:.2f}, {value.high:.2f}]"


COLUMNS = {
    "evaluations": str,
    "best visited": _shown,
    "highest reward": _shown,
    "best by the model": _shown,
    "estimated noise": _shown,
}


@dataclass(frozen=True)
class ChoiceOfBestSettings(Settings):
    """The searches."""

    title: ClassVar[str] = "Searches"

    table: str = setting("digits", "an .npz table; digits comes with rl_nas")
    column: str = setting("valid", "of the true rewards")
    noise: float = setting(0.5, "standard deviation of the noise of a reward", minimum=0)
    strategy: str = setting("gp", "of the searches")
    budgets: str = setting("50,100,200", "evaluations after which the best is chosen, with commas between")
    runs: int = setting(20, "searches", minimum=1, maximum=10_000)


COMMAND = Command(
    name="python benchmarks/choice_of_best.py",
    summary="compares the choice of the best child by its reward with that by a model of all rewards.",
    examples=("python benchmarks/choice_of_best.py --noise=1 --runs=5",),
    groups=(ChoiceOfBestSettings,),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, lambda parsed: Table(COLUMNS, _rows(parsed)), argv)


def _rows(parsed: Parsed) -> Iterator[Sequence[object]]:
    settings = parsed.group(ChoiceOfBestSettings)
    table, budgets = load_table(settings.table), budgets_of(settings.budgets)
    truth = table.column(settings.column)
    searches = [_search(settings, table, truth, max(budgets), seed) for seed in range(settings.runs)]
    for budget in budgets:
        found = np.array([_chosen(table, trials[:budget], truth) for trials in searches])
        yield budget, *(estimate(values) for values in found.T)


def _search(
    settings: ChoiceOfBestSettings, table: tables.Table, truth: np.ndarray, evaluations: int, seed: int
) -> list[Trial]:
    strategy = find_strategy(settings.strategy)(table.space, StrategyOptions(), seed)
    rng, trials, batch = np.random.default_rng(seed), list[Trial](), BATCHES.get(settings.strategy, 1)
    while len(trials) < evaluations:
        proposed = strategy.propose(batch)
        rewards = truth[table.lookup(np.array(proposed))] + settings.noise * rng.standard_normal(batch)
        new = [
            Trial(index, architecture, TrialState.OK, reward, Measurement(reward))
            for index, (architecture, reward) in enumerate(zip(proposed, rewards.tolist(), strict=True), len(trials))
        ]
        strategy.observe(new)
        trials += new
    return trials


def _chosen(table: tables.Table, trials: Sequence[Trial], truth: np.ndarray) -> list[float]:
    """True rewards of the best visited, of the highest reward and of the model's best, and the estimated noise."""
    rows = table.lookup(np.array([trial.architecture for trial in trials]))
    choice, order = ranked(SearchConfig(), table.space, trials)
    assert choice is not None
    highest, best = best_trials(trials, 1)[0], order[0]
    noise = float("nan") if choice.noise is None else choice.noise
    return [float(truth[rows].max()), float(truth[rows[highest.index]]), float(truth[rows[best.index]]), noise]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
