"""The path encoding by hand, and the predictor's ensemble."""

import numpy as np
import pytest

from rl_nas.spaces.decisions import FREE
from rl_nas.spaces.graph import edge_graph, joined
from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.spaces.nasnet import nasnet
from rl_nas.surrogate.paths import PathEncoding, paths

EDGES = [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]


def test_paths_of_a_cell_by_hand() -> None:
    cell = edge_graph(EDGES, ["a", "none", "b", "c", "none", "d"], zeros=["none"])
    assert set(paths(cell)) == {("input", "c", "output"), ("input", "a", "b", "d", "output")}
    assert len(list(paths(joined([cell, cell])))) == 4
    whole = edge_graph(EDGES, list("abcdef"), zeros=[])
    assert len(list(paths(whole))) == 4
    assert list(paths(edge_graph(EDGES, ["none"] * 6, zeros=["none"]))) == [("output",)]


def test_equal_networks_have_equal_encodings() -> None:
    space = nasnet(5)
    encode, rng = PathEncoding(space), np.random.default_rng(0)
    drawn = [space.sample(rng) for _ in range(300)]
    rows = {}
    for architecture, row in zip(drawn, encode(np.array(drawn)), strict=True):
        key = space.canonical_key(architecture)
        assert rows.setdefault(key, row.tobytes()) == row.tobytes()
    assert len(set(rows.values())) > 0.8 * len(rows)


def test_an_ensemble_learns_what_is_on_a_path() -> None:
    """It ranks cells that it has not seen by the number of their 3x3 convolutions better than chance."""
    pytest.importorskip("sklearn")
    from rl_nas.strategies.bananas import Bananas

    space, rng = nasbench201(), np.random.default_rng(1)
    cells = np.array([space.sample(rng) for _ in range(160)], np.int32)
    rewards = (cells == 3).sum(axis=1) + 0.1 * rng.normal(size=len(cells))
    strategies = [Bananas(space, seed=0) for _ in range(2)]
    for strategy in strategies:
        strategy._learn(cells[:100], rewards[:100])
    predicted = [strategy._predictions(cells[100:]).mean(axis=0) for strategy in strategies]
    np.testing.assert_array_equal(*predicted)
    assert np.corrcoef(predicted[0], rewards[100:])[0, 1] > 0.5
    fixed = np.full([3, 6], FREE)
    fixed[1, 0] = 2
    chosen = strategies[0]._choose(cells[100:], fixed)
    assert chosen[1] is not None
    assert chosen[1][0] == 2
