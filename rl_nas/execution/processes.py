"""Runs children in worker processes: whatever a child does, it ends in an outcome, and the search goes on."""

import selectors
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Self

from rl_nas.errors import RunError, StorageError
from rl_nas.execution.gpu_sharing import GpuLoad
from rl_nas.execution.keeper import descendants
from rl_nas.execution.memory import memory_of, memory_per_worker, process_tree
from rl_nas.execution.messages import GARBLED, error_from_json, outcome_from_json, progress_from_json
from rl_nas.execution.settings import START_TIMEOUT
from rl_nas.execution.worker_process import EvaluatorSpec, WorkerProcess
from rl_nas.trial import ChildError, ChildProgress, Failure, Job, Outcome, TrialState
from rl_nas.units import GIB

_CHECK_INTERVAL = 0.25
"""Seconds between two checks of the memory and the age of children."""
_MAX_FAILED_STARTS = 3
"""Workers that end before they are ready, in a row, after which the search gives up."""
_PATIENCE = 5.0
"""Seconds for a worker that closed its connection to exit by itself, with an exit code that tells why."""


class ProcessExecutor:
    """A pool of worker processes, started on demand and reused for further children. Use it as a context manager.

    Args:
        spec: how a worker makes its evaluator.
        workers: number of workers.
        environments: environment variables of the workers, in turn, such as the GPU that they see.
        children_per_worker: children after which a worker is replaced.
        memory: bytes that a worker may hold with all that it starts: a child that exceeds them is killed, and a worker
            that holds over half of them after a child is replaced. None: an equal part of the machine's.
        timeout: seconds a child may take.
        start_timeout: seconds a worker may take to make its evaluator.
        load: of the GPUs, which tells how many of the workers get children; None: all do.
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
        start_timeout: float = START_TIMEOUT,
        load: GpuLoad | None = None,
    ) -> None:
        self._load = load
        self._selector = selectors.DefaultSelector()
        self._memory = memory_per_worker(workers) if memory is None else memory
        self._children_per_worker, self._timeout, self._start_timeout = children_per_worker, timeout, start_timeout
        self._slots = [_Slot(spec, environments[n % len(environments)], self._selector) for n in range(workers)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        for slot in self._slots:
            slot.stop()
        self._selector.close()

    @property
    def workers(self) -> tuple[int, int]:
        """Busy workers, and all workers that get children."""
        return sum(slot.job is not None for slot in self._slots), len(self._open)

    @property
    def _open(self) -> Sequence["_Slot"]:
        return self._slots if self._load is None else self._slots[: self._load.workers]

    @property
    def running(self) -> list[ChildProgress]:
        """How far the children are that are evaluated now."""
        return [slot.progress or ChildProgress(job.index) for slot in self._slots if (job := slot.job) is not None]

    @property
    def began(self) -> float | None:
        """When the first child began, by time.monotonic; None: none has, as no worker is ready."""
        return min((slot.began for slot in self._slots if slot.began is not None), default=None)

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        """Yields the outcome of every job as they finish; takes a job only when a worker is free for it.

        Raises:
            UsageError, StorageError, RunError: workers cannot create their evaluator, or cannot store results.
        """
        jobs, looked = iter(jobs), 0.0
        try:
            while True:
                for slot in self._open:
                    if slot.job is None and (job := next(jobs, None)) is not None:
                        slot.give(job)
                if not self.workers[0]:
                    return
                for key, _ in self._selector.select(_CHECK_INTERVAL):
                    yield from self._settled(key.data.hear(key.fileobj))
                if time.monotonic() - looked >= _CHECK_INTERVAL:
                    looked = time.monotonic()
                    if self._load is not None:
                        self._load.look(sum(slot.ready and slot.job is not None for slot in self._slots))
                    tree = process_tree()
                    for slot in self._slots:
                        yield from self._settled(self._overdue(slot, tree))
        finally:
            for slot in self._slots:
                if slot.job is not None:  # the caller has left
                    slot.stop()

    def _settled(self, found: "tuple[_Slot, Outcome] | None") -> Iterator[Outcome]:
        if found is not None:
            slot, outcome = found
            most = self._memory / 2
            full = slot.children >= self._children_per_worker or slot.memory(process_tree(), most) > most
            if full or outcome.state is TrialState.OOM:
                slot.stop()
            if self._load is not None:
                self._load.end()
            yield outcome

    def _overdue(self, slot: "_Slot", tree: Mapping[int, list[int]]) -> "tuple[_Slot, Outcome] | None":
        if slot.job is None:
            return None
        seconds, most = time.monotonic() - slot.since, self._timeout if slot.ready else self._start_timeout
        if most is not None and seconds > most:
            hint = "" if slot.ready else " to start; --worker_start_timeout allows more"
            return slot.fail(TrialState.TIMEOUT, f"took longer than {most:g} s{hint}")
        held = slot.memory(tree, self._memory)
        if held > self._memory:
            met = f"held {held / GIB:.3g} GiB; a worker may hold {self._memory / GIB:.3g}"
            return slot.fail(TrialState.OOM, met)
        return None


class _Slot:
    """A place for a worker: at most one process at a time, and its job.

    Attributes:
        job: None when it is idle.
        since: when the job began, or its worker if that is not ready yet, seconds.
        began: when the first job began.
        progress: what the job's child has told of itself.
    """

    def __init__(self, spec: EvaluatorSpec, environment: Mapping[str, str], selector: selectors.BaseSelector) -> None:
        self._spec, self._environment, self._selector = spec, environment, selector
        self._worker: WorkerProcess | None = None
        self._failed_starts = 0
        self.job: Job | None = None
        self.since = 0.0
        self.began: float | None = None
        self.progress: ChildProgress | None = None

    @property
    def children(self) -> int:
        """Number of children that the present worker has evaluated."""
        return 0 if self._worker is None else self._worker.children

    @property
    def ready(self) -> bool:
        """Whether there is a worker that has made its evaluator."""
        return self._worker is not None and self._worker.ready

    def memory(self, tree: Mapping[int, list[int]], enough: float) -> int:
        """Memory of the present worker and all that it has started, bytes; see `memory_of`."""
        return 0 if self._worker is None else memory_of(descendants(self._worker.pid, tree), enough)

    def give(self, job: Job) -> None:
        """Starts a job, in a new worker if there is none."""
        self.job, self.progress = job, None
        if self._worker is None:
            self.since = time.monotonic()
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
            return self.fail(TrialState.CRASHED, GARBLED)
        found = None
        for message in messages:
            if not worker.ready:
                self._started(message)
            elif worker.answers(message):
                found = self._answered(worker, message)
            elif found is None:
                return self.fail(TrialState.CRASHED, GARBLED)
            else:
                self.stop()  # the child has its outcome, but says more
        return found

    def fail(self, state: TrialState, error: str) -> "tuple[_Slot, Outcome] | None":
        """Kills the worker in mid-child; returns the failure. In mid-start, starts another one if it may."""
        worker, job = self._worker, self.job
        assert worker is not None
        self.stop()
        return self._lost(worker, job, Failure(state, error, worker.log()))

    def stop(self) -> None:
        """Ends the worker if there is one."""
        self._end(0.0)

    def _started(self, message: Mapping[str, object]) -> None:
        """Gives a worker that is ready its job; raises the error of one that cannot be."""
        assert self._worker is not None
        error = error_from_json(message)
        if error is not None:
            raise error
        self._failed_starts, self._worker.ready = 0, True
        self._begin()

    def _begin(self) -> None:
        assert self._worker is not None
        if self.job is not None:
            self.since = time.monotonic()
            self.began = self.began or self.since
            self._worker.send(self.job)

    def _answered(self, worker: WorkerProcess, message: Mapping[str, object]) -> "tuple[_Slot, Outcome] | None":
        """Notes the progress of the child, or returns its outcome."""
        assert self.job is not None
        try:
            progress = progress_from_json(self.job, message, self.progress)
        except ChildError as wrong:
            worker.answered()
            return self.fail(wrong.state, str(wrong))
        if progress is not None:
            self.progress = progress
            return None
        worker.answered()
        return self._finish(message)

    def _finish(self, message: Mapping[str, object]) -> "tuple[_Slot, Outcome] | None":
        assert self._worker is not None
        assert self.job is not None
        error = error_from_json(message)
        if isinstance(error, StorageError):
            raise error
        self._worker.listen()
        self._worker.children += 1
        try:
            outcome = outcome_from_json(self.job, message, self._worker.log())
        except ChildError as wrong:
            return self.fail(wrong.state, str(wrong))
        self.job = None
        return self, outcome

    def _died(self) -> "tuple[_Slot, Outcome] | None":
        assert self._worker is not None
        worker, job = self._worker, self.job
        code = self._end(_PATIENCE)
        return self._lost(worker, job, _death(code, worker.log()))

    def _lost(self, worker: WorkerProcess, job: Job | None, failure: Failure) -> "tuple[_Slot, Outcome] | None":
        if worker.ready:
            return None if job is None else (self, Outcome(job, failures=(failure,)))
        self._failed_starts += 1
        if self._failed_starts >= _MAX_FAILED_STARTS:
            raise RunError(f"workers end before they are ready: {failure.error}", failure.log)
        if job is not None:
            self.give(job)
        return None

    def _end(self, patience: float) -> int | None:
        """Ends the worker; returns its exit code, None if it did not end by itself."""
        self.job = None
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
