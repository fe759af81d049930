"""What warm processes start is warm too: workers of searches, their trainings, and readers of exported models.

What a worker is to its driver stays: a keeper with a session of its own, its child, their pipes and their socket; and
a reader of models cannot import rl_nas. `tests/execution`, `tests/child` and `tests/test_kills.py` have those that
begin with Python itself.
"""

import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
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
        super().__init__("warm_workers", ["worker"], env, [theirs_in, theirs_out, theirs_out, *pass_fds])
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdin, self.stdout = os.fdopen(ours_in, "wb"), os.fdopen(ours_out, "rb", buffering=0)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)


def use() -> None:
    """Lets the workers, trainings and readers of this process be warm ones."""
    from rl_nas.child.export import verification
    from rl_nas.execution import worker_process
    from rl_nas.workflows import second_stage

    names = {name: getattr(subprocess, name) for name in ("PIPE", "STDOUT", "DEVNULL", "TimeoutExpired")}
    worker_process.subprocess = SimpleNamespace(**names, Popen=WarmKeeper)  # type: ignore[attr-defined]
    verification.subprocess = SimpleNamespace(**names, run=_read)  # type: ignore[attr-defined]
    second_stage.subprocess = SimpleNamespace(**names, call=_train)  # type: ignore[attr-defined]


def _read(command: Sequence[str], *, cwd: str, env: Mapping[str, str], **unused: object) -> Any:
    """Stands for the `subprocess.run` of `python -P reload.py WORDS...`."""
    script = next(number for number, word in enumerate(command) if word.endswith("reload.py"))
    with tempfile.TemporaryFile("w+") as printed, open(os.devnull) as nothing:
        words = ["reader", *command[script:]]
        with WarmProcess("warm_workers", words, env, [nothing, printed, printed], cwd=Path(cwd)) as process:
            code = process.wait()
        printed.seek(0)
        return subprocess.CompletedProcess(command, code, "", printed.read())


def _train(command: Sequence[str], *, env: Mapping[str, str], **unused: object) -> int:
    """Stands for the `subprocess.call` of `python_process.command("rl_nas", WORDS...)`."""
    words = ["training", *command[command.index("rl_nas") + 1 :]]
    with open(os.devnull, "r+") as nothing, WarmProcess("warm_workers", words, env, [nothing, nothing, 2]) as process:
        return process.wait()


def main(words: Sequence[str]) -> int:
    """A keeper that forks its worker (`worker SOCKET`), a training, or a reader (`reader SCRIPT WORDS...`)."""
    kind, first, *others = words
    if kind == "training":
        from rl_nas.__main__ import main as verb
        from rl_nas.execution import python_process

        python_process.die_with(os.getppid())
        return verb([first, *others])
    if kind == "reader":
        sys.argv = [first, *others]
        sys.path = [place for place in sys.path if place not in (str(Path(__file__).parent), os.getcwd(), "")]
        runpy.run_path(first, run_name="__main__")
        return 0
    from rl_nas.execution import keeper

    os.setsid()
    sys.path[:] = os.environ["PYTHONPATH"].split(os.pathsep)
    names = {"DEVNULL": subprocess.DEVNULL, "Popen": _forked}
    keeper.subprocess = SimpleNamespace(**names)  # type: ignore[attr-defined]
    keeper.main(os.getppid(), int(first), [first])
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


def _code(work: Callable[[], object]) -> int:
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
