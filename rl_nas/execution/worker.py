"""A worker: a process that evaluates one child after the other.

`ProcessExecutor` starts it:

    python -m rl_nas.execution.worker SOCKET PARENT

It speaks JSON lines over the inherited socket. The first line names the factory of its evaluator, every later one is a
job. Output of children goes to standard output, which the driver reads.
"""

import ctypes
import importlib
import json
import os
import queue
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.execution.attempt import Evaluator, attempt
from rl_nas.execution.messages import SEARCH_ERRORS, error_to_json, job_from_json, outcome_to_json
from rl_nas.trial import ChildError, Job, Measurement

_PR_SET_PDEATHSIG = 1


def main(descriptor: int, parent: int) -> None:
    """Serves the driver at the other end of the socket until it closes the socket or dies."""
    _die_with(parent)
    connection = socket.socket(fileno=descriptor)
    lines = connection.makefile("r", encoding="utf-8")

    def send(document: dict[str, Any]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(json.dumps(document).encode() + b"\n")

    start = json.loads(next(lines))
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines, jobs), daemon=True).start()
    try:
        evaluator = find_factory(start["factory"])(**start["arguments"])
        send({"ready": True})
        while True:
            send(outcome_to_json(attempt(_loud(evaluator), jobs.get())))
    except SEARCH_ERRORS as error:
        send(error_to_json(error))


def find_factory(name: str) -> Callable[..., Evaluator]:
    """The function of `module:name` that makes an evaluator.

    Raises:
        UsageError: there is none.
    """
    module, _, function = name.partition(":")
    try:
        found: Callable[..., Evaluator] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"no evaluator {name} ({error}); expected MODULE:FUNCTION that Python can import") from error
    return found


def _loud(evaluator: Evaluator) -> Evaluator:
    """Prints tracebacks of an evaluator to the log of the child; a `ChildError` needs only its message."""

    def evaluate(job: Job) -> Measurement:
        try:
            return evaluator(job)
        except ChildError:
            raise
        except Exception:
            traceback.print_exc()
            raise

    return evaluate


def _listen(lines: Iterable[str], jobs: "queue.SimpleQueue[Job]") -> None:
    for line in lines:
        jobs.put(job_from_json(json.loads(line)))
    os.killpg(0, signal.SIGKILL)  # with the processes that children have started


def _die_with(parent: int) -> None:
    """Kills this process when the driver ends, even if it hangs; on Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")  # so that out of memory kills the worker, not the driver
    if os.getppid() != parent:
        sys.exit("the driver is gone")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
