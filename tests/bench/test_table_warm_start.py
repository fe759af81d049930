"""A warm start on a table, by columns of another one."""

import itertools

import numpy as np
import pytest

from rl_nas.bench.many_runs import make_runs
from rl_nas.bench.runs import run
from rl_nas.bench.table import Table, make_table
from rl_nas.bench.warm_start import (
    TableWarmStartSettings,
    WarmStartedRuns,
    first_proposals,
    table_scores,
)
from rl_nas.controller.settings import ControllerSettings
from rl_nas.errors import UsageError
from rl_nas.strategies.catalog import StrategyOptions

OPS = np.array(list(itertools.product(range(3), repeat=3)))


def table(name: str, rows: np.ndarray, columns: dict[str, np.ndarray]) -> Table:
    return make_table(name, OPS[rows], [["a", "b", "c"]] * 3, list(columns), np.stack([*columns.values()], axis=1))


REWARD = OPS.sum(axis=1).astype(float)
ORDER = np.random.default_rng(0).permutation(len(OPS))
TABLE = table("rewards", np.arange(len(OPS)), {"reward": REWARD})
SCORES = table("scores", ORDER, {"good": REWARD[ORDER] ** 3, "bad": -REWARD[ORDER]})


def test_scores_are_those_of_the_same_architectures() -> None:
    good, bad = table_scores(TABLE, SCORES, ["good", "bad"])
    assert np.array_equal(good, REWARD**3)
    assert np.array_equal(bad, -REWARD)
    fewer = table("fewer", ORDER[1:], {"good": REWARD[ORDER[1:]]})
    with pytest.raises(UsageError, match="lacks 1 rows of rewards"):
        table_scores(TABLE, fewer, ["good"])
    other = make_table("other", OPS, [["a", "b", "d"]] * 3, ["good"], REWARD[:, np.newaxis])
    with pytest.raises(UsageError, match="other has other decisions than rewards"):
        table_scores(TABLE, other, ["good"])


def test_runs_begin_with_the_best_of_a_sample() -> None:
    scores = table_scores(TABLE, SCORES, ["good"])
    seeds = (4, 5)
    first = np.stack([first_proposals(TABLE, scores, seed, 3, 9) for seed in seeds])
    for seed, chosen in zip(seeds, first, strict=True):
        drawn = np.random.default_rng([seed, 2]).permutation(len(OPS))[:9]
        assert sorted(chosen.sum(axis=1)) == sorted(REWARD[drawn])[-3:]
    runs = WarmStartedRuns(make_runs("random", TABLE.space, StrategyOptions(), seeds), first)
    batches = [runs.propose(2) for _ in range(3)]
    assert np.array_equal(np.concatenate(batches, axis=1)[:, :3], first)
    assert all(batch.shape == (2, 2, 3) for batch in batches)


def test_the_first_evaluations_are_better() -> None:
    seeds, scores = range(30), table_scores(TABLE, SCORES, ["good"])
    first = np.stack([first_proposals(TABLE, scores, seed, 2, 20) for seed in seeds])
    cold, warm = (make_runs("random", TABLE.space, StrategyOptions(), seeds) for _ in range(2))
    plain = run(cold, TABLE, REWARD, REWARD, evaluations=3, batch=1)
    started = run(WarmStartedRuns(warm, first), TABLE, REWARD, REWARD, evaluations=3, batch=1)
    assert started.best[:, 0].mean() > plain.best[:, 0].mean() + 1


def test_more_children_than_rows_to_choose_from_are_refused() -> None:
    with pytest.raises(UsageError, match="--warm_start_children=5 of --warm_start_sample=4"):
        TableWarmStartSettings(children=5, sample=4)


@pytest.mark.parametrize("strategy", ["reinforce", "ppo", "controller", "aging_evolution", "local_search"])
@pytest.mark.parametrize(("batch", "flying"), [(1, 1), (2, 3), (4, 2)])
def test_every_strategy_goes_on_from_a_warm_start(strategy: str, batch: int, flying: int) -> None:
    """Batches that are given, in part given, and its own, in flight together."""
    seeds, scores = (0, 1), table_scores(TABLE, SCORES, ["good"])
    first = np.stack([first_proposals(TABLE, scores, seed, 3, 20) for seed in seeds])
    options = StrategyOptions(ControllerSettings(units=4, practice_steps=1, practice_batch=4, candidates=8))
    runs = WarmStartedRuns(make_runs(strategy, TABLE.space, options, seeds), first)
    curves = run(runs, TABLE, REWARD, REWARD, evaluations=16, batch=batch, batches_in_flight=flying)
    assert curves.best.shape == (2, 16)
    assert np.array_equal(curves.best[:, 2], REWARD[TABLE.lookup(first)].max(axis=1))
