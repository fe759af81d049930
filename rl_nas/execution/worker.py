"""A worker: a process that evaluates one child after the other.

`ProcessExecutor` starts it:

    python -m rl_nas.execution.worker SOCKET PARENT

It speaks JSON lines over the inherited socket. The first line names the factory of its evaluator, every later one is a
request (`rl_nas.execution.messages`). Output of children goes to standard output, which the driver reads. Its parent,
the keeper, ends what children leave.
"""

import importlib
import json
import os
import queue
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from rl_nas.errors import StorageError, UsageError
from rl_nas.execution.attempt import Evaluator, attempt
from rl_nas.execution.messages import (
    SEARCH_ERRORS,
    answer,
    error_to_json,
    job_from_json,
    outcome_to_json,
    progress_to_json,
)
from rl_nas.execution.progress import listening
from rl_nas.execution.python_process import die_with
from rl_nas.trial import ChildError, Job, Measurement


def main(descriptor: int, parent: int) -> None:
    """Serves the driver at the other end of the socket until it closes the socket or dies."""
    die_with(parent)
    connection = socket.socket(fileno=descriptor)
    lines = connection.makefile("r", encoding="utf-8")

    def send(document: dict[str, Any]) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(json.dumps(document).encode() + b"\n")

    def tell(request: dict[str, Any], done: int, total: int) -> None:
        if os.getpid() == process:  # not by what a child has forked
            send(answer(request, progress_to_json(done, total)))

    process = os.getpid()
    start = json.loads(next(lines))
    requests: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines, requests), daemon=True).start()
    try:
        evaluator = find_factory(start["factory"])(**start["arguments"])
    except SEARCH_ERRORS as error:
        return send(error_to_json(error))
    send({"ready": True})
    while True:
        request = requests.get()
        with listening(partial(tell, request)):
            content = _evaluate(evaluator, job_from_json(request["job"]))
        if os.getpid() != process:  # a child has forked, and both processes return
            os._exit(0)
        send(answer(request, content))


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


def _evaluate(evaluator: Evaluator, job: Job) -> dict[str, Any]:
    try:
        return outcome_to_json(attempt(_loud(evaluator), job))
    except StorageError as error:
        return error_to_json(error)


def _loud(evaluator: Evaluator) -> Evaluator:
    """Prints tracebacks of an evaluator to the log of the child; a `ChildError` needs only its message."""

    def evaluate(job: Job) -> Measurement | float:
        try:
            return evaluator(job)
        except ChildError:
            raise
        except Exception:
            traceback.print_exc()
            raise

    return evaluate


def _listen(lines: Iterable[str], requests: "queue.SimpleQueue[dict[str, Any]]") -> None:
    for line in lines:
        requests.put(json.loads(line))
    os._exit(1)  # the driver is gone; the keeper ends the processes that children have started


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
