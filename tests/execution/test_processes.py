"""Worker processes against children that do what children do."""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from hostile import DEEDS, MIB, measurement
from watchdog import TIMEOUT, are_gone, wait_until, watched

from rl_nas.errors import RunError, StorageError, UsageError
from rl_nas.execution import keeper, processes
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.execution.supervision import SupervisedExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.trial import ChildProgress, Job, Measurement, Outcome, TrialState


def jobs(*deeds: str) -> list[Job]:
    return [Job(index, (DEEDS.index(deed), index), 100 + index) for index, deed in enumerate(deeds)]


def pool(folder: Path, workers: int = 2, factory: str = "hostile:make", **options: object) -> ProcessExecutor:
    arguments = {"folder": str(folder)} if factory == "hostile:make" else {}
    return ProcessExecutor(
        EvaluatorSpec(factory, arguments), workers, **{"memory": 300 * MIB, "timeout": TIMEOUT} | options
    )


def outcomes(executor: ProcessExecutor | SupervisedExecutor, work: Sequence[Job]) -> list[Outcome]:
    return sorted(executor.run(work), key=lambda outcome: outcome.job.index)


OTHERS: set[psutil.Process] = set()
"""Children of this process that were there before a test, such as the server of other tests' commands."""


@pytest.fixture(autouse=True)
def others() -> None:
    OTHERS.clear()
    OTHERS.update(psutil.Process().children(recursive=True))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a worker takes to end, its exit code is heard."""
    monkeypatch.setattr(processes, "_PATIENCE", TIMEOUT)


def children_of_this_process() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if child not in OTHERS]


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
    "fork and return": ("ok", ""),
    "answer for another": ("crashed", "wrote to the connection between its worker and the search"),
    "say nothing for long": ("crashed", "wrote to the connection between its worker and the search"),
    "send nested lists": ("crashed", "wrote to the connection between its worker and the search"),
    "eat memory elsewhere": ("oom", "GiB; a worker may hold 0.293"),
    "leave a daemon": ("ok", ""),
    "abort beside a daemon": ("crashed", "ended its process by SIGABRT"),
    "forge its progress": ("crashed", "its progress is 5 of 3; expected growing steps"),
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
    left = [int(path.read_text()) for path in tmp_path.glob("*.pid")]
    assert len(left) == 3
    wait_until(lambda: not any(map(psutil.pid_exists, left)))


def test_a_child_that_answers_twice_answers_for_itself_alone(tmp_path: Path) -> None:
    with pool(tmp_path, 1) as executor:
        found = outcomes(SupervisedExecutor(executor, ExecutionSettings()), jobs("answer twice", *["good"] * 4))
    assert found[0].measurement == Measurement(0.123)
    assert [outcome.measurement for outcome in found[1:]] == [measurement(outcome.job) for outcome in found[1:]]
    assert sum(len(outcome.failures) for outcome in found) <= 1  # of the child that it was on


def test_a_child_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ChildProgress] = []

    class Watch:
        """The executor's clock, by which it is watched; the child waits until its first message is seen."""

        @staticmethod
        def monotonic() -> float:
            seen.extend(executor.running)
            for one in executor.running:
                if one.done:
                    (tmp_path / f"{one.index}.heard").touch()
            return 1.0

    with pool(tmp_path, 1, timeout=None) as executor:
        assert (executor.running, executor.began) == ([], None)
        monkeypatch.setattr(processes, "time", Watch)
        found = list(executor.run(jobs("tell its progress", "good")))
        monkeypatch.undo()
        assert executor.running == []
        assert executor.began is not None
    assert [outcome.state for outcome in found] == ["ok", "ok"]
    assert [one for one in dict.fromkeys(seen) if one.done < 3] == [
        *(ChildProgress(0), ChildProgress(0, 1, 3), ChildProgress(1))
    ]


def test_a_keeper_that_is_killed_takes_its_worker_along(tmp_path: Path) -> None:
    with pool(tmp_path, 1) as executor:
        (outcome,) = executor.run(jobs("kill the keeper"))
    assert outcome.state == "oom"  # as the kernel does
    assert children_of_this_process() == []


def test_a_worker_outlives_the_thread_that_has_started_it(tmp_path: Path) -> None:
    with pool(tmp_path, 1) as executor:
        work = jobs("good", "good")
        found: list[Outcome] = []
        first = threading.Thread(target=lambda: found.extend(executor.run(work[:1])))
        first.start()
        first.join()
        (worker,) = [one for one in children_of_this_process() if keeper.__file__ in one.cmdline()]
        found += executor.run(work[1:])
        assert [outcome.state for outcome in found] == ["ok", "ok"]
        assert worker in children_of_this_process()
    assert children_of_this_process() == []


class Clock:
    """The executor's; it stands still as long as a good child is at work: only those that hang take too long."""

    def __init__(self, work: Sequence[Job]) -> None:
        self._work, self._at_work, self._now = work, set[Job](), 0.0

    def monotonic(self) -> float:
        if self._at_work and all(DEEDS[job.architecture[0]] == "hang" for job in self._at_work):
            self._now += 0.4
        return self._now

    def jobs(self) -> Iterator[Job]:
        for job in self._work:
            self._at_work.add(job)
            yield job

    def ended(self, outcome: Outcome) -> Outcome:
        self._at_work.remove(outcome.job)
        return outcome


def test_a_child_that_hangs_is_ended_and_only_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(jobs("hang", "good", "good", "hang", "good"))
    monkeypatch.setattr(processes, "time", clock)
    with pool(tmp_path, timeout=1.0) as executor:
        found = [clock.ended(outcome) for outcome in executor.run(clock.jobs())]
    found.sort(key=lambda outcome: outcome.job.index)
    assert [outcome.state for outcome in found] == ["timeout", "ok", "ok", "timeout", "ok"]
    assert found[0].failures[0].error == "took longer than 1 s"


@pytest.mark.long
def test_sixty_children_in_one_worker_after_the_other(tmp_path: Path) -> None:
    """Each leaks 16 MiB: workers are replaced when they hold half of what they may, or have had ten children."""
    files = len(os.listdir("/proc/self/fd"))
    for memory, most in ((300 * MIB, 9), (10_000 * MIB, 10)):
        with pool(tmp_path, 1, memory=memory, children_per_worker=10) as executor:
            pids, largest = [], 0
            for outcome in executor.run(jobs(*["leak"] * 60)):
                assert outcome.state == "ok"
                for process in children_of_this_process():
                    pids += [process.pid] if process.ppid() != os.getpid() else []  # of a keeper
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
        ("hostile:hang_at_once", RunError, "took longer than 0.001 s to start; --worker_start_timeout allows more"),
        ("hostile:eat_at_once", RunError, "GiB; a worker may hold 0.293"),
        ("hostile:die", RunError, "workers end before they are ready: ended its process by SIGABRT"),
        ("hostile:absent", UsageError, "no evaluator hostile:absent"),
        ("no_such_module:make", UsageError, "No module named 'no_such_module'"),
    ],
)
def test_workers_that_cannot_begin(tmp_path: Path, factory: str, error: type[Exception], message: str) -> None:
    limits = {"start_timeout": 0.001 if factory == "hostile:hang_at_once" else TIMEOUT}
    with pool(tmp_path, factory=factory, **limits) as executor, pytest.raises(error, match=message) as caught:
        outcomes(executor, jobs("good"))
    assert children_of_this_process() == []
    if factory == "hostile:die":
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
        for outcome in executor.run(jobs("good", "hang", "hang")):
            assert outcome.job.index == 0
            break
        assert executor.workers == (0, 2)
        assert outcomes(executor, jobs("good", "good"))[1].state == TrialState.OK


def test_a_driver_that_is_killed_takes_its_workers_along(tmp_path: Path) -> None:
    script = f"""
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.trial import Job
with ProcessExecutor(EvaluatorSpec("hostile:make", {{"folder": {str(tmp_path)!r}}}), 2) as executor:
    jobs = [Job(i, (deed,), i) for i, deed in enumerate({[DEEDS.index(d) for d in ("leave a daemon", "hang", "hang")]})]
    for job in executor.run(iter(jobs)):
        pass
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with watched(subprocess.Popen([sys.executable, "-c", script], env=environment)) as driver:
        wait_until(lambda: driver.poll() is not None or len(list(tmp_path.glob("*.begun"))) == 2)
        workers = psutil.Process(driver.pid).children(recursive=True)
        workers.append(psutil.Process(int((tmp_path / "0.pid").read_text())))
        assert len(set(workers)) == 5  # two keepers, their workers, and the daemon
        driver.kill()
        driver.wait()
        wait_until(lambda: are_gone(workers))
