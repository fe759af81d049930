"""Runs children in worker processes: whatever a child does, it ends in an outcome, and the search goes on."""

import selectors
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

from rl_nas.errors import RunError
from rl_nas.execution.memory import memory_per_worker
from rl_nas.execution.messages import error_from_json, outcome_from_json
from rl_nas.execution.worker_process import EvaluatorSpec, WorkerProcess
from rl_nas.trial import Failure, Job, Outcome, TrialState
from rl_nas.units import GIB

_CHECK_INTERVAL = 0.25
"""Seconds between two checks of the memory and the age of children."""
_MAX_FAILED_STARTS = 3
"""Deaths of a worker before it was ready, in a row, after which the search gives up."""
_PATIENCE = 5.0
"""Seconds for a worker that closed its connection to exit by itself, with an exit code that tells why."""


class ProcessExecutor:
    """A pool of worker processes, started on demand and reused for further children. Use it as a context manager.

    Args:
        spec: how a worker makes its evaluator.
        workers: number of workers.
        environments: environment variables of the workers, in turn, such as the GPU that they see.
        children_per_worker: children after which a worker is replaced.
        memory: bytes that a worker may hold: a child that exceeds them is killed, and a worker that holds over half of
            them after a child is replaced. None: an equal part of the machine's.
        timeout: seconds a child may take.
    """

    def __init__(
        self,
        spec: EvaluatorSpec,
        workers: int = 1,
        *,
        environments: Sequence[Mapping[str, str]] = ({},),
        children_per_worker: int = 50,
        memory: int | None = None,
        timeout: float | None = None,
    ) -> None:
        self._selector = selectors.DefaultSelector()
        self._memory = memory_per_worker(workers) if memory is None else memory
        self._children_per_worker, self._timeout = children_per_worker, timeout
        self._slots = [_Slot(spec, environments[n % len(environments)], self._selector) for n in range(workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        for slot in self._slots:
            slot.stop()
        self._selector.close()

    @property
    def workers(self) -> tuple[int, int]:
        """Busy workers, and all workers."""
        return sum(slot.job is not None for slot in self._slots), len(self._slots)

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Yields the outcome of every job as they finish; takes a job only when a worker is free for it.

        Raises:
            UsageError, StorageError, RunError: workers cannot create their evaluator, or cannot store results.
        """
        jobs, looked = iter(jobs), 0.0
        try:
            while True:
                for slot in self._slots:
                    if slot.job is None and (job := next(jobs, None)) is not None:
                        slot.give(job)
                if not self.workers[0]:
                    return
                for key, _ in self._selector.select(_CHECK_INTERVAL):
                    yield from self._settled(key.data.hear(key.fileobj))
                if time.monotonic() - looked >= _CHECK_INTERVAL:
                    looked = time.monotonic()
                    for slot in self._slots:
                        yield from self._settled(self._overdue(slot))
        finally:
            for slot in self._slots:
                if slot.job is not None:  # the caller has left
                    slot.stop()

    def _settled(self, found: "tuple[_Slot, Outcome] | None") -> Iterator[Outcome]:
        if found is not None:
            slot, outcome = found
            full = slot.children >= self._children_per_worker or slot.resident() > self._memory / 2
            if full or outcome.state is TrialState.OOM:
                slot.stop()
            yield outcome

    def _overdue(self, slot: "_Slot") -> "tuple[_Slot, Outcome] | None":
        if slot.started is None:
            return None
        seconds = time.monotonic() - slot.started
        if self._timeout is not None and seconds > self._timeout:
            return slot.fail(TrialState.TIMEOUT, f"took longer than {self._timeout:g} s")
        resident = slot.resident()
        if resident > self._memory:
            met = f"held {resident / GIB:.3g} GiB; a worker may hold {self._memory / GIB:.3g}"
            return slot.fail(TrialState.OOM, met)
        return None


class _Slot:
    """A place for a worker: at most one process at a time, and its job.

    Attributes:
        job: None when it is idle.
        started: when the job began, seconds; None while there is none, or its worker is not ready.
    """

    def __init__(self, spec: EvaluatorSpec, environment: Mapping[str, str], selector: selectors.BaseSelector) -> None:
        self._spec, self._environment, self._selector = spec, environment, selector
        self._worker: WorkerProcess | None = None
        self._deaths = 0
        self.job: Job | None = None
        self.started: float | None = None

    @property
    def children(self) -> int:
        """Number of children that the present worker has evaluated."""
        return 0 if self._worker is None else self._worker.children

    def resident(self) -> int:
        """Memory of the present worker, bytes."""
        return 0 if self._worker is None else self._worker.resident()

    def give(self, job: Job) -> None:
        """Starts a job, in a new worker if there is none."""
        self.job = job
        if self._worker is None:
            self._worker = WorkerProcess(self._spec, self._environment)
            self._selector.register(self._worker.socket, selectors.EVENT_READ, self)
            self._selector.register(self._worker.output, selectors.EVENT_READ, self)
        elif self._worker.ready:
            self._begin()

    def hear(self, source: object) -> "tuple[_Slot, Outcome] | None":
        """Reads what the worker sent; returns the outcome when the job is done."""
        worker = self._worker
        if worker is None:  # it was stopped after the selector had returned it
            return None
        if source is worker.output:
            if not worker.listen():
                self._selector.unregister(worker.output)
            return None
        try:
            messages = worker.messages()
        except EOFError:
            return self._died()
        except ValueError:
            return self._garbled()
        for message in messages:
            error = error_from_json(message)
            if error is not None:
                raise error
            if "ready" not in message:
                return self._finish(message)
            self._deaths, worker.ready = 0, True
            self._begin()
        return None

    def fail(self, state: TrialState, error: str) -> "tuple[_Slot, Outcome]":
        """Kills the worker in mid-child; returns the failure."""
        worker, job = self._worker, self.job
        self.stop()
        assert worker is not None
        assert job is not None
        return self, Outcome(job, failures=(Failure(state, error, worker.log()),))

    def stop(self) -> None:
        """Ends the worker if there is one."""
        self._end(0.0)

    def _begin(self) -> None:
        assert self._worker is not None
        if self.job is not None:
            self.started = time.monotonic()
            self._worker.send(self.job)

    def _finish(self, message: dict[str, object]) -> "tuple[_Slot, Outcome]":
        assert self._worker is not None
        assert self.job is not None
        self._worker.listen()
        self._worker.children += 1
        try:
            outcome = outcome_from_json(self.job, message, self._worker.log())
        except (KeyError, TypeError, ValueError):
            return self._garbled()
        self.job = self.started = None
        return self, outcome

    def _garbled(self) -> "tuple[_Slot, Outcome]":
        return self.fail(TrialState.CRASHED, "wrote to the connection between its worker and the search")

    def _died(self) -> "tuple[_Slot, Outcome] | None":
        assert self._worker is not None
        worker, job, ready = self._worker, self.job, self._worker.ready
        code = self._end(_PATIENCE)
        if ready:
            return None if job is None else (self, Outcome(job, failures=(_death(code, worker.log()),)))
        self._deaths += 1
        if self._deaths >= _MAX_FAILED_STARTS:
            raise RunError(f"workers exit before they are ready: {_death(code, '').error}", worker.log())
        if job is not None:
            self.give(job)
        return None

    def _end(self, patience: float) -> int | None:
        """Ends the worker; returns its exit code, None if it did not end by itself."""
        self.job = self.started = None
        if self._worker is None:
            return 0
        worker, self._worker = self._worker, None
        for source in (worker.socket, worker.output):
            if source in self._selector.get_map():
                self._selector.unregister(source)
        return worker.end(patience)


def _death(code: int | None, log: str) -> Failure:
    """The failure of the child of a worker that exited."""
    if code is None:
        return Failure(TrialState.CRASHED, "closed the connection between its worker and the search", log)
    if code >= 0:
        return Failure(TrialState.CRASHED, f"ended its process with exit code {code}", log)
    name = signal.Signals(-code).name
    if code == -signal.SIGKILL:
        return Failure(TrialState.OOM, f"killed ({name}), as the kernel does when memory runs out", log)
    return Failure(TrialState.CRASHED, f"ended its process by {name}", log)
