"""Runs of version 0.1.0 open, are repeated and export with the numbers that they had there (see tests/data/0.1.0)."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import results, run

import rl_nas
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.networks.genotypes import to_json
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.one_shot.result import one_shot_result
from rl_nas.one_shot.state import OneShotState
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.nasbench101 import nasbench101
from rl_nas.spaces.nasbench201 import EdgeCell
from rl_nas.store.trials import read_trials
from rl_nas.trial import Trial

pytestmark = pytest.mark.long

OLD = Path(__file__).parents[1] / "data/0.1.0"


@pytest.fixture
def search(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD / "search", tmp_path / "search"))


@pytest.fixture
def training(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD / "training", tmp_path / "training"))


def columns(trials: Sequence[Trial]) -> list[tuple[Any, ...]]:
    measured = [(trial, trial.measurement) for trial in trials]
    return [
        (t.index, list(t.architecture), t.reward, m.metrics["accuracy"], m.metrics["loss"], m.parameters, m.madds)
        for t, m in measured
        if m
    ]


def recorded() -> list[tuple[Any, ...]]:
    return [
        (
            row["number"],
            json.loads(row["architecture"]),
            pytest.approx(row["reward"]),
            pytest.approx(row["accuracy"]),
            pytest.approx(row["loss"], rel=1e-5),
            row["parameters"],
            row["madds"],
        )
        for row in json.loads((OLD / "trials.json").read_text())
    ]


def test_a_search_opens_and_is_listed(search: Path) -> None:
    trials = read_trials(search / "trials.sqlite")
    assert columns(trials) == recorded()[:4]
    assert {trial.measurement.quality_name for trial in trials if trial.measurement} == {"accuracy"}
    listed = run("runs", search)
    assert listed.returncode == 0, listed.stderr
    best = max(trial.measurement.quality for trial in trials if trial.measurement)
    assert f"{best:.4f}" in listed.stdout


@pytest.mark.slow
def test_a_search_goes_on_as_it_would_have(search: Path) -> None:
    done = run("search", "--resume", "--trials=6", f"--run_dir={search}")
    assert done.returncode == 0, done.stderr
    assert columns(read_trials(search / "trials.sqlite")) == recorded()
    flags = json.loads((search / "config.json").read_text())["flags"]
    assert flags["reward"] == "quality"
    assert not {"whiten", "collapse_share", "filter_share"} & flags.keys()  # read, never written
    lines = [json.loads(line) for line in (search / "health.jsonl").read_text().splitlines()]
    assert "unique_fraction" in lines[-1]
    assert "unique_share" not in lines[-1]


LEFT_OUT = "--cells, --filters of the run has no effect on its networks and is left out"
CHAIN = (
    *(
        "--dataset=digits",
        "--space=nas_rl",
        "--layers=2",
        "--strategy=random",
        "--epochs=1",
        "--batch_size=100",
        "--train_images=200",
    ),
    *("--valid_images=50", "--update_every=1", "--workers=1"),
)


def ignored(folder: Path, **flags: Any) -> None:
    """Makes a run record flags that no network of it reads, as 0.1.0 did."""
    config = json.loads((folder / "config.json").read_text())
    config["flags"] |= flags
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["inline", pytest.param("processes", marks=pytest.mark.long)])
def test_children_get_no_flags_that_have_no_effect(executor: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    started = run("search", *CHAIN, "--trials=1", f"--executor={executor}", f"--run_dir={folder}")
    assert started.returncode == 0, started.stderr
    ignored(folder, cells=2, filters=8, task=None)
    done = run("search", "--resume", "--trials=2", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(LEFT_OUT) == 1
    assert [str(trial.state) for trial in read_trials(folder / "trials.sqlite")] == ["ok", "ok"]


@pytest.mark.long
def test_a_training_goes_on_without_flags_that_have_no_effect(tmp_path: Path) -> None:
    space: Any = nas_rl(2)
    (tmp_path / "chain.json").write_text(json.dumps(to_json(space.decode(space.sample(np.random.default_rng(0))))))
    folder, words = tmp_path / "run", ("--dataset=digits", "--epochs=1", "--batch_size=100", "--train_images=200")
    done = run("train", f"--genotype={tmp_path / 'chain.json'}", *words, f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    (folder / "results.json").unlink()
    ignored(folder, cells=2, filters=8)
    again = run("train", "--resume", f"--run_dir={folder}")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count(LEFT_OUT) == 1
    assert results(folder)["final_test"]


@pytest.mark.long
def test_its_flagfile_repeats_it(tmp_path: Path) -> None:
    words = (f"--flagfile={OLD / 'search/flags.cfg'}", "--trials=2", f"--run_dir={tmp_path / 'run'}")
    done = run("search", *words)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("--collapse_share is now called --collapse_fraction") == 1
    assert done.stderr.count("--reward=accuracy is now called --reward=quality") == 1
    assert columns(read_trials(tmp_path / "run/trials.sqlite")) == recorded()[:2]


@pytest.mark.slow
def test_a_training_repeated_has_the_same_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "training"
    done = run("train", f"--flagfile={OLD / 'training/flags.cfg'}", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    histories = ((place / "history.jsonl").read_text().splitlines() for place in (OLD / "training", folder))
    for was, line in zip(*histories, strict=False):  # it was stopped after two of four epochs
        expected, found = json.loads(was), json.loads(line)
        for name in expected.keys() - {"seconds", "images_per_second"}:
            assert found[name] == pytest.approx(expected[name], rel=1e-4), name
    expected, found = json.loads((OLD / "results.json").read_text()), results(folder)
    for part in ("train", "valid", "final_test"):
        for name, value in expected[part].items():  # rounding differs since, and grows with the steps
            inexact = isinstance(value, float)
            close = pytest.approx(value, rel=2e-3, abs=0.02 if "accuracy" in name else 0) if inexact else value
            assert found[part][name] == close, name
    assert found["network"].items() >= {"trainable_parameters": 3744, "multiply_adds": 97736}.items()
    assert len((folder / "history.jsonl").read_text().splitlines()) == 4


def test_a_training_whose_checkpoints_are_former_ones_is_refused_in_one_line(training: Path) -> None:
    kept = [*(training / "checkpoints").iterdir(), training / "history.jsonl"]
    before = [path.read_bytes() for path in kept]
    done = run("train", "--resume", f"--run_dir={training}")
    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("rl_nas train:")]
    assert f"{training / 'checkpoints/ckpt-10'} is a checkpoint of an earlier version of rl_nas" in line
    assert "start another run" in line
    assert [path.read_bytes() for path in kept] == before


@pytest.mark.long
def test_a_model_exports_and_predicts(tmp_path: Path) -> None:
    done = run("export", f"--model={OLD / 'model.keras'}", "--dataset=digits", f"--out={tmp_path / 'out'}", "--json")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/saved_model/assets.extra/task.txt").read_text().strip() == "classification"


def test_a_ranking_by_shared_weights_opens(tmp_path: Path) -> None:
    (tmp_path / "ranking.json").write_text('[{"architecture": [1, 2], "accuracy": 0.5}]')
    ranking = OneShotState(tmp_path).ranking()
    assert ranking == [{"architecture": [1, 2], "quality": 0.5}]
    assert one_shot_result(ranking, [], 0).ranked == 1


@pytest.mark.parametrize("verb", ["search", "train", "proxy"])
@pytest.mark.parametrize("content", ["", "[]", "{}", '{"flags": []}', '{"flags": {"reward": []}}'])
def test_a_broken_config_is_one_line(verb: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(content)
    done = run(verb, "--resume", f"--run_dir={tmp_path}")
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert f"rl_nas {verb}: {tmp_path / 'config.json'}" in done.stderr


EDGES = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|avg_pool_3x3~2|"


def planned(name: str) -> Plan:
    published, rng = rl_nas.PUBLISHED, np.random.default_rng(0)
    head = rl_nas.ClassificationHead(1000 if name in ("mobile", "large") else 10)
    match name:
        case "cifar":
            return rl_nas.plan_network(published["NASNet-A"], NetworkSettings(network=name), (32, 32, 3), head, 100)
        case "mobile":
            settings = NetworkSettings(network="imagenet_mobile")
            return rl_nas.plan_network(published["AmoebaNet-A"], settings, (224, 224, 3), head, 100)
        case "large":
            settings = NetworkSettings(network="imagenet_large")
            return rl_nas.plan_network(published["PNASNet-5"], settings, (331, 331, 3), head, 100)
        case "output_conv":
            return rl_nas.plan_network(published["ENAS-micro"], NetworkSettings(output_conv=True), (32, 32, 3), head)
        case "edges":
            return rl_nas.plan_network(EdgeCell.from_string(EDGES), NetworkSettings(), (32, 32, 3), head)
        case "chain":
            space: Any = nas_rl(8, strides=True)
        case _:
            space = nasbench101()
    return rl_nas.plan_network(space.decode(space.sample(rng)), NetworkSettings(), (32, 32, 3), head)


def fingerprint(names: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


PLANS = json.loads((OLD / "plans.json").read_text())


@pytest.mark.parametrize("name", [name for name in PLANS if name != "weights"])
def test_layers_have_the_names_of_checkpoints_and_of_shared_weights(name: str) -> None:
    nodes = planned(name).nodes
    found = [fingerprint([node.name for node in nodes]), fingerprint([node.key for node in nodes]), len(nodes)]
    assert found == PLANS[name]


def test_weights_start_from_the_same_values() -> None:
    settings = NetworkSettings(network="cifar", cells=1, filters=4)
    head = rl_nas.ClassificationHead(10)
    plan = rl_nas.plan_network(rl_nas.PUBLISHED["NASNet-A"], settings, (32, 32, 3), head, 100)
    values = np.asarray(PlannedModel(plan, seed=5).trainable.vector, np.float64)
    total, weighted, count = PLANS["weights"]
    assert len(values) == count
    assert values.sum() == pytest.approx(total, rel=1e-6)
    assert (values * np.arange(count)).sum() == pytest.approx(weighted, rel=1e-6)
