"""The command line, in real processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "rl_nas", *words], capture_output=True, text=True, check=False)


def test_describe_counts_without_tensorflow() -> None:
    done = run("describe", "--genotype=NASNet-A", "--cells=6", "--json")
    assert json.loads(done.stdout)["trainable_parameters"] == 3_346_538


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["describe", "--genotype=NASNet-B"], "did you mean NASNet-A"),
        (["describe", "--genotype=NASNet-A", "--filters=0"], "expected a whole number >= 1"),
        (["search"], "--dataset is missing"),
        (["search", "--dataset=digits"], "--run_dir is missing"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(words: list[str], message: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.long
def test_search_then_resume(tmp_path: Path) -> None:
    flags = ["--epochs=1", "--filters=2", "--blocks=1", "--update_every=1", f"--data_dir={tmp_path / 'tfds'}"]
    done = run("search", "--flagfile=flags/digits.cfg", *flags, "--trials=1", f"--run_dir={tmp_path / 'run'}", "--json")
    assert done.returncode == 0, done.stderr
    done = run("search", "--resume", f"--run_dir={tmp_path / 'run'}", "--trials=2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trials"] == 2
    assert (tmp_path / "run/best/saved_model/saved_model.pb").exists()
