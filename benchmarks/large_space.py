"""Strategies on the NASNet space (1e28 architectures and more), with a synthetic reward of known optimum.

    python benchmarks/large_space.py --strategies=controller,aging_evolution,local_search --budgets=200,1000,5000

The reward is the mean of terms, each of one, two or three decisions. A term is 1 where all its decisions are
those of a hidden target, and a random number below 0.9 elsewhere, the same for the same choices. So the target is
the only optimum, its reward is 1, and no decision can be judged alone. A strategy is done when all its runs have
found it: nothing can change after that.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from frame import Table, remark, run, strategies_of

from rl_nas.bench.many_runs import make_runs
from rl_nas.bench.runs import Runs
from rl_nas.controller.settings import ControllerSettings
from rl_nas.flags.lists import budgets_of
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.statistics import estimate
from rl_nas.strategies.batching import BATCHES
from rl_nas.strategies.catalog import StrategyOptions
from rl_nas.strategies.settings import EvolutionSettings

ESTIMATE = "{0.mean:.4f}±{0.std:.4f} [{0.low:.4f}, {0.high:.4f}]".format


@dataclass(frozen=True)
class LargeSpaceSettings(Settings):
    """The runs to compare."""

    title: ClassVar[str] = "Comparison"

    strategies: str = setting("controller,aging_evolution,local_search", "with commas between")
    budgets: str = setting("200,1000,5000", "evaluations after which results are shown")
    runs: int = setting(10, "of each strategy", minimum=1)
    seed: int = setting(0, "of the runs", minimum=0)
    reward_seed: int = setting(0, "of the reward", minimum=0)
    singles: int = setting(0, "terms of one decision", minimum=0)
    pairs: int = setting(50, "terms of two decisions", minimum=0)
    triples: int = setting(50, "terms of three decisions", minimum=0)
    update_every: int | None = setting(
        None,
        "proposals between two updates; left out: 5 for controller and gp, 10 for ppo, 1 for the others",
        minimum=1,
    )


COMMAND = Command(
    name="python benchmarks/large_space.py",
    summary="compares strategies in a space too large to enumerate, on a synthetic reward of known optimum.",
    examples=("python benchmarks/large_space.py --budgets=200,1000 --runs=4",),
    groups=(LargeSpaceSettings, SpaceSettings, ControllerSettings, EvolutionSettings),
)


class SyntheticReward:
    """Mean of terms over subsets of decisions, as the module says."""

    def __init__(self, sizes: Sequence[int], counts: Sequence[int], seed: int) -> None:
        rng = np.random.default_rng([seed, 1])  # not that of a run, which would draw the target first
        self.target = np.array([rng.integers(size) for size in sizes])
        self._terms = []
        for order, count in enumerate(counts, start=1):
            for _ in range(count):
                places = np.sort(rng.choice(len(sizes), order, replace=False))
                values = rng.uniform(0, 0.9, [sizes[place] for place in places])
                values[tuple(self.target[places])] = 1.0
                self._terms.append((places, values))

    def __call__(self, tokens: np.ndarray) -> np.ndarray:
        """Rewards of architectures, int [..., decisions]."""
        total = sum(values[tuple(np.moveaxis(tokens[..., places], -1, 0))] for places, values in self._terms)
        return np.asarray(total / len(self._terms))


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings = parsed.group(LargeSpaceSettings)
    budgets = budgets_of(settings.budgets)
    columns = {"strategy": str, **{str(budget): ESTIMATE for budget in budgets}, "seconds": "{:.0f}".format}
    return Table(columns, _rows(parsed, strategies_of(settings.strategies), budgets))


def _rows(parsed: Parsed, names: Sequence[str], budgets: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    settings, space = parsed.group(LargeSpaceSettings), find_space(parsed.group(SpaceSettings))
    options = StrategyOptions(parsed.group(ControllerSettings), parsed.group(EvolutionSettings))
    counts = (settings.singles, settings.pairs, settings.triples)
    reward = SyntheticReward([len(d.choices) for d in space.decisions], counts, settings.reward_seed)
    remark(f"{space.name}, {space.size():.1e} architectures; terms of 1, 2, 3 decisions: {counts}")
    for name in names:
        started = time.monotonic()
        runs = make_runs(name, space, options, [settings.seed * 1000 + number for number in range(settings.runs)])
        curves = _best_so_far(name, runs, reward, settings.update_every or BATCHES.get(name, 1), budgets)
        yield name, *(estimate(curves[:, budget - 1]) for budget in budgets), time.monotonic() - started


def _best_so_far(name: str, runs: Runs, reward: SyntheticReward, batch: int, budgets: Sequence[int]) -> np.ndarray:
    """Curves of all runs, float [runs, largest budget]; says on the way how far they are."""
    parts: list[np.ndarray] = []
    done, best = 0, np.zeros(1)
    while done < budgets[-1] and best.min() < 1:
        tokens = runs.propose(batch)
        rewards = reward(tokens)
        runs.observe(tokens, rewards)
        parts.append(np.maximum.accumulate(np.maximum(rewards, best[:, np.newaxis]), axis=1))
        done, best = done + batch, parts[-1][:, -1]
        if done in budgets or best.min() == 1:
            remark(f"{name}: {best.mean():.4f} after {done}")
    curves = np.concatenate(parts, axis=1)
    return np.pad(curves, [(0, 0), (0, max(0, budgets[-1] - done))], mode="edge")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
