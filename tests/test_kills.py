"""A search that is killed, at any place and however often, ends as the one that was not."""

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import killed_search
import psutil
import pytest
from watchdog import TIMEOUT, are_gone, wait_until, watched

from rl_nas.execution import keeper
from rl_nas.store.states import pack
from rl_nas.store.trials import TrialStore, read_trials
from rl_nas.trial import Trial

KILLS, TRIALS = 20, 252  # the last batch of proposals is a whole one, after which the state is kept
MOST_STATEMENTS = 3 * TRIALS // KILLS - 1
"""Between two kills. A trial needs three (begin, insert, commit): the search cannot be over before its last kill."""


def words(folder: Path, trials: int, executor: str, *statement: int) -> list[str]:
    folder.mkdir(exist_ok=True)
    return [sys.executable, killed_search.__file__, str(folder), str(trials), executor, *map(str, statement)]


def ending(folder: Path) -> tuple[list[Trial], int, bytes]:
    """All that a run leaves: its trials, and the state of its strategy."""
    with TrialStore(folder / "trials.sqlite") as store:
        checkpoint = store.checkpoint()
        assert checkpoint is not None
        return store.trials(), checkpoint.updates, pack(checkpoint.state)


def keepers_of(pid: int) -> list[psutil.Process]:
    """The parents of a search's workers, also when the search is gone: their command lines name it."""
    started = [keeper.__file__, str(pid)]
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any((process.info["cmdline"] or [])[place : place + 2] == started for place in range(5))
    ]


def kill_after(folder: Path, statements: int) -> int:
    """Lets a search begin so many statements and kills it somewhere before the next; returns the workers it had.

    The search cannot run ahead, however slow this process is: it asks before every statement.
    """
    command = words(folder, TRIALS, "processes", 0)
    with watched(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(statements):
            assert process.stdout.read(1) == b"."
            process.stdin.write(b".")
        keepers = keepers_of(process.pid)
        workers = [worker for one in keepers for worker in one.children(recursive=True)]
        process.kill()
        assert process.wait() == -signal.SIGKILL
        left = {*keepers, *workers, *keepers_of(process.pid)}
        wait_until(lambda: are_gone(left))
    return len(keepers)


@pytest.mark.long
def test_twenty_kills_at_random_places(tmp_path: Path) -> None:
    rng = random.Random(0)
    killed_search.run(tmp_path, TRIALS, "inline")
    unbroken = ending(tmp_path)
    folder, found, workers = tmp_path / "killed", [0], set()
    for _ in range(KILLS):
        workers.add(kill_after(folder, rng.randint(0, MOST_STATEMENTS)))
        if (folder / "trials.sqlite").exists():
            found.append(len(read_trials(folder / "trials.sqlite")))
    assert sorted(found) == found
    assert 10 < found[-1] < TRIALS  # it got on between the kills
    assert 2 in workers  # these were killed with it
    elsewhere = Path(shutil.copytree(folder, tmp_path / "elsewhere"))  # as on another machine
    subprocess.run(words(elsewhere, TRIALS, "processes"), check=True, timeout=TIMEOUT)
    assert ending(elsewhere) == unbroken


@pytest.mark.long
def test_an_end_before_any_statement_of_the_store(tmp_path: Path) -> None:
    """Statements make tables, begin, fill and commit transactions: there is no other place between two operations."""
    killed_search.run(tmp_path, 24, "inline")
    unbroken = ending(tmp_path)
    folder, statement, ends = tmp_path / "killed", 0, 0
    while True:
        statement = statement % 31 + 1
        code = subprocess.run(words(folder, 24, "inline", statement), check=False, timeout=TIMEOUT).returncode
        if code == 0:
            break
        assert code == 9
        ends += 1
    assert ends > 10
    assert ending(folder) == unbroken
