"""Benchmarks: one form for all of them, and the ones that take no time to see. Nothing is timed."""

import importlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image
from watchdog import TIMEOUT

from rl_nas.bench.table_files import load_table
from rl_nas.commands.bench import main as bench
from rl_nas.commands.search import SEARCH
from rl_nas.exit_codes import DONE, WRONG_USE
from rl_nas.flags.parsing import parse
from rl_nas.one_shot.state import OneShotState
from rl_nas.statistics import Estimate
from rl_nas.store.choice import Choice, Confirmed, write_choice
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import TrialStore
from rl_nas.trial import Failure, Job, Measurement, Trial, TrialState
from rl_nas.workflows.config import SearchConfig

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if "COMMAND = " in path.read_text(encoding="utf-8"))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND_LINES = [
    line.strip(" `")
    for page in PAGES
    for line in re.findall(r"[\w./]*python benchmarks/[^`\n]+", page.read_text(encoding="utf-8"))
]

TINY = {
    "synthetic_tables": (),
    "executors": ("--strategies=random,aging_evolution", "--workers=2,3", "--children=2"),
    "search_rate": ("--strategies=random", "--children=4", "--update_every=2"),
    "proposals": ("--strategies=random,local_search", "--batches=3,2"),
    "choice_of_best": ("--budgets=50", "--runs=1"),
    "fidelities": (
        "--table=digits",
        "--reward_column=test",
        "--short_table=digits",
        "--short_column=valid",
        "--epochs=4",
        "--short_epochs=1",
        "--budgets=2,4",
        "--runs=2",
    ),
    "large_space": ("--strategies=random,local_search", "--budgets=2,4", "--runs=2"),
}
"""Benchmarks without TensorFlow -> flags for less than seconds."""


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, and benchmarks that find each other as those of a script do."""
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.chdir(tmp_path)


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


def printed(name: str, words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Standard output of a benchmark."""
    assert load(name).main(words) == DONE
    return capsys.readouterr().out


def cells(line: str) -> list[str]:
    assert line.startswith("| ")
    assert line.endswith(" |")
    return line[2:-2].split(" | ")


def table(text: str) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the one table that a text is."""
    head, rule, *rows = text.splitlines()
    assert set(cells(rule)) == {"---"}
    assert {len(cells(line)) for line in (head, rule, *rows)} == {len(cells(head))}
    return cells(head), [cells(row) for row in rows]


def both(
    name: str, words: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> tuple[list[list[str]], list[dict[str, Any]]]:
    """The rows of the table, and what `--json` prints of the same: equal where nothing is measured."""
    columns, rows = table(printed(name, words, capsys))
    document: list[dict[str, Any]] = json.loads(printed(name, [*words, "--json"], capsys))
    assert len(document) == len(rows) > 0
    for row, shown in zip(document, rows, strict=True):
        assert list(row) == columns
        for value, text in zip(row.values(), shown, strict=True):
            assert text == str(value) or not isinstance(value, (str, int))
    return rows, document


def test_every_program_beside_them_is_one() -> None:
    scripts = {path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")}
    assert scripts == set(NAMES)
    assert set(TINY) < scripts


@pytest.mark.parametrize("name", NAMES)
def test_help_tells_of_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(name, ["--help"], capsys)
    assert text.startswith(f"python benchmarks/{name}.py: ")
    assert "--[no]json" in text
    for example in load(name).COMMAND.examples:
        assert example.startswith(f"python benchmarks/{name}.py --")
        parse(load(name).COMMAND, shlex.split(example)[2:])


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_commands_of_the_documentation_parse(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    _, script, *words = shlex.split(line)
    parse(load(Path(script).stem).COMMAND, words)


def test_the_documentation_runs_every_benchmark() -> None:
    assert {Path(shlex.split(line)[1]).stem for line in COMMAND_LINES} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_tables_of_the_documentation_have_the_columns(name: str) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    columns = getattr(load(name), "COLUMNS", None)  # of the others they depend on flags
    assert columns is None or name == "synthetic_tables" or " | ".join(columns) in text


@pytest.mark.parametrize("name", TINY)
def test_prints_one_table_or_its_rows(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    both(name, TINY[name], capsys)


def test_values_of_all_kinds() -> None:
    frame = load("frame")
    columns = {"name": str, "share": "{:.0%}".format, "mean": "{0.mean:.1f}±{0.std:.1f}".format, "ratio": str}
    rows = [("one", 0.254, Estimate(1.0, 0.5, 0.0, 2.0), float("nan")), ("two", None, None, 2.0)]
    assert list(frame.Table(columns, rows).markdown()) == [
        "| name | share | mean | ratio |",
        "| --- | --- | --- | --- |",
        "| one | 25% | 1.0±0.5 | nan |",
        "| two | - | - | 2.0 |",
    ]
    assert frame.Table(columns, rows).document() == [
        {"name": "one", "share": 0.254, "mean": {"mean": 1.0, "std": 0.5, "low": 0.0, "high": 2.0}, "ratio": None},
        {"name": "two", "share": None, "mean": None, "ratio": 2.0},
    ]


def test_synthetic_tables_are_as_large_as_told(capsys: pytest.CaptureFixture[str]) -> None:
    _, document = both("synthetic_tables", (), capsys)
    told = {Path(row["file"]).stem: row for row in document}
    for name, row in told.items():
        with np.load(row["file"]) as arrays:
            assert len(arrays["ops"]) == row["architectures"]
        expected = {"eight_of_three": 3**8, "five_of_nine": 9**5, "uneven": 2 * 5 * 3 * 4 * 2 * 6 * 3 * 4}
        assert row["combinations"] == expected[name]


def test_a_summary_ranks_strategies_over_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """Ranks and leads are those that each comparison has, and `random` is last in the long run."""
    printed("synthetic_tables", (), capsys)
    words = (
        "--reward_column=valid",
        "--strategies=local_search,aging_evolution,random",
        "--runs=20",
        "--budgets=50,300",
    )
    results = list[dict[str, Any]]()
    for name in ("uneven", "eight_of_three"):
        assert bench([f"--table=tables/{name}.npz", *words, f"--out={name}", "--json"]) == DONE
        results += json.loads(capsys.readouterr().out)
    rows, document = both("bench_summary", ["--results=uneven,eight_of_three", "--picture=mean.png"], capsys)
    assert [row[0] for row in rows] == ["local_search", "aging_evolution", "random"]
    means = np.array([row["reward_mean"] for row in results]).reshape(2, 3, 2)
    ranks = 1 + (means[:, np.newaxis] > means[:, :, np.newaxis]).sum(axis=2)
    for place, row in enumerate(document):
        assert [float(row[budget]) for budget in ("50", "300")] == pytest.approx(ranks.mean(axis=0)[place])
        of = [one for one in results if one["strategy"] == row["strategy"]]
        ahead, behind = (
            sum((sign * (one[end] or 0)) > 0 for one in of) for sign, end in ((1, "lead_low"), (-1, "lead_high"))
        )
        assert place == 0 or (row["local_search ahead"], row["behind"], row["of"]) == (ahead, behind, 4)
    assert document[2]["300"] == "3.0"
    assert Path("mean.png").read_bytes().startswith(b"\x89PNG")
    rows, _ = both("bench_summary", ["--results=uneven,eight_of_three", "--details"], capsys)
    assert [row[0].partition(" ")[0] for row in rows] == ["uneven"] * 3 + ["eight_of_three"] * 3
    for cells, one in zip(rows, results[::2], strict=True):
        assert cells[1] == one["strategy"]
        assert cells[2] == "{reward_mean:.2f} [{reward_low:.2f}, {reward_high:.2f}]".format(**one)
        assert cells[-1].startswith(f"{100 * one['at_maximum']:.0f}, ")
    assert bench(["--strategies=random", "--budgets=50,300", "--runs=2", "--out=digits"]) == DONE
    assert load("bench_summary").main(["--results=uneven,digits"]) == WRONG_USE
    assert "no local_search after 50 evaluations on digits valid; expected all" in capsys.readouterr().err


def test_a_table_is_made_of_searches_that_have_trained_every_network(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """127 of the 729 cells are different networks; of the rest each has the row of its equal."""
    recipe = parse(SEARCH, [f"--flagfile={FOLDER / 'small_cells.cfg'}"]).values
    assert (recipe["space"], recipe["trials"]) == ("small_cells:three_operations", 127)
    cells = load("small_cells")
    everything, space = cells.Everything(cells.three_operations, seed=0), cells.three_operations
    networks = everything.propose(127)
    assert len({space.canonical_key(one) for one in networks}) == 127
    assert everything.propose(3) == networks[:3]
    assert [space.size(), len({space.canonical_key(one) for one in np.ndindex(*(3,) * 6)})] == [729, 127]
    for name, factor in (("one", 1), ("two", 2), ("short", 1)):
        folder = SearchFolder(name)
        folder.path.mkdir()
        with TrialStore(folder.trials) as store:
            for index, one in enumerate(networks[: 100 if name == "short" else 127]):
                store.record(Trial(index, one, TrialState.OK, 0.0, Measurement(factor * (index + 1) / 1000)))
    words = ["--columns=valid,test", "--space=small_cells:three_operations", "--out=mine.npz"]
    rows, _ = both("run_table", ["--run_dirs=one,two", *words], capsys)
    assert rows == [["valid", "729", "127", "0.10", "12.70"], ["test", "729", "127", "0.20", "25.40"]]
    table = load_table("mine.npz")
    assert table.column("valid")[table.lookup(np.array(networks))] == pytest.approx(np.arange(1, 128) / 10)
    assert load("run_table").main(["--run_dirs=one,short", *words]) == WRONG_USE
    assert "short lacks 27 of the 127 networks of --space=three_operations" in capsys.readouterr().err


def test_rules_replayed_over_children_that_never_change(capsys: pytest.CaptureFixture[str]) -> None:
    """Each child is better than the one before from its first epoch: only halving stops any, and in their order.

    Asynchronous halving knows those before a child alone: it stops none once there are enough to compare with. Of 20
    children, halving by 2 leaves 10 after the first of 4 epochs and 5 after the second; by 3, 7 after the first and 3
    after the third. The best four of all are in the second batch.
    """
    folder = SearchFolder("curves")
    folder.path.mkdir()
    with TrialStore(folder.trials) as store:
        for index in range(40):
            quality = (index + 1) / 100
            measurement = Measurement(quality, {"accuracy": quality}, curve=(quality,) * 4)
            store.record(Trial(index, (index,), TrialState.OK, quality, measurement))
    rows, document = both("early_stopping", ["--run_dir=curves"], capsys)
    same = "1.00 [1.00, 1.00]"
    assert rows == [
        ["median", "0%", "0%", same, "0 of 4", "yes"],
        ["extrapolation, quantile 0.5", "0%", "0%", same, "0 of 4", "yes"],
        ["extrapolation, quantile 0.75", "0%", "0%", same, "0 of 4", "yes"],
        ["extrapolation, quantile 0.9", "0%", "0%", same, "0 of 4", "yes"],
        ["halving, factor 2", "75%", f"{1 - (10 * 1 + 5 * 2 + 5 * 4) / 80:.0%}", same, "0 of 4", "yes"],
        ["halving, factor 3", "85%", f"{1 - (13 * 1 + 4 * 3 + 3 * 4) / 80:.0%}", same, "1 of 4", "yes"],
        ["asha, factor 2", "5%", f"{(3 + 2) / 160:.0%}", same, "0 of 4", "yes"],
        ["asha, factor 3", "10%", f"{(3 + 3 + 1 + 1) / 160:.0%}", same, "0 of 4", "yes"],
    ]
    assert document[5]["of the best 10%, stopped"] == {"stopped": 1, "best": 4}


def test_a_ranking_in_the_order_of_the_table_and_children_in_the_opposite_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    values = np.arange(6.0)
    ops = np.array([(one, other) for one in range(3) for other in range(2)])
    names = {"op_names_0": np.array(list("abc")), "op_names_1": np.array(list("xy"))}
    np.savez("mine.npz", ops=ops, columns=np.array(["valid"]), values=values[:, np.newaxis], **names)
    folder = SearchFolder("shared")
    folder.path.mkdir()
    folder.write_config({"flags": {"space": "mine", "epochs": 3}})
    ranking = [{"architecture": op.tolist(), "quality": value / 10} for op, value in zip(ops, values, strict=True)]
    OneShotState(folder.shared).save_ranking(ranking[::-1])
    with TrialStore(folder.trials) as store:
        for index, op in enumerate(ops[:4]):
            store.record(Trial(index, tuple(op.tolist()), TrialState.OK, -index, Measurement(-index)))
    rows, document = both("shared_ranking", ["--run_dir=shared", "--table=mine.npz", "--columns=valid"], capsys)
    assert rows == [
        ["shared weights", "6", "valid", "1.00 [1.00, 1.00]", "1"],
        ["alone, 3 epochs", "4", "valid", "-1.00 [-1.00, -1.00]", "4"],
    ]
    assert [row["Spearman (95%)"]["value"] for row in document] == pytest.approx([1, -1])


def test_figures_of_trials_are_compared_with_their_rewards(capsys: pytest.CaptureFixture[str]) -> None:
    folder = SearchFolder("compared")
    folder.path.mkdir()
    folder.write_config({"flags": {}})
    with TrialStore(folder.trials) as store:
        for index, (reward, other) in enumerate([(0.1, 30.0), (0.3, 10.0), (0.2, 20.0)]):
            measured = Measurement.of({"mAP": reward, "pretrained_accuracy": other}, parameters=index)
            store.record(Trial(index, (index,), TrialState.OK, reward, measured))
        store.record(Trial(3, (3,), TrialState.NAN, failures=(Failure(TrialState.NAN, "loss nan"),)))
    words = ["--run_dir=compared", "--metrics=pretrained_accuracy, parameters"]
    rows, _ = both("metric_ranking", words, capsys)
    assert rows == [
        ["reward", "3", "0.1000", "0.3000", "-", "1"],
        ["pretrained_accuracy", "3", "10", "30", "-1.00 [-1.00, -1.00]", "3"],
        ["parameters", "3", "0", "2", "0.50 [-1.00, 1.00]", "2"],
    ]
    assert load("metric_ranking").main([words[0], "--metrics=size"]) == WRONG_USE
    assert "no 'size' in every trial of compared; expected some of quality, mAP" in capsys.readouterr().err


def test_searches_at_equal_times_have_the_clock_of_their_children_alone() -> None:
    """What the search computes takes time, which depends on the machine."""
    workers = load("equal_time").Clocked(1, 0.5, lambda job: Measurement(0.0))
    jobs, now = [Job(index, (index,), seed=index) for index in range(20)], 0.0
    for outcome, job in zip(workers.run(jobs), jobs, strict=True):
        now += workers._seconds(job)
        assert outcome.job == job
        assert workers.now == now
    assert workers.now == workers.worked


def test_searches_are_compared_at_equal_cost(capsys: pytest.CaptureFixture[str]) -> None:
    """Two runs of whole trainings, of four epochs, and one whose bad children were stopped after one."""
    curves = {"record-0": [0.1, 0.2, 0.3], "record-1": [0.3, 0.4, 0.2], "asha-0": [0.05, 0.5, 0.04, 0.03, 0.06, 0.9]}
    for name, rewards in curves.items():
        folder = SearchFolder(f"rules/{name}")
        folder.path.mkdir(parents=True)
        folder.write_config({"flags": {"early_stop_rule": name[:-2], "epochs": 4, "seed": 0}})
        with TrialStore(folder.trials) as store:
            for index, reward in enumerate(rewards):
                epochs = 1 if reward < 0.1 else 4
                measured = Measurement(reward, epochs=epochs, seconds=2.0 * epochs)
                store.record(Trial(index, (index,), TrialState.OK, reward, measured))
        if name == "asha-0":
            write_choice(folder, Choice(1, "confirmed", 6, 5, expected=0.45, confirmed=(Confirmed(1, (0.4, 0.5)),)))
    words = ["--runs=rules", "--costs=11,4"]
    rows, _ = both("searches_at_cost", words, capsys)
    assert rows == [
        ["asha", "1", "5", "1", "-", "0.5000", "0.4500"],  # 1 + 4 + 1 + 1 + 1 epochs, and 4 are too many
        ["record", "2", "2", "2", "0.2000 [0.1000, 0.3000]", "0.3000 [0.2000, 0.4000]", "-"],
    ]
    seconds, _ = both("searches_at_cost", ["--runs=rules", "--unit=seconds", "--costs=22, 8"], capsys)
    assert seconds == rows
    assert load("searches_at_cost").main(["--runs=rules", "--costs=20"]) == WRONG_USE
    assert "--costs=20: a search of 6 children cost 12 epochs; give less" in capsys.readouterr().err
    assert load("searches_at_cost").main(["--runs=rules", "--by=rule"]) == WRONG_USE
    assert "rules/asha-0 has no such flag" in capsys.readouterr().err


@pytest.mark.long
def test_a_network_of_keras_applications_becomes_a_backbone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(24):
        path = Path(f"images/{('train', 'test')[number % 3 == 0]}/{'ab'[number % 2]}/{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(path)
    words = [
        "--dataset=folder:images",
        "--image_size=32",
        "--width=0.35",
        "--epochs=1",
        "--batch_size=4",
        "--out=mobilenet.keras",
    ]
    script = [sys.executable, FOLDER / "applications_backbone.py", *words, "--json"]
    (row,) = json.loads(subprocess.run(script, check=True, stdout=subprocess.PIPE, timeout=TIMEOUT).stdout)
    import keras

    backbone = keras.models.load_model("mobilenet.keras")
    assert backbone.count_params() == row["parameters of the backbone"]
    assert backbone.compute_output_shape((1, 64, 96, 3))[1:3] == (4, 6)
    assert 0 <= row["accuracy"] <= 1


def test_a_way_whose_package_is_missing_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    assert load("child_overhead").main(["--way=tuner", "--json"]) == DONE
    output, errors = capsys.readouterr()
    assert json.loads(output) == []
    assert errors == "--way=tuner is left out: it needs the package keras-tuner, which is not installed\n"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("child_overhead", "--way=slow"),
        ("executors", "--workers=2,x"),
        ("early_stopping", "--run_dir=nowhere"),
        ("shared_ranking", "--run_dir=nowhere"),
        ("metric_ranking", "--run_dir=nowhere"),
        ("searches_at_cost", "--runs=nowhere"),
        ("applications_backbone", "--out=nowhere/file.keras"),
        ("synthetic_tables", "--out=/proc/none"),
    ],
)
def test_wrong_use_is_told_in_a_line(name: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert load(name).main([word, "--json"]) == WRONG_USE
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(f"python benchmarks/{name}.py: ")
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize("words", [["--flagfile=flags/camvid_dpc.cfg"], ["--valid_images=8"], ["--group_by=(.)"]])
def test_parts_are_confirmed_on_the_test_split_by_any_recipe(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = SearchConfig.from_flags(parse(load("part_search").COMMAND, words).values)
    tested = load("confirmation").tested_on(config, "val")
    assert tested.data.valid_split == "val"
    assert tested.training == config.training


@pytest.mark.long
@pytest.mark.parametrize(("name", "words"), [("child_overhead", ("--children=2", "--way=fast")), ("shared_step", ())])
def test_children_are_trained(name: str, words: Sequence[str]) -> None:
    tiny = ("--flagfile=flags/digits.cfg", "--space=nasbench201", "--filters=2", "--epochs=1", "--children=1", "--json")
    command = [sys.executable, FOLDER / f"{name}.py", *tiny, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    assert done.returncode == DONE, done.stderr
    (row,) = json.loads(done.stdout)
    measured = [value for value in row.values() if isinstance(value, float)]
    assert len(measured) >= 4
    assert min(measured) > 0
