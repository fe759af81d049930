"""Many runs on a table: curves by hand, expectations in closed form, the public table's reference rows."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from watchdog import TIMEOUT

from rl_nas.bench.comparison import Comparison, ComparisonSetup
from rl_nas.bench.runs import SequentialRuns, join, run
from rl_nas.bench.table import Table, make_table
from rl_nas.bench.table_files import load_table
from rl_nas.statistics import estimate
from rl_nas.strategies import Strategy
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.local_search import LocalSearch
from rl_nas.strategies.random_search import RandomSearch
from rl_nas.strategies.settings import EvolutionSettings

PUBLIC = Path(__file__).parents[3] / "shared" / "benchmarks" / "nasbench201.npz"
NAMES = [["a", "b", "c", "d"]] * 2


def sixteen() -> Table:
    ops = np.stack([np.arange(16) // 4, np.arange(16) % 4], axis=1)
    values = np.stack([np.arange(16.0), -np.arange(16.0)], axis=1)
    return make_table("sixteen", ops[:-1], NAMES, ["valid", "test"], values[:-1])  # (3, 3) has no row


class Script:
    """Runs that propose what is written."""

    def __init__(self, tokens: list[list[tuple[int, int]]]) -> None:
        self._tokens, self.seen = np.array(tokens), []

    def propose(self, n: int) -> np.ndarray:
        part, self._tokens = self._tokens[:, :n], self._tokens[:, n:]
        return part

    def observe(self, tokens: np.ndarray, rewards: np.ndarray) -> None:
        self.seen.append(rewards)


def test_curves_by_hand() -> None:
    table, reward = sixteen(), np.arange(15.0)
    script = Script([[(0, 1), (0, 3), (0, 2), (0, 3)], [(3, 3), (2, 0), (3, 3), (3, 2)]])
    curves = run(script, table, reward, -reward, evaluations=4, batch=2)
    np.testing.assert_array_equal(curves.best, [[1, 3, 3, 3], [np.nan, 8, 8, 14]])
    np.testing.assert_array_equal(curves.report, -curves.best)
    np.testing.assert_array_equal(script.seen[0], [[1, 3], [np.nan, 8]])
    assert curves.repeats == pytest.approx(2 / 8)
    both = join([curves, curves])
    assert both.best.shape == (4, 4)
    assert both.repeats == curves.repeats


def test_intervals_cover_and_stay_within_the_values() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        found = estimate(rng.normal(3.0, 2.0, size=50))
        assert found.low <= found.mean <= found.high
        inside += found.low <= 3.0 <= found.high
    assert inside / 200 == pytest.approx(0.94, abs=0.05)
    mostly = estimate(np.array([1.0] * 99 + [0.0]))
    assert mostly.high == 1.0
    single = estimate(np.array([2.0]))
    assert (single.mean, single.std, single.low, single.high) == (2.0, 0.0, 2.0, 2.0)


def test_lines_say_how_many_runs_reached_the_maximum() -> None:
    table, reward = sixteen(), np.arange(15.0)
    script = Script([[(0, 1), (3, 2)], [(3, 3), (2, 0)]])
    curves = run(script, table, reward, -reward, evaluations=2, batch=1)
    protocol = ComparisonSetup("sixteen", "valid", "test", 2, 0, 14.0, -14.0)
    first, second = Comparison(protocol, {"script": curves}, {"script": 0.0}, {"script": 1}).lines([1, 2])
    assert (first.evaluations, first.at_maximum, second.at_maximum) == (1, 0.0, 0.5)
    assert second.reward.mean == 11.0
    assert second.report.mean == -11.0


@pytest.fixture(scope="module")
def public() -> Table:
    if not PUBLIC.exists():
        pytest.skip("the NAS-Bench-201 table is not at hand")
    return load_table(str(PUBLIC))


REFERENCE = {
    "random": {50: (83.28, 0.85), 100: (83.69, 0.57), 200: (84.03, 0.40)},
    "aging_evolution": {50: (83.61, 1.17), 100: (84.17, 0.70), 200: (84.55, 0.38)},
    "local_search": {50: (84.23, 0.66), 100: (84.65, 0.35), 200: (84.84, 0.16)},
}
"""Best 12-epoch validation accuracy on CIFAR-10: mean and deviation of 200 runs of another implementation."""


@pytest.mark.parametrize("name", REFERENCE)
def test_rivals_reproduce_the_reference_rows(public: Table, name: str) -> None:
    runs = 100

    def make(seed: int) -> Strategy:
        if name == "aging_evolution":
            return AgingEvolution(public.space, EvolutionSettings(population=10, sample=3), seed)
        return RandomSearch(public.space, seed) if name == "random" else LocalSearch(public.space, seed)

    reward = public.column("ep12_cifar10_valid")
    curves = run(SequentialRuns([make(seed) for seed in range(runs)]), public, reward, reward, evaluations=200, batch=1)
    for budget, (mean, std) in REFERENCE[name].items():
        ours = curves.best[:, budget - 1]
        error = np.sqrt(ours.var() / runs + std**2 / 200)
        assert ours.mean() == pytest.approx(mean, abs=3.5 * error), budget


def test_random_search_has_the_expected_maximum(public: Table) -> None:
    """Of n uniform draws with replacement, from the sorted column: sum of F^n differences."""
    reward, runs = public.column("ep12_cifar10_valid"), 300
    strategies = SequentialRuns([RandomSearch(public.space, seed) for seed in range(runs)])
    best = run(strategies, public, reward, reward, evaluations=100, batch=1).best
    ranks = np.arange(len(reward) + 1) / len(reward)
    for budget in (10, 100):
        expected = np.sort(reward) @ np.diff(ranks**budget)
        values = best[:, budget - 1]
        assert values.mean() == pytest.approx(expected, abs=4 * values.std() / np.sqrt(runs))


def bench(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rl_nas", "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=TIMEOUT)


@pytest.fixture
def table_file(tmp_path: Path) -> str:
    table = sixteen()
    ops = np.array([table.space.encode(table.space.decode(a)) for a in np.ndindex(4, 4) if a != (3, 3)])
    names = np.array(NAMES[0])
    np.savez(tmp_path / "small.npz", ops=ops, op_names=names, columns=np.array(table.columns), values=table.values)
    return "small.npz"


@pytest.mark.long
def test_the_verb_compares_every_strategy_and_repeats_itself(tmp_path: Path, table_file: str) -> None:
    words = (f"--table={table_file}", "--reward_column=valid", "--report_column=test", "--runs=3", "--budgets=10,5")
    done = bench(*words, "--controller_units=4", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["strategy"] for row in rows} == {
        "controller", "reinforce", "ppo", "aging_evolution", "local_search", "random"
    }  # fmt: skip
    assert [row["evaluations"] for row in rows[:2]] == [5, 10]
    for row in rows:
        assert row["reward_low"] <= row["reward_mean"] <= row["reward_high"] <= 14
        assert row["report_mean"] == pytest.approx(-row["reward_mean"])
        assert (row["maximum"], row["report_of_maximum"], row["runs"]) == (14, -14, 3)
    for png in [(tmp_path / "bench/plot.png").read_bytes()]:
        assert png.startswith(b"\x89PNG")
    with (tmp_path / "bench/results.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["reward_mean"]) for row in table] == [row["reward_mean"] for row in rows]
    again = bench(*words, "--controller_units=4", "--out=again", "--strategies=ppo,local_search", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "3 runs of each strategy from seed 0" in again.stdout
    with (tmp_path / "again/results.csv").open() as file:
        repeated = {(row["strategy"], row["evaluations"]): row["reward_mean"] for row in csv.DictReader(file)}
    first = {(row["strategy"], row["evaluations"]): row["reward_mean"] for row in table}
    assert repeated == {key: value for key, value in first.items() if key[0] in ("ppo", "local_search")}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--table is missing; give an .npz file"),
        (["--table=none.npz"], "no table none.npz; give an .npz file"),
        (["--table=small.npz"], "--reward_column is missing; table small has valid, test"),
        (["--table=small.npz", "--reward_column=loss"], "--reward_column: no 'loss'; expected some of valid, test"),
        (["--table=small.npz", "--reward_column=valid,test", "--report_column=test"], "2 reward columns, but 1 report"),
        (["--strategies=greedy"], "--strategies: no 'greedy'; expected some of controller"),
        (["--budgets=50,many"], "--budgets=50,many: expected whole numbers above 0"),
        (["--runs=0"], "--runs=0: expected a whole number >= 1"),
    ],
)
def test_wrong_use_is_one_line(tmp_path: Path, table_file: str, words: list[str], message: str) -> None:
    done = bench(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "bench").exists()
