"""Evaluators for the tests of executors: the first choice of an architecture says what its child does."""

import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from rl_nas.errors import StorageError, UsageError
from rl_nas.execution.attempt import Evaluator
from rl_nas.execution.messages import answer, progress_to_json
from rl_nas.execution.progress import tell_progress
from rl_nas.trial import Job, Measurement

DEEDS = (
    "good",
    "raise",
    "nan",
    "run out of memory",
    "invalid",
    "eat memory",
    "hang",
    "abort",
    "exit",
    "print garbage",
    "write to all descriptors",
    "no space",
    "kill itself",
    "leave a process",
    "leak",
    "crash once",
    "storage",
    "fork and return",
    "answer for another",
    "answer twice",
    "say nothing for long",
    "send nested lists",
    "leave a daemon",
    "abort beside a daemon",
    "eat memory elsewhere",
    "kill the keeper",
    "tell its progress",
    "forge its progress",
)
MIB = 2**20
_leaked = []


def make(folder: str = "", seconds: float = 0.0) -> Evaluator:
    """An evaluator; `folder` is for what its children leave, `seconds` how long a good child takes."""

    def evaluate(job: Job) -> Measurement:
        deed = DEEDS[job.architecture[0]]
        do(deed, Path(folder), job)
        time.sleep(seconds)
        good = measurement(job)
        return replace(good, quality=math.nan, metrics=dict.fromkeys(good.metrics, math.nan)) if deed == "nan" else good

    return evaluate


def measurement(job: Job) -> Measurement:
    """What a good child has: a function of the job alone."""
    accuracy = (sum(job.architecture) * 7 + job.seed) % 1000 / 1000
    metrics = {"accuracy": accuracy, "loss": 1 - accuracy}
    return Measurement.of(metrics, parameters=10, madds=20, epochs=1, seconds=0.5)


def do(deed: str, folder: Path, job: Job) -> None:
    if deed == "raise":
        raise ValueError("this child raises\nin two lines")
    if deed == "eat memory":
        eaten = bytearray(b"x") * (400 * MIB)
        hang()
        del eaten
    elif deed == "hang":
        if folder != Path():
            (folder / f"{job.index}.begun").touch()
        hang()
    elif deed == "abort":
        print("about to abort")
        sys.stdout.flush()
        os.abort()
    elif deed == "exit":
        os._exit(7)
    elif deed == "print garbage":
        for _ in range(200):
            os.write(1, os.urandom(2**16))
    elif deed == "write to all descriptors":
        for descriptor in (int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2):
            try:
                os.write(descriptor, b"garbage\n\xff{]")
            except OSError:
                continue
    elif deed == "no space":
        Path("/dev/full").write_text("x" * 10000)
    elif deed == "kill itself":
        os.kill(os.getpid(), 9)
    elif deed == "leave a process":
        child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        (folder / f"{job.index}.pid").write_text(str(child.pid))
        os._exit(0)
    elif deed == "run out of memory":
        raise MemoryError("cannot allocate")
    elif deed == "leak":
        _leaked.append(bytearray(b"x") * (16 * MIB))
    elif deed == "crash once":
        mark = folder / f"{job.index}.crashed"
        if not mark.exists():
            mark.touch()
            os.abort()
    elif deed == "storage":
        raise StorageError("cannot write here: the disk is full")
    elif deed == "invalid":
        raise UsageError("cannot be built")
    else:
        misuse(deed, folder, job)


def misuse(deed: str, folder: Path, job: Job) -> None:
    """Deeds against the driver, and in further processes."""
    if deed == "fork and return":
        os.fork()
    elif deed == "answer for another":
        connection().sendall(b'{"index": 0, "nonce": "", "measurement": {"quality": 1.0}, "failures": []}\n')
    elif deed == "answer twice":
        forged = answer(request_at_work(), {"measurement": {"quality": 0.123}, "failures": []})
        connection().sendall(json.dumps(forged).encode() + b"\n")
    elif deed == "say nothing for long":
        for _ in range(9):
            connection().sendall(b"x" * MIB)
        hang()
    elif deed == "send nested lists":
        connection().sendall(b"[" * 100_000 + b"\n")
        hang()
    elif deed in ("leave a daemon", "abort beside a daemon"):
        daemon(folder / f"{job.index}.pid")
        if deed == "abort beside a daemon":
            os.abort()
    elif deed == "tell its progress":
        tell_progress(1, 3)
        while not (folder / f"{job.index}.heard").exists():
            time.sleep(0.01)
        tell_progress(3, 3)
    elif deed == "forge its progress":
        forged = answer(request_at_work(), progress_to_json(5, 3))
        connection().sendall(json.dumps(forged).encode() + b"\n")
        hang()
    elif deed == "kill the keeper":
        os.kill(os.getppid(), signal.SIGKILL)
        hang()
    elif deed == "eat memory elsewhere":
        subprocess.run([sys.executable, "-c", "import signal; x = bytearray(b'x') * 400 * 2**20; signal.pause()"])


def connection() -> socket.socket:
    """The connection of this worker with its driver."""
    return socket.socket(fileno=os.dup(int(sys.argv[1])))


def request_at_work() -> dict[str, Any]:
    """The request that this worker is at, nonce included."""
    frame = sys._getframe()
    while "request" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["request"]


_DAEMON = """
import os, signal, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open(sys.argv[1] + "~", "w") as file:
            file.write(str(os.getpid()))
        os.rename(sys.argv[1] + "~", sys.argv[1])
        signal.pause()
"""


def daemon(path: Path) -> None:
    """Starts a process that has another session, no parent, and nothing of its environment; writes its process id."""
    null = subprocess.DEVNULL
    subprocess.run([sys.executable, "-c", _DAEMON, path], env={}, stdout=null, stderr=null, check=True)
    while not path.exists():
        time.sleep(0.01)


def hang() -> NoReturn:
    while True:
        signal.pause()


def refuse() -> Evaluator:
    """A factory that finds something wrong."""
    raise UsageError("there is no such data set")


def hang_at_once() -> Evaluator:
    """A factory that never ends."""
    print("hanging")
    sys.stdout.flush()
    hang()


def eat_at_once() -> Evaluator:
    """A factory that takes all memory."""
    eaten = bytearray(b"x") * (400 * MIB)
    hang()
    return eaten


def die() -> Evaluator:
    """A factory that ends its process."""
    print("dying of old age")
    os.abort()
