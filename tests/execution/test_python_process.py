"""Processes that import what this one imports, and end with it."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import psutil
from watchdog import TIMEOUT, are_gone, wait_until, watched

import rl_nas
from rl_nas.execution import python_process

SLEEPS = "import time\nprint(flush=True)\ntime.sleep(3600)\n"
PARENT = """
import subprocess
from rl_nas.execution import python_process
child = subprocess.Popen(python_process.command("sleeps"), stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""

EVALUATOR = """
def make_evaluator(scale):
    return lambda job: job.index * scale
"""
SESSION = """
import rl_nas
with rl_nas.ProcessExecutor(rl_nas.EvaluatorSpec("mine:make_evaluator", {"scale": 0.5})) as executor:
    print([outcome.measurement.quality for outcome in executor.run([rl_nas.Job(3, (), 0)])])

"""


def session(*options: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A session in a folder that is on no path but by Python's own rule for the working folder."""
    (folder / "mine.py").write_text(EVALUATOR)
    environment = {**os.environ, "PYTHONPATH": str(Path(rl_nas.__file__).parents[1]), "PYTHONSAFEPATH": ""}
    words = [sys.executable, *options]
    return subprocess.run(
        words, input=SESSION, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT
    )


def test_workers_of_an_interactive_session_import_from_the_working_folder(tmp_path: Path) -> None:
    for name in ("random.py", "numpy.py"):  # nothing else is taken from there
        (tmp_path / name).write_text("raise SystemExit('executed')")
    found = session("-i", "-c", "import sys; sys.path.append(sys.path.pop(0))", folder=tmp_path)
    assert found.stdout == "[1.5]\n", found.stderr


def test_workers_of_others_do_not(tmp_path: Path) -> None:
    found = session("-", folder=tmp_path)
    assert found.returncode == 1
    assert "no evaluator mine:make_evaluator (No module named 'mine')" in found.stderr


def test_a_package_in_the_working_folder_is_not_taken_for_rl_nas(tmp_path: Path) -> None:
    (tmp_path / "rl_nas").mkdir()
    for name in ("__init__.py", "__main__.py"):
        (tmp_path / "rl_nas" / name).write_text("print('executed')")
    words = python_process.command("rl_nas", "--version")
    environment = python_process.environment({"NAME": "value"})
    assert environment["NAME"] == "value"
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == f"{metadata.version('rl_nas')}\n", done.stderr


def test_it_ends_with_the_process_that_started_it_however_that_ends(tmp_path: Path) -> None:
    (tmp_path / "sleeps.py").write_text(SLEEPS)
    environment = python_process.environment()
    environment["PYTHONPATH"] += f":{tmp_path}"
    with watched(subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment)) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    wait_until(lambda: are_gone([child]))


def test_it_does_not_begin_when_the_other_is_gone() -> None:
    words = python_process.command("this")
    words[words.index("this") - 1] = "1"
    done = subprocess.run(words, env=python_process.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "the process that started this one is gone\n"
