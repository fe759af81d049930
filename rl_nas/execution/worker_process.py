"""The driver's side of a worker: a process, a socket, its last output."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psutil

from rl_nas.execution.messages import job_to_json
from rl_nas.trial import Job

_KEPT_BYTES = 2**16
_LOG_LINES = 40
_CHUNK = 2**16
_READS = 16


@dataclass(frozen=True)
class EvaluatorSpec:
    """Factory of a worker's evaluator; only names and JSON values are sent.

    Attributes:
        factory: `MODULE:FUNCTION`.
        arguments: of the function, JSON values.
    """

    factory: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class WorkerProcess:
    """One worker.

    Args:
        spec: its evaluator.
        environment: environment variables that differ from this process's.

    Attributes:
        ready: whether it has created its evaluator.
        children: number of children that it has evaluated.
    """

    def __init__(self, spec: EvaluatorSpec, environment: Mapping[str, str]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "rl_nas.execution.worker", str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
                start_new_session=True,  # Ctrl-C is for the driver alone; the group finds its children
            )
        assert self._process.stdout is not None
        self.socket, self.output = ours, self._process.stdout
        os.set_blocking(self.output.fileno(), False)
        ours.setblocking(False)
        self.ready, self.children = False, 0
        self._incoming = b""
        self._printed: deque[bytes] = deque()
        self._printed_size = 0
        self._send({"factory": spec.factory, "arguments": dict(spec.arguments)})

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def send(self, job: Job) -> None:
        """Sends a job to the worker, which must be idle and ready."""
        self._printed.clear()
        self._printed_size = 0
        self._send(job_to_json(job))

    def messages(self) -> list[dict[str, Any]]:
        """Messages that have arrived.

        Raises:
            EOFError: the worker has exited or closed the connection.
            ValueError: it sent something other than a message.
        """
        try:
            chunk = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return []
        except OSError as error:
            raise EOFError from error
        if not chunk:
            raise EOFError
        *lines, self._incoming = (self._incoming + chunk).split(b"\n")
        found = [json.loads(line) for line in lines]
        if not all(isinstance(message, dict) for message in found):
            raise ValueError("a message is a JSON object")
        return found

    def listen(self) -> bool:
        """Reads the output in the pipe; False when there will be no more."""
        for _ in range(_READS):  # bounded: the worker may print faster than this reads
            try:
                chunk = os.read(self.output.fileno(), _CHUNK)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            self._printed.append(chunk)
            self._printed_size += len(chunk)
            while self._printed_size - len(self._printed[0]) >= _KEPT_BYTES:
                self._printed_size -= len(self._printed.popleft())
        return True

    def log(self) -> str:
        """The last lines of output since the worker got its job."""
        text = b"".join(self._printed)[-_KEPT_BYTES:].decode(errors="replace")
        return "\n".join(line[:500] for line in text.splitlines()[-_LOG_LINES:])

    def resident(self) -> int:
        """Memory that the worker holds, bytes; 0 if it has exited."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def end(self, patience: float = 0.0) -> int | None:
        """Kills the worker and all that its children have started, and frees its resources here.

        Args:
            patience: seconds that it may take to exit by itself.

        Returns:
            Its exit code; None if it did not exit by itself.
        """
        try:
            code: int | None = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            code = None
        self._kill()
        self._process.wait()
        self.listen()
        self.socket.close()
        self.output.close()
        return code

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _send(self, document: Mapping[str, Any]) -> None:
        # The death of a worker is noticed when its answer is awaited.
        with contextlib.suppress(OSError):
            self.socket.setblocking(True)
            self.socket.sendall(json.dumps(document).encode() + b"\n")
            self.socket.setblocking(False)
