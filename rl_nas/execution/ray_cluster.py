"""Runs children on the machines of a Ray cluster: one worker process in each actor, as many as fit."""

import logging
import os
import re
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

from rl_nas.admission import admit_failure, failure_of, one_line
from rl_nas.errors import RunError, UsageError, first_line
from rl_nas.execution import python_process
from rl_nas.execution.memory import memory_per_worker
from rl_nas.execution.messages import (
    GARBLED,
    SEARCH_ERRORS,
    answer,
    error_from_json,
    error_to_json,
    is_answer,
    job_from_json,
    outcome_from_json,
    outcome_to_json,
    request,
)
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.extras import install_command
from rl_nas.trial import ChildError, ChildProgress, Job, Outcome, TrialState

_WAIT = 0.5
"""Most seconds of waiting for finished children between two checks of the cluster."""
_GROW = 2.0
"""Seconds between two checks for more room."""
_ANSWER = 10.0
"""Seconds within which a cluster must answer."""
_JOINS = 3
"""Attempts to join a cluster as a client."""
_LOOPBACK = "127.0.0.1"
_LOCAL = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
"""Environment in which Ray, when it is imported, decides that its services listen on `_LOOPBACK` alone, as on systems
where it has no clusters, and answer only those who know the token."""
_KEPT = "RAY_ENABLE_UV_RUN_RUNTIME_ENV"
"""Variable by which Ray, when it is imported, decides whether under `uv run` it sends the working folder to workers."""
_PATIENCE = 120.0
"""Seconds without room for a single child, after which the search gives up."""
_START = 900.0
"""Seconds without a worker while some are being started, which may copy an environment first."""


class RayExecutor:
    """Actors on a Ray cluster, each with one worker process. Use it as a context manager.

    Jobs are sent there and outcomes back, as JSON; rl_nas and the data are already there. When a machine is lost its
    children end as interrupted, and its actors are created again wherever there is room, as are new ones when machines
    join.

    Args:
        spec: how a worker makes its evaluator.
        workers: most workers; None: as many as there is room for.
        address: of a running cluster, `auto` for the one that this machine belongs to; None: one on this machine.
        cpus: cores of a worker.
        gpus: of a worker; may be a fraction.
        environment: environment variables of the workers.
        options: of the `ProcessExecutor` in each actor.

    Raises:
        UsageError: Ray is not installed, or there is no such cluster.
    """

    def __init__(
        self,
        spec: EvaluatorSpec,
        workers: int | None = None,
        *,
        address: str | None = None,
        cpus: int = 1,
        gpus: float = 0.0,
        environment: Mapping[str, str] = {},
        options: Mapping[str, Any] = {},
    ) -> None:
        self._ray = _connected(address)
        self._most, self._needs = workers, {"CPU": float(cpus), "GPU": gpus}
        self._make = self._ray.remote(_Host).options(num_cpus=cpus, num_gpus=gpus, max_restarts=0).remote
        self._arguments = (spec.factory, dict(spec.arguments), dict(environment), dict(options), cpus)
        self._starting: dict[Any, Any] = {}
        self._idle: list[Any] = []
        self._working: dict[Any, tuple[Any, Job, Mapping[str, Any]]] = {}
        self._looked, self._lonely = -_GROW, time.monotonic()
        self._began: float | None = None
        self._refusal = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        for actor in [*self._starting.values(), *self._idle, *(actor for actor, *_ in self._working.values())]:
            self._ray.kill(actor)
        self._ray.shutdown()

    @property
    def workers(self) -> tuple[int, int]:
        """Busy workers, and all workers that are ready."""
        return len(self._working), len(self._working) + len(self._idle)

    @property
    def running(self) -> list[ChildProgress]:
        """The children that are evaluated now; they tell nothing of themselves."""
        return [ChildProgress(job.index) for _, job, _ in list(self._working.values())]

    @property
    def began(self) -> float | None:
        """When the first child was sent to a worker, by time.monotonic; None: none was."""
        return self._began

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        """Yields the outcome of every job as they finish; takes a job only when a worker is free for it.

        Raises:
            UsageError, StorageError, RunError: workers cannot create their evaluator, or cannot store results.
        """
        jobs = iter(jobs)
        try:
            while True:
                self._grow()
                while self._idle and (job := next(jobs, None)) is not None:
                    actor = self._idle.pop()
                    asked = request(job)
                    self._began = self._began or time.monotonic()
                    self._working[actor.run.remote(asked)] = actor, job, asked
                if self._idle and not self._working:
                    return
                if answers := [*self._working, *self._starting]:
                    done, _ = self._ray.wait(answers, timeout=_WAIT)
                    for answer in done:
                        if answer in self._starting:
                            self._ready(answer)
                        else:
                            yield self._outcome(answer)
                else:
                    time.sleep(_WAIT)
        finally:
            for actor, *_ in self._working.values():  # the caller has left
                self._ray.kill(actor)
            self._working.clear()

    def _ready(self, reference: Any) -> None:
        """Gives jobs to an actor from now on: before, its machine may be one that was lost, and wait for another."""
        actor = self._starting.pop(reference)
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._refusal = one_line((str(error).strip().splitlines() or [type(error).__name__])[-1])  # the cause
            return
        self._idle.append(actor)

    def _outcome(self, reference: Any) -> Outcome:
        actor, job, asked = self._working.pop(reference)
        try:
            document = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._ray.kill(actor)  # it may be alive: what it ran has failed
            self._looked = -_GROW
            met = f"its machine or its actor was lost ({type(error).__name__}: {first_line(error)})"
            return Outcome(job, failures=(admit_failure(TrialState.INTERRUPTED, met),))
        try:
            if not isinstance(document, dict) or not is_answer(document, asked):
                raise ChildError(TrialState.CRASHED, GARBLED)
            wrong = error_from_json(document)
            if wrong is None:
                outcome = outcome_from_json(job, document)
        except ChildError as error:
            self._ray.kill(actor)
            return Outcome(job, failures=(failure_of(error),))
        self._idle.append(actor)
        if wrong is not None:
            raise wrong
        return outcome

    def _grow(self) -> None:
        """Creates actors where there is room for them."""
        now, count = time.monotonic(), len(self._idle) + len(self._working)
        starting = len(self._starting)
        if count:
            self._lonely = now
        elif now - self._lonely > (_START if starting else _PATIENCE):
            raise RunError(self._why_none())
        if now - self._looked < _GROW or count + starting == self._most:
            return
        self._looked = now
        free = self._ray.available_resources()
        room = min(int(free.get(name, 0.0) / amount) for name, amount in self._needs.items() if amount)
        wanted = room - starting  # which may not hold their share of the room yet
        if self._most is not None:
            wanted = min(wanted, self._most - count - starting)
        for _ in range(wanted):
            actor = self._make(*self._arguments)
            self._starting[actor.ready.remote()] = actor

    def _why_none(self) -> str:
        """Why there is no worker."""
        if self._starting:
            return (
                f"the Ray cluster has room for a child, but its workers did not start in {_START:.0f} s: their machines"
                " are slow, or lost; `ray status` shows them"
            )
        if self._refusal:
            return f"the Ray cluster cannot start a worker: {self._refusal}"
        needs = ", ".join(f"{amount:g} {name}" for name, amount in self._needs.items() if amount)
        return f"no machine of the Ray cluster has {needs} free for a child for {_PATIENCE:.0f} s"


class _Host:
    """The actor: a pool of one worker process, so that no child can kill the actor."""

    def __init__(
        self,
        factory: str,
        arguments: dict[str, Any],
        environment: dict[str, str],
        options: dict[str, Any],
        cpus: int,
    ) -> None:
        if options.get("memory") is None:
            options = {**options, "memory": memory_per_worker(max(1, (os.cpu_count() or 1) // cpus))}
        self._pool = ProcessExecutor(EvaluatorSpec(factory, arguments), 1, environments=[environment], **options)

    def ready(self) -> None:
        """Answers as soon as the actor has a machine."""

    def run(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Evaluates a request; answers as a worker does."""
        try:
            (outcome,) = self._pool.run([job_from_json(asked["job"])])
        except SEARCH_ERRORS as error:
            return answer(asked, error_to_json(error))
        return answer(asked, outcome_to_json(outcome))


def _connected(address: str | None) -> Any:
    where: dict[str, Any] = {"address": address}
    if address is None:
        where = {"address": "local", "include_dashboard": False, "_node_ip_address": _LOOPBACK}
        if "ray" not in sys.modules:  # it has decided otherwise when it was imported, and its parts have to agree
            os.environ.update(_LOCAL)
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # of this process and those that it starts
        os.environ["PYTHONPATH"] = python_process.environment()["PYTHONPATH"]
    os.environ.setdefault(_KEPT, "0")
    try:
        import ray
    except ImportError as error:
        raise UsageError(f"--executor=ray needs Ray: {install_command('ray')}") from error
    try:
        if address is not None and ":" in address:
            # Ray itself tries for minutes, and then ends the process.
            host, _, port = address.removeprefix("ray://").rpartition(":")
            socket.create_connection((host, int(port)), timeout=_ANSWER).close()
        if address is None or not address.startswith("ray://"):
            job = ray.job_config.JobConfig()
            # As if there were a folder of the job: Ray lets workers import from the working folder first. Clients,
            # by ray://, send neither its name nor its files.
            vars(job)["_runtime_env_has_working_dir"] = lambda: True
            where["job_config"] = job
        with _kept_signals():
            _join(ray, where)
    except (OSError, ValueError, RuntimeError) as error:
        raise UsageError(f"--ray_address={address}: no Ray cluster there ({_cause(error)})") from error
    return ray


def _join(ray: Any, where: Mapping[str, Any]) -> None:
    """Joins a cluster; again if the process that it starts for a client ends at once, as on a machine under load."""
    for left in reversed(range(_JOINS)):
        try:
            ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
            return
        except ConnectionAbortedError:
            if not left:
                raise


def _cause(error: Exception) -> str:
    """The last error of a traceback that another machine has sent, the first line of other messages."""
    named = [line for line in str(error).splitlines() if re.match(r"\w*Error: ", line)]
    return named[-1] if named else first_line(error)


@contextmanager
def _kept_signals() -> Iterator[None]:
    """Keeps the handlers of signals, which Ray replaces by its own."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler or signal.SIG_DFL)
