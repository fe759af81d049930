"""The benchmark of fronts: hypervolumes by hand, and a run of seconds."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rl_nas.bench.table import Table, make_table
from rl_nas.bench.table_files import save_table
from rl_nas.exit_codes import DONE

pytest.importorskip("moocore", reason="of the extra pareto")
pytest.importorskip("optuna", reason="of the extra pareto")

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def pareto(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("pareto")


@pytest.fixture
def table() -> Table:
    """Two decisions of three choices: the quality is the larger one, the cost their sum."""
    ops = np.array([[a, b] for a in range(3) for b in range(3)])
    values = np.stack([ops.max(axis=1), ops.sum(axis=1)], axis=1).astype(float)
    return make_table("toy", ops, [["0", "1", "2"]] * 2, ["quality", "cost"], values)


def test_the_hypervolume_is_what_a_front_dominates(pareto: ModuleType, table: Table) -> None:
    """In units of the ranges, 2 and 4, the table's front is (0, 1), (1/2, 3/4), (1, 1/2): 1 x 1/2 + 1/2 x 1/4."""
    lookup = pareto.Lookup(table, "quality", "cost")
    best = 1 / 2 + 1 / 8
    assert lookup.hypervolume(lookup.trials([(0, 0), (0, 1), (2, 0)], 0)) == pytest.approx(1)
    assert lookup.hypervolume(lookup.trials([(1, 0)], 0)) == pytest.approx(1 / 2 * 3 / 4 / best)
    assert lookup.hypervolume(lookup.trials([(2, 1), (1, 0), (2, 2)], 0)) == pytest.approx((1 / 4 + 1 / 4) / best)
    assert lookup.hypervolume([]) == 0


def test_every_strategy_for_objectives_is_compared(
    pareto: ModuleType, table: Table, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_table(table, tmp_path / "toy.npz")
    words = ["--table", str(tmp_path / "toy.npz"), "--quality=quality", "--cost=cost", "--runs=2", "--budgets=4,12"]
    assert pareto.main([*words, "--strategies=gp,nsga2,random", "--update_every=4", "--json"]) == DONE
    rows = json.loads(capsys.readouterr().out)
    assert [row["strategy"] for row in rows] == ["gp", "nsga2", "random"]
    for row in rows:
        assert 0 <= row["4 evaluations"]["mean"] <= row["12 evaluations"]["mean"] <= 1
