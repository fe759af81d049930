"""Evaluators for the tests of executors: the first choice of an architecture says what its child does."""

import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from rl_nas.errors import StorageError, UsageError
from rl_nas.execution.attempt import Evaluator
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
        for descriptor in range(3, 64):
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


def hang() -> NoReturn:
    while True:
        signal.pause()


def refuse() -> Evaluator:
    """A factory that finds something wrong."""
    raise UsageError("there is no such data set")


def die() -> Evaluator:
    """A factory that ends its process."""
    print("dying of old age")
    os.abort()
