"""Verbs in real processes that begin with TensorFlow imported: forks of a process that has imported it and no more.

That takes longer than most of what the tests have the verbs do. A fork has its own memory, working folder, environment,
descriptors, signals and exit code. What is about the start of Python itself needs a process from nothing.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Self

PRELOADED = ("tensorflow", "keras", "tensorflow_datasets", "tensorboard.summary", "matplotlib.figure")
PR_SET_PDEATHSIG = 1
VERBS = ("rl_nas.__main__", "held")
"""Scripts whose processes can be warm."""
WORDS = [sys.executable, "-P", str(Path(__file__))]


class WarmProcess:
    """As far as the tests need it, a `subprocess.Popen`.

    Args:
        script: a module with a function `main` of the words; it returns the exit code.
        words: of the command line.
        environment: all its variables.
        files: its standard input, output and error; others are named to it by their numbers, as further words.
        cwd: where it works.
        file_size: bytes that a file of it may have.
        warm: whether what it starts itself is warm too (see warm_workers.py).
    """

    def __init__(
        self,
        script: str,
        words: Sequence[str],
        environment: Mapping[str, str],
        files: Sequence[IO[Any] | int],
        *,
        cwd: Path | None = None,
        file_size: int | None = None,
        warm: bool = True,
    ) -> None:
        asked = {
            "script": script,
            "words": list(words),
            "environment": dict(environment),
            "cwd": str(cwd or Path.cwd()),
            "file_size": file_size,
            # A limit holds for its processes too, but not for what the test needs; so they begin as usual.
            "warm": warm and file_size is None and script in VERBS,
        }
        status, told = os.pipe()
        self._status = os.fdopen(status, "rb", buffering=0)
        with tempfile.NamedTemporaryFile("w", suffix=".json") as request:
            json.dump(asked, request)
            request.flush()
            descriptors = [file if isinstance(file, int) else file.fileno() for file in files]
            socket.send_fds(_server()[0], [request.name.encode()], [*descriptors, told])
            os.close(told)
            self.pid = int(self._status.readline())
        self.returncode: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *unused: object) -> None:
        self.wait()
        self._status.close()

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self.wait()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(WORDS, timeout or 0.0)
            self.returncode = int(self._status.readline())
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes] | None]:
    """The process that forks, and the connection to it; it ends with this one."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [*WORDS, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.DEVNULL,
        )
    return ours, process


def fork_server() -> tuple[socket.socket, None]:
    """As `_server`, in a fork of this process, which should have done nothing yet."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) != theirs.fileno():
                with contextlib.suppress(OSError):
                    os.close(int(name))
        serve(theirs)
        os._exit(0)
    theirs.close()
    return ours, None


def serve(connection: socket.socket) -> None:
    """Forks for every request a process that waits for another, which does what is asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those that wait
    while True:
        request, descriptors, *_ = socket.recv_fds(connection, 4096, 8)
        if not request:
            return
        if os.fork():
            for descriptor in descriptors:
                os.close(descriptor)
            continue
        connection.close()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        *files, told = descriptors
        asked = json.loads(Path(request.decode()).read_bytes())
        pid = os.fork()
        if pid == 0:
            os.close(told)
            sys.exit(work(asked, files))
        for descriptor in files:
            os.close(descriptor)
        os.write(told, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)


def work(asked: Mapping[str, Any], files: Sequence[int]) -> int:
    """What happens in the process; returns its exit code."""
    own = fork_server() if asked["warm"] else None
    for target, descriptor in enumerate(files[:3]):
        os.dup2(descriptor, target)
        os.close(descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell ignores in the background
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup ignores
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["cwd"])
    if asked["file_size"] is not None:
        limit_file_size(asked["file_size"])
    if own is not None:
        _use(own)
    code: int = importlib.import_module(asked["script"]).main([*asked["words"], *map(str, files[3:])])
    return code


def _use(server: tuple[socket.socket, None]) -> None:
    """Lets this process have warm workers, of a server."""
    import warm_workers

    sys.modules["warm"]._server = lambda: server  # type: ignore[attr-defined]
    warm_workers.use()


def limit_file_size(size: int) -> None:
    """A disk that is full for every file at `size` bytes; Python ignores the signal and sees an error."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


if __name__ == "__main__":
    sys.path.insert(1, str(Path(__file__).parent))
    for name in PRELOADED:
        importlib.import_module(name)
    serve(socket.socket(fileno=int(sys.argv[1])))
