"""Workers of searches in warm processes: forks, too, of a process that has imported TensorFlow.

What a worker is to its driver stays: a keeper with a session of its own, its child, their pipes and their socket.
`tests/execution` and `tests/test_kills.py` have workers that begin with Python itself.
"""

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from warm import WarmProcess


class WarmKeeper(WarmProcess):
    """Stands for the `subprocess.Popen` of a keeper and its worker, as `WorkerProcess` uses it."""

    def __init__(
        self, command: Sequence[str], *, pass_fds: Sequence[int], env: Mapping[str, str], **unused: object
    ) -> None:
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        super().__init__("warm_workers", [], env, [theirs_in, theirs_out, theirs_out, *pass_fds])
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdin, self.stdout = os.fdopen(ours_in, "wb"), os.fdopen(ours_out, "rb", buffering=0)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def use() -> None:
    """Lets the workers of this process be warm ones."""
    from rl_nas.execution import worker_process

    names = {name: getattr(subprocess, name) for name in ("PIPE", "STDOUT", "TimeoutExpired")}
    worker_process.subprocess = SimpleNamespace(**names, Popen=WarmKeeper)  # type: ignore[attr-defined]


def main(words: Sequence[str]) -> int:
    """A keeper that forks its worker; the word is the worker's socket."""
    from rl_nas.execution import keeper

    os.setsid()
    sys.path[:] = os.environ["PYTHONPATH"].split(os.pathsep)
    names = {"DEVNULL": subprocess.DEVNULL, "Popen": _forked}
    keeper.subprocess = SimpleNamespace(**names)  # type: ignore[attr-defined]
    keeper.main(os.getppid(), int(words[0]), [words[0]])
    return 0


def _forked(words: Sequence[str], **unused: object) -> Any:
    from rl_nas.execution import worker

    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os._exit(_code(lambda: worker.main(*map(int, words))))
    return SimpleNamespace(pid=pid)


def _code(work: Callable[[], None]) -> int:
    """The exit code of a process that does this work."""
    code = 0
    try:
        work()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code
