"""`rl_nas doctor`: a finding in each line, and its exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from processes import run

from rl_nas.commands import doctor
from rl_nas.doctor import devices
from rl_nas.exit_codes import DONE, FAILED, WRONG_USE

SMALL = ("--flagfile=digits", "--cells=1", "--filters=2", "--batch_size=256", "--child_seconds=0.01", "--workers=1")


def checks(output: str) -> dict[str, dict[str, Any]]:
    return {check["check"]: check for check in json.loads(output)["checks"]}


@pytest.mark.slow
def test_a_machine_alone(tmp_path: Path) -> None:
    done = run("doctor", cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    states, names = zip(*(line.split()[:2] for line in done.stdout.splitlines()), strict=True)
    assert set(states) <= {"ok", "warning"}
    assert names[:2] == ("python:", "packages:")
    assert "CPU:0: a product of 1024x1024 matrices is right" in done.stdout
    assert "search: not checked, as no --dataset is given" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
def test_a_search_is_tried_and_forecast(tmp_path: Path) -> None:
    done = run(
        "doctor", *SMALL, "--trials=40", "--picture=seen.png", f"--run_dir={tmp_path}/run", "--json", cwd=tmp_path
    )
    assert done.returncode == DONE, done.stderr
    found = checks(done.stdout)
    assert found["data"]["figures"]["train_images"] == sum(
        found["data"]["figures"]["training_images_of_classes"].values()
    )
    sizes = [found[f"{name} child"]["figures"] for name in ("small", "typical", "large")]
    assert sorted(one["madds"] for one in sizes) == [one["madds"] for one in sizes]
    assert all(0 < one["start"] < one["seconds"] for one in sizes)
    forecast = found["forecast"]["figures"]
    assert forecast["workers"] == 1
    assert forecast["evaluating"] == pytest.approx(forecast["children"])  # no worker waits for another
    least, most = (40 * fold(one["seconds"] for one in sizes) for fold in (min, max))
    assert least <= forecast["children"] <= most
    assert all(one["disk"] == 4 * one["parameters"] for one in sizes)
    assert forecast["memory"] > max(one["memory"] for one in sizes)
    tried, last = found["export"]["figures"]["seconds"]  # the search exports a sample before its first child, too
    assert forecast["begin"] > tried
    assert forecast["end"] == last
    parts = sum(forecast[part] for part in ("begin", "strategy", "evaluating", "end"))
    assert forecast["seconds"] == pytest.approx(parts)
    assert [path.name for path in tmp_path.iterdir()] == ["seen.png"]
    with Image.open(tmp_path / "seen.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.long
def test_shared_weights_are_tried_and_forecast(tmp_path: Path) -> None:
    shared = ("--space=nasbench201", "--estimator=shared", "--strategy=reinforce", "--shared_samples=30")
    length = ("--shared_epochs=500", "--shared_warmup=100", "--shared_updates=2", "--update_every=5", "--trials=6")
    done = run("doctor", *SMALL, *shared, *length, "--json", cwd=tmp_path)
    assert done.returncode == DONE, done.stderr
    found = checks(done.stdout)
    weights, forecast = found["shared weights"]["figures"], found["forecast"]["figures"]
    assert weights["steps"] == 1200 // 256
    assert min(weights["step"], weights["reward"], weights["ranking"]) > 0
    training, rewards = 500 * weights["steps"] * weights["step"], 800 * 5 * weights["reward"]
    assert forecast["shared"] == pytest.approx(training + rewards + weights["strategy"] + 30 * weights["ranking"])
    assert forecast["strategy"] == 0
    assert forecast["seconds"] > forecast["shared"] > max(training, rewards)
    assert "for the shared weights" in found["forecast"]["text"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dataset=folder:nowhere"], "nowhere"),
        (["--space=nasbench101", "--network=imagenet_mobile"], "--network=imagenet_mobile is not for"),
    ],
)
def test_flags_that_do_not_fit_are_a_problem(words: list[str], message: str, tmp_path: Path) -> None:
    done = run("doctor", *SMALL, *words, cwd=tmp_path)
    assert done.returncode == FAILED
    (problem,) = [line for line in done.stdout.splitlines() if line.startswith("problem")]
    assert message in problem


def test_unknown_flags_are_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--no_such_flag"]) == WRONG_USE
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("import os; os.abort()", "exit code -6"),
        ("raise ImportError('libcudnn is missing')", "libcudnn is missing"),
        ("print('not JSON')", "exit code 0"),
    ],
)
def test_a_broken_tensorflow_is_a_problem(program: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices.python_process, "command", lambda module: [sys.executable, "-c", program])
    (found,) = devices.devices()
    assert found.state == "problem"
    assert text in found.text


def test_a_tensorflow_that_hangs_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*arguments: Any, timeout: float, **options: Any) -> None:
        raise subprocess.TimeoutExpired("python", timeout)

    monkeypatch.setattr(devices.subprocess, "run", hang)
    (found,) = devices.devices()
    assert found.state == "problem"
    assert "does not answer" in found.text


def test_a_wrong_product_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"name": "GPU:0", "kind": "GPU", "model": "A", "problem": "a product of matrices is wrong", "gflops": None}
    right = {**wrong, "name": "GPU:1", "problem": None, "gflops": 12_345.6}
    program = f"print({json.dumps([wrong, right])!r})"
    monkeypatch.setattr(devices.python_process, "command", lambda module: [sys.executable, "-c", program])
    first, second = devices.devices()
    assert (first.state, second.state) == ("problem", "ok")
    assert first.text.startswith("GPU:0 (A): a product of matrices is wrong")
    assert "12,346 GFLOP/s" in second.text
