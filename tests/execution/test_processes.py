"""Worker processes against children that do what children do."""

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from hostile import DEEDS, MIB, measurement

from rl_nas.errors import RunError, StorageError, UsageError
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.execution.supervision import SupervisedExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.trial import Job, Outcome, TrialState


def jobs(*deeds: str) -> list[Job]:
    return [Job(index, (DEEDS.index(deed), index), 100 + index) for index, deed in enumerate(deeds)]


def pool(folder: Path, workers: int = 2, factory: str = "hostile:make", **options: object) -> ProcessExecutor:
    arguments = {"folder": str(folder)} if factory == "hostile:make" else {}
    return ProcessExecutor(EvaluatorSpec(factory, arguments), workers, **{"memory": 300 * MIB, "timeout": 60} | options)


def outcomes(executor: ProcessExecutor | SupervisedExecutor, work: Sequence[Job]) -> list[Outcome]:
    return sorted(executor.run(work), key=lambda outcome: outcome.job.index)


def children_of_this_process() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def ends(pid: int) -> bool:
    """Whether a process that was killed is gone within ten seconds; nobody may have waited for it."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


ENDS = {
    "good": ("ok", ""),
    "raise": ("crashed", "ValueError: this child raises"),
    "nan": ("nan", "accuracy nan, loss nan; expected finite numbers"),
    "invalid": ("invalid", "UsageError: cannot be built"),
    "run out of memory": ("oom", "MemoryError: cannot allocate"),
    "eat memory": ("oom", "GiB; a worker may hold 0.293"),
    "kill itself": ("oom", "killed (SIGKILL)"),
    "abort": ("crashed", "ended its process by SIGABRT"),
    "exit": ("crashed", "ended its process with exit code 7"),
    "leave a process": ("crashed", "ended its process with exit code 0"),
    "no space": ("crashed", "OSError: [Errno 28] No space left on device"),
    "print garbage": ("ok", ""),
    "write to all descriptors": ("crashed", "wrote to the connection between its worker and the search"),
}


def test_whatever_children_do_each_has_its_outcome_and_the_others_theirs(tmp_path: Path) -> None:
    work = jobs(*(deed for bad in ENDS for deed in ("good", bad)))
    with pool(tmp_path) as executor:
        found = outcomes(executor, work)
        assert executor.workers == (0, 2)
    assert [outcome.job for outcome in found] == work
    for outcome in found:
        state, error = ENDS[DEEDS[outcome.job.architecture[0]]]
        assert outcome.state == state
        if state == "ok":
            assert outcome.measurement == measurement(outcome.job)
        else:
            (failure,) = outcome.failures
            assert error in failure.error
            assert "\n" not in failure.error
    by_deed = {DEEDS[outcome.job.architecture[0]]: outcome for outcome in found}
    assert by_deed["raise"].failures[0].log.endswith("ValueError: this child raises\nin two lines")
    assert by_deed["abort"].failures[0].log == "about to abort"
    assert children_of_this_process() == []
    (left,) = tmp_path.glob("*.pid")
    assert ends(int(left.read_text()))


def test_a_child_that_hangs_is_ended_and_only_it(tmp_path: Path) -> None:
    with pool(tmp_path, timeout=1.0) as executor:
        found = outcomes(executor, jobs("sleep", "good", "good", "sleep", "good"))
    assert [outcome.state for outcome in found] == ["timeout", "ok", "ok", "timeout", "ok"]
    assert found[0].failures[0].error == "took longer than 1 s"


def test_sixty_children_in_one_worker_after_the_other(tmp_path: Path) -> None:
    """Each leaks 16 MiB: workers are replaced when they hold half of what they may, or have had ten children."""
    files = len(os.listdir("/proc/self/fd"))
    for memory, most in ((300 * MIB, 9), (10_000 * MIB, 10)):
        with pool(tmp_path, 1, memory=memory, children_per_worker=10) as executor:
            pids, largest = [], 0
            for outcome in executor.run(jobs(*["leak"] * 60)):
                assert outcome.state == "ok"
                for process in children_of_this_process():
                    pids.append(process.pid)
                    largest = max(largest, process.memory_info().rss)
        assert largest < memory
        assert 60 / most - 1 <= len(set(pids)) <= 15
    assert children_of_this_process() == []  # zombies are children too
    assert len(os.listdir("/proc/self/fd")) == files


def test_what_can_pass_is_tried_again(tmp_path: Path) -> None:
    settings = ExecutionSettings(max_attempts=2)
    with pool(tmp_path) as executor:
        found = outcomes(
            SupervisedExecutor(executor, settings), jobs("crash once", "good", "abort", "nan", "crash once")
        )
    assert [outcome.state for outcome in found] == ["ok", "ok", "crashed", "nan", "ok"]
    assert [len(outcome.failures) for outcome in found] == [1, 0, 2, 1, 1]
    assert found[0].measurement == measurement(found[0].job)


def test_a_search_in_which_nothing_works_stops_with_the_first_log(tmp_path: Path) -> None:
    settings, seen = ExecutionSettings(max_attempts=1, max_consecutive_failures=3), []
    work = jobs("abort", "good", "abort", "invalid", "raise", "abort", "good")
    with pool(tmp_path, 1) as executor:
        run = (seen.append(outcome.job.index) for outcome in SupervisedExecutor(executor, settings).run(work))
        with pytest.raises(RunError, match="3 children in a row failed") as caught:
            deque(run)
    assert seen == [0, 1, 2, 3, 4, 5]  # all that is finished was handed out, to be recorded
    assert caught.value.log == "about to abort"
    assert "trial 2" in str(caught.value)


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        ("hostile:refuse", UsageError, "there is no such data set"),
        ("hostile:die", RunError, "workers end before they begin: ended its process by SIGABRT"),
        ("hostile:absent", UsageError, "no evaluator hostile:absent"),
        ("no_such_module:make", UsageError, "No module named 'no_such_module'"),
    ],
)
def test_workers_that_cannot_begin(tmp_path: Path, factory: str, error: type[Exception], message: str) -> None:
    with pool(tmp_path, factory=factory) as executor, pytest.raises(error, match=message) as caught:
        outcomes(executor, jobs("good"))
    assert children_of_this_process() == []
    if error is RunError:
        assert caught.value.log == "dying of old age"


def test_a_full_disk_ends_the_search(tmp_path: Path) -> None:
    with pool(tmp_path) as executor, pytest.raises(StorageError, match="the disk is full"):
        outcomes(executor, jobs("storage"))


def test_jobs_are_taken_only_when_a_worker_is_free(tmp_path: Path) -> None:
    taken = []

    def source() -> Iterator[Job]:
        for job in jobs(*["good"] * 6):
            taken.append(job.index)
            yield job

    with pool(tmp_path) as executor:
        for finished, _ in enumerate(executor.run(source()), start=1):
            assert len(taken) <= finished + 1
            assert executor.workers[0] <= 1


def test_one_who_leaves_early_leaves_no_work_behind(tmp_path: Path) -> None:
    with pool(tmp_path) as executor:
        for outcome in executor.run(jobs("good", "sleep", "sleep")):
            assert outcome.job.index == 0
            break
        assert executor.workers == (0, 2)
        assert outcomes(executor, jobs("good", "good"))[1].state == TrialState.OK


def test_a_driver_that_is_killed_takes_its_workers_along(tmp_path: Path) -> None:
    script = f"""
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.trial import Job
import os, pathlib
with ProcessExecutor(EvaluatorSpec("hostile:make", {{"seconds": 1000.0}}), 2) as executor:
    jobs = [Job(i, ({DEEDS.index("good")},), i) for i in range(2)]
    for job in executor.run(iter(jobs)):
        pass
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", script], env=environment) as driver:
        workers = wait_for(psutil.Process(driver.pid).children, 2)
        time.sleep(1)
        driver.kill()
        driver.wait()
        assert psutil.wait_procs(workers, timeout=10)[1] == []


def wait_for(children: Callable[[], list[psutil.Process]], count: int) -> list[psutil.Process]:
    for _ in range(200):
        if len(found := children()) == count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"there were not {count} children within ten seconds")
