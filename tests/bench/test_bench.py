"""Many runs on a table: curves by hand, expectations in closed form, the public table's reference rows."""

import csv
import itertools
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from watchdog import TIMEOUT

from rl_nas.bench.comparing import Comparing
from rl_nas.bench.comparison import Comparison, ComparisonSetup
from rl_nas.bench.many_runs import make_runs
from rl_nas.bench.runs import Curves, SequentialRuns, join, run
from rl_nas.bench.table import Table, make_table
from rl_nas.bench.table_files import load_table, save_table
from rl_nas.commands import bench as bench_command
from rl_nas.commands.bench import main
from rl_nas.errors import UsageError
from rl_nas.exit_codes import DONE, WRONG_USE
from rl_nas.report.bench_plot import bench_figure
from rl_nas.report.bench_text import bench_text
from rl_nas.statistics import estimate
from rl_nas.strategies import Strategy
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.catalog import STRATEGIES, StrategyOptions
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


def test_evolution_differs_from_random_search_at_every_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does not with the paper's population of 100, and that is told."""
    monkeypatch.chdir(tmp_path)
    ops = np.array(list(np.ndindex(6, 6, 6, 6)))
    values = np.random.default_rng(0).normal(size=(len(ops), 1)) + ops.sum(1, keepdims=True)
    np.savez("t.npz", ops=ops, op_names=np.array(list("abcdef")), columns=np.array(["valid"]), values=values)
    words = ["--table=t.npz", "--reward_column=valid", "--strategies=aging_evolution,random", "--runs=4"]

    def means(*more: str) -> tuple[list[list[float]], str]:
        assert main([*words, "--budgets=20,50,100", "--json", *more]) == DONE
        out, errors = capsys.readouterr()
        rows = [row["reward_mean"] for row in json.loads(out)]
        return [rows[:3], rows[3:]], errors

    (aging, drawn), errors = means()
    assert all(one != other for one, other in zip(aging, drawn, strict=True))
    assert "random search" not in errors
    assert "a population of 10, of which it draws 3" in Path("bench/results.md").read_text()
    (aging, drawn), errors = means("--evolution_population=100")
    assert aging == drawn
    assert errors.count("here 100 networks: within 100 evaluations it is random search") == 1


def test_a_saved_table_is_the_same(tmp_path: Path, table_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    source, copy = str(tmp_path / table_file), str(tmp_path / "copy.npz")
    assert main([f"--table={source}", f"--save_table={copy}"]) == DONE
    assert capsys.readouterr().out == f"Written to {copy}: 15 rows of valid, test\n"
    one, other = load_table(source), load_table(copy)
    assert other.columns == one.columns
    assert [d.choices for d in other.space.decisions] == [d.choices for d in one.space.decisions]
    np.testing.assert_array_equal(other.rows, one.rows)
    np.testing.assert_array_equal(other.values, one.values)


def test_edges_of_a_table_are_checked_and_kept(tmp_path: Path) -> None:
    ops = np.array(list(itertools.product(range(2), repeat=3)))
    arrays = {"ops": ops, "op_names": np.array(["none", "mine"]), "columns": ["valid"], "values": ops[:, :1]}
    edges = np.array([[0, 1], [0, 2], [1, 2]])
    np.savez(tmp_path / "cells.npz", **arrays, edges=edges)
    save_table(load_table(str(tmp_path / "cells.npz")), tmp_path / "saved.npz")
    table = load_table(str(tmp_path / "saved.npz"))
    assert table.edges == ((0, 1), (0, 2), (1, 2))
    assert table.space.decode((1, 0, 1)).graph().labels == ("input", "mine", "mine", "output")
    for wrong in (edges[:2], edges[:, ::-1], edges.astype(float), edges.ravel()):
        np.savez(tmp_path / "wrong.npz", **arrays, edges=wrong)
        with pytest.raises(UsageError, match="edges"):
            load_table(str(tmp_path / "wrong.npz"))


@pytest.mark.long
@pytest.mark.parametrize("name", ["controller", "gp"])
def test_models_find_the_best_cell_of_the_benchmark_within_100_evaluations(public: Table, name: str) -> None:
    reward = public.column("ep12_imagenet16_valid")
    runs = make_runs(name, public.space, StrategyOptions(), range(12))
    best = run(runs, public, reward, reward, evaluations=100, batch=5).best
    assert (best[:, -1] == reward.max()).sum() >= 10  # of 12; local search finds it in half of them


def test_all_strategies_are_those_that_are_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(bench_command._strategies("all")) == set(STRATEGIES) - {"nsga2"}  # for several objectives
    monkeypatch.setattr(bench_command, "is_installed", lambda modules: "optuna" not in modules)
    assert set(bench_command._strategies("all")) == set(STRATEGIES) - {"nsga2", "tpe"}
    assert "without tpe: pip install" in capsys.readouterr().err


def test_without_flags_it_uses_a_table_that_comes_with_rl_nas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--strategies=local_search,random", "--json"]) == DONE
    output, errors = capsys.readouterr()
    rows = json.loads(output)
    assert [row["evaluations"] for row in rows] == [20, 50] * 2
    assert "valid  random: 20 runs in " in errors
    assert {(row["table"], row["reward_column"], row["report_column"]) for row in rows} == {("digits", "valid", "test")}


def compared(report: str, table: str = "small", names: Sequence[str] = tuple(STRATEGIES)) -> Comparison:
    best = np.linspace([0.0], [1.0], 30).T
    setup = ComparisonSetup(table, "valid", report, 1, 0, 1.0, 1.0)
    curves = {name: Curves(best + i, best + i, np.zeros(1)) for i, name in enumerate(names)}
    return Comparison(setup, curves, dict.fromkeys(names, 0.0), dict.fromkeys(names, 1))


def test_the_first_strategy_is_compared_with_the_others_run_by_run() -> None:
    """Differences by hand: runs that differ much, by the same seeds as the other's, which differs little from them."""
    of_runs = np.array([[0.0], [10.0], [20.0], [30.0]])
    curves = {"gp": Curves(of_runs, of_runs, np.zeros(4)), "random": Curves(of_runs + 1, of_runs, np.zeros(4))}
    setup = ComparisonSetup("small", "valid", "valid", 4, 0, 31.0, 31.0)
    comparison = Comparison(setup, curves, dict.fromkeys(curves, 0.0), dict.fromkeys(curves, 1))
    ((difference,),) = comparison.differences([1]).values()
    assert (difference.mean, difference.low, difference.high) == (-1, -1, -1)
    text = bench_text([comparison], [1])
    assert "| random   | -1.000 [-1.000, -1.000] |" in text
    assert "1 of 1 intervals lie wholly below 0: random at 1." in text


def test_with_batches_in_flight_runs_learn_later() -> None:
    script = Script([[(0, 1), (0, 3), (0, 2), (0, 3), (1, 1), (2, 2)]])
    asked = list[tuple[int, int]]()
    propose, script.propose = script.propose, lambda n: asked.append((n, len(script.seen))) or propose(n)
    curves = run(script, sixteen(), np.arange(15.0), np.arange(15.0), evaluations=6, batch=2, batches_in_flight=2)
    assert asked == [(2, 0), (2, 0), (2, 1)]
    assert [rewards.tolist() for rewards in script.seen] == [[[1.0, 3.0]], [[2.0, 3.0]]]
    assert curves.best.tolist() == [[1.0, 3.0, 3.0, 3.0, 5.0, 10.0]]


def test_architectures_without_a_finite_reward_have_failed() -> None:
    """They are neither the maximum nor the best so far, and strategies are told that they failed."""
    script, rewards = Script([[(0, 1), (0, 3), (0, 2), (1, 1)]]), np.arange(15.0)
    rewards[[2, 3]] = np.nan, np.inf
    curves = run(script, sixteen(), rewards, np.arange(15.0), evaluations=4, batch=1)
    assert np.isnan(script.seen[1]).all()
    assert np.isnan(script.seen[2]).all()
    assert curves.best.tolist() == [[1.0, 1.0, 1.0, 5.0]]


def test_a_column_of_a_table_may_lack_numbers(
    tmp_path: Path, table_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(tmp_path / table_file) as known:
        arrays = dict(known)
    best = int(arrays["values"][:, 0].argmax())
    arrays["values"][best, 0] = np.nan
    np.savez(tmp_path / "holes.npz", **arrays)
    words = [f"--table={tmp_path / 'holes.npz'}", "--budgets=9", "--runs=2", f"--out={tmp_path}", "--json"]
    column = str(arrays["columns"][0])
    assert main([*words, "--strategies=random,local_search", f"--reward_column={column}"]) == DONE
    assert "NaN" not in capsys.readouterr().out
    arrays["values"][:, 0] = np.nan
    np.savez(tmp_path / "holes.npz", **arrays)
    assert main([*words, "--strategies=random", f"--reward_column={column}"]) == WRONG_USE
    assert f"column {column} has no finite number to maximize" in capsys.readouterr().err


def test_a_comparison_is_made_in_parts(
    tmp_path: Path, table_file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """More runs and another strategy are those of a comparison in one; what is there is not computed again."""
    monkeypatch.chdir(tmp_path)

    def compare(out: str, runs: int, strategies: str, *more: str) -> list[dict[str, object]]:
        words = [f"--table={table_file}", "--reward_column=valid", "--budgets=5,9", f"--out={tmp_path / out}"]
        assert main([*words, f"--runs={runs}", f"--strategies={strategies}", "--json", *more]) == DONE
        rows = json.loads(capsys.readouterr().out)
        return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]

    compare("parts", 2, "random", "--resume")
    whole = compare("whole", 5, "random,local_search")
    assert compare("parts", 5, "random,local_search", "--resume") == whole
    files = sorted((tmp_path / "parts/runs").iterdir())
    assert len(files) == 2
    before = [file.stat().st_mtime_ns for file in files]
    assert compare("parts", 4, "local_search,random", "--resume")[0]["runs"] == 4
    assert compare("parts", 5, "random,local_search", "--resume") == whole
    assert [file.stat().st_mtime_ns for file in files] == before
    assert len(compare("parts", 5, "random", "--resume", "--update_every=3")) == 2  # another setting, other runs
    files[0].write_bytes(b"PK")
    assert (
        main(
            [
                f"--table={table_file}",
                "--reward_column=valid",
                "--budgets=5,9",
                "--strategies=random,local_search",
                f"--out={tmp_path / 'parts'}",
                "--runs=5",
                "--resume",
            ]
        )
        == WRONG_USE
    )
    assert "is damaged (not a NumPy archive" in capsys.readouterr().err


def test_a_strategy_has_its_color_in_every_plot() -> None:
    (whole, _), (part, _) = (
        bench_figure([compared("test", names=names)]).axes for names in (tuple(STRATEGIES), ("random", "ppo"))
    )
    colors = {line.get_label(): line.get_color() for line in whole.get_lines()[: len(STRATEGIES)]}
    assert len(set(colors.values())) == len(STRATEGIES)
    for line in part.get_lines()[:2]:
        assert line.get_color() == colors[line.get_label()]


def test_evaluations_are_plain_numbers() -> None:
    figure = bench_figure([compared("test")])
    figure.canvas.draw()
    texts = [label.get_text() for label in figure.axes[1].get_xticklabels(which="both") if label.get_text()]
    assert {"10", "20"} <= set(texts)
    assert all(text.replace(",", "").isdecimal() for text in texts)


def test_nothing_is_shown_twice_where_nothing_else_is_reported() -> None:
    assert len(bench_figure([compared("valid")]).axes) == 1
    assert len(bench_figure([compared("test")]).axes) == 2
    assert len(bench_figure([compared("test"), compared("valid")]).axes) == 3
    assert "Report" not in bench_text([compared("valid")], [30])
    assert "Report" in bench_text([compared("test")], [30])


@pytest.mark.parametrize("count", [1, 3])
def test_titles_fit(count: int) -> None:
    name = "ep12_validation_accuracy_of_ImageNet16-120_with_augmentation_mean_of_three_runs"
    figure = bench_figure([compared(name, table=name) for _ in range(count)])
    figure.draw_without_rendering()
    assert figure.get_suptitle().replace("\n", "").startswith(name)
    whole = figure.bbox
    titles = [figure._suptitle, *(axes.title for axes in figure.axes)]
    for title in titles:
        box = title.get_window_extent()
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1
        assert box.y1 <= whole.y1
    ends = sorted(
        (axes.title.get_window_extent().x0, axes.title.get_window_extent().x1) for axes in figure.axes[:count]
    )
    assert all(one[1] < other[0] for one, other in itertools.pairwise(ends))


@pytest.mark.long
def test_the_verb_compares_every_strategy_and_repeats_itself(tmp_path: Path, table_file: str) -> None:
    words = (f"--table={table_file}", "--reward_column=valid", "--report_column=test", "--runs=3", "--budgets=10,5")
    done = bench(*words, "--controller_units=4", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert {row["strategy"] for row in rows} == {
        "controller", "reinforce", "ppo", "aging_evolution", "bananas", "gp", "local_search", "tpe", "random"
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
        (["--table=small.npz", "--save_table=none/t.npz"], "none/t.npz: expected the name of a file that ends in .npz"),
        (["--table=none.npz"], "no table none.npz; give an .npz file"),
        (["--table=small.npz"], "--reward_column is missing; table small has valid, test"),
        (["--table=small.npz", "--reward_column=loss"], "--reward_column: no 'loss'; expected some of valid, test"),
        (["--table=small.npz", "--reward_column=valid,test", "--report_column=test"], "2 reward columns, but 1 report"),
        (["--strategies=greedy"], "--strategies: no 'greedy'; expected some of controller"),
        (["--budgets=50,many"], "--budgets=50,many: expected whole numbers above 0"),
        (["--runs=0"], "--runs=0: expected a whole number >= 1"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path,
    table_file: str,
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == WRONG_USE
    errors = capsys.readouterr().err
    assert message in errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "bench").exists()


def test_a_column_that_fails_costs_the_others_nothing(
    tmp_path: Path, table_file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    usual = Comparing.on

    def compare(self: Comparing, *columns: str) -> Comparison:
        if columns[0] == self.table.columns[0]:
            raise ArithmeticError("of this column")
        return usual(self, *columns)

    monkeypatch.setattr(Comparing, "on", compare)
    first, second = load_table(table_file).columns[:2]
    words = [f"--table={table_file}", "--strategies=random", "--budgets=5", "--runs=2", f"--out={tmp_path / 'out'}"]
    assert main([*words, f"--reward_column={first},{second}"]) == 1
    output, errors = capsys.readouterr()
    assert second in output
    assert "columns that failed, and are left out: " in errors.splitlines()[-1]
    assert f"{first}: ArithmeticError: of this column" in errors.splitlines()[-1]
    assert (tmp_path / "out/results.csv").exists()
    assert main([*words, f"--reward_column={first}"]) == 1
