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

from rl_nas.admission import last_lines
from rl_nas.execution import keeper, python_process
from rl_nas.execution.messages import is_answer, request
from rl_nas.trial import Job

_KEPT_BYTES = 2**16
_CHUNK = 2**16
_READS = 16
_LONGEST_MESSAGE = 2**23
_ENDING = 60.0
"""Seconds for a keeper to end all that children have started."""


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
    """One worker, and its keeper, which ends with it.

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
            descriptor, module = str(theirs.fileno()), ["-m", "rl_nas.execution.worker"]
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", keeper.__file__, str(os.getpid()), descriptor),
                    *(sys.executable, "-P", *module, descriptor),
                ],
                stdin=subprocess.PIPE,  # its end tells the keeper of this process's
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                env=python_process.environment(environment),
                start_new_session=True,  # Ctrl-C is for the driver alone; the group finds its children
            )
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        self.socket, self.output = ours, self._process.stdout
        os.set_blocking(self.output.fileno(), False)
        ours.setblocking(False)
        self._alive = self._process.stdin
        self.ready, self.children = False, 0
        self._request: dict[str, Any] | None = None
        self._incoming = b""
        self._printed: deque[bytes] = deque()
        self._printed_size = 0
        self._send({"factory": spec.factory, "arguments": dict(spec.arguments)})

    @property
    def pid(self) -> int:
        """Process id of the keeper; the worker and all that it starts are its descendants."""
        return self._process.pid

    def send(self, job: Job) -> None:
        """Sends a job to the worker, which must be idle and ready."""
        self._printed.clear()
        self._printed_size = 0
        self._request = request(job)
        self._send(self._request)

    def answers(self, message: Mapping[str, Any]) -> bool:
        """Whether a message is an answer to the last job, of which there are none after the last one."""
        return is_answer(message, self._request)

    def answered(self) -> None:
        """Notes that the last answer to the last job has come."""
        self._request = None

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
        if len(self._incoming) > _LONGEST_MESSAGE:
            raise ValueError(f"a message is at most {_LONGEST_MESSAGE} bytes")
        try:
            found = [json.loads(line) for line in lines]
        except RecursionError as error:
            raise ValueError("a message of too many levels") from error
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
        return last_lines(b"".join(self._printed)[-_KEPT_BYTES:].decode(errors="replace"))

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
        if code is None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_ENDING)
        self._kill()
        self._process.wait()
        self.listen()
        for stream in (self.socket, self.output, self._alive):
            stream.close()
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
