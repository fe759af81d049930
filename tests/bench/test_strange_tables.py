"""A stranger's table: its names neither steer a terminal nor are formulas in a spreadsheet or in a plot."""

import csv
from pathlib import Path

import numpy as np
import pytest

from rl_nas.commands import bench

COLUMN = "=a\x1b]0;owned\x07b\x9b2J $\\frac{$"
SHOWN = r"=a\x1b]0;owned\x07b\x9b2J $\frac{$"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    ops = np.stack([np.arange(4) // 2, np.arange(4) % 2], axis=1)
    table = tmp_path / "$\\frac{\x1bc$.npz"
    np.savez(table, ops=ops, op_names=["a", "b"], columns=[COLUMN], values=np.arange(4.0)[:, np.newaxis])
    return [f"--table={table}", f"--out={tmp_path / 'out'}", "--strategies=random", "--budgets=2", "--runs=2"]


def test_names_of_a_table_cannot_steer(words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert bench.main([*words, f"--reward_column={SHOWN}"]) == 0
    written = [(tmp_path / "out" / name).read_text() for name in ("results.md", "results.csv")]
    for text in (*capfd.readouterr(), *written):
        assert SHOWN in text
        assert all(line.isprintable() for line in text.split("\n"))
    (row,) = csv.DictReader(written[1].splitlines())
    assert row["reward_column"] == f"'{SHOWN}"
    assert (tmp_path / "out/plot.png").stat().st_size > 10_000  # also of names that are no mathematics
