"""A search that is killed, at any instant and however often, ends as the one that was not."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import killed_search
import psutil
import pytest

from rl_nas.store.states import pack
from rl_nas.store.trials import TrialStore, read_trials
from rl_nas.trial import Trial


def words(folder: Path, trials: int, executor: str, *statement: int) -> list[str]:
    folder.mkdir(exist_ok=True)
    return [sys.executable, killed_search.__file__, str(folder), str(trials), executor, *map(str, statement)]


def ending(folder: Path) -> tuple[list[Trial], int, bytes]:
    """All that a run leaves: its trials, and the state of its strategy."""
    with TrialStore(folder / "trials.sqlite") as store:
        checkpoint = store.checkpoint()
        assert checkpoint is not None
        return store.trials(), checkpoint.updates, pack(checkpoint.state)


@pytest.mark.slow
def test_twenty_kills_at_random_instants(tmp_path: Path) -> None:
    trials, rng = 420, random.Random(0)
    killed_search.run(tmp_path, trials, "inline")
    unbroken = ending(tmp_path)
    folder, found = tmp_path / "killed", [0]
    for _ in range(20):
        with subprocess.Popen(words(folder, trials, "processes")) as process:
            time.sleep(rng.uniform(0.2, 1.2))
            assert process.poll() is None
            workers = psutil.Process(process.pid).children()
            process.kill()
        assert psutil.wait_procs(workers, timeout=10)[1] == []
        if (folder / "trials.sqlite").exists():
            found.append(len(read_trials(folder / "trials.sqlite")))
    assert sorted(found) == found
    assert 10 < found[-1] < trials  # it got on between the kills
    elsewhere = Path(shutil.copytree(folder, tmp_path / "elsewhere"))  # as on another machine
    subprocess.run(words(elsewhere, trials, "processes"), check=True)
    assert ending(elsewhere) == unbroken


@pytest.mark.slow
def test_an_end_before_any_statement_of_the_store(tmp_path: Path) -> None:
    """Statements begin, fill and commit transactions: there is no other place between two operations of the store."""
    killed_search.run(tmp_path, 24, "inline")
    unbroken = ending(tmp_path)
    folder, statement, ends = tmp_path / "killed", 0, 0
    while True:
        statement = statement % 23 + 1
        code = subprocess.run(words(folder, 24, "inline", statement), check=False).returncode
        if code == 0:
            break
        assert code == 9
        ends += 1
    assert ends > 10
    assert ending(folder) == unbroken
