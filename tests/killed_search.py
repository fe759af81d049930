"""A search without TensorFlow in a process of its own, to be killed: RUN_DIR TRIALS EXECUTOR [STATEMENT].

With STATEMENT, a number from 1, it ends, as by kill -9, before its store begins that statement of SQL. With 0 it stands
still before every statement: it writes a byte to its standard output, and waits for one on its standard input.
"""

import os
import sqlite3
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest import mock

from hostile import make

from rl_nas.evaluation.rewards import quality
from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.loops.ordered import search
from rl_nas.spaces.decisions import Decision, SearchSpace
from rl_nas.store.trials import TrialStore
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.settings import EvolutionSettings

SPACE = SearchSpace(
    "toy", (Decision("deed", ("good",)), *(Decision(f"d{i}", tuple(range(9))) for i in range(4))), dict, dict
)


def run(folder: Path, trials: int, executor: str) -> None:
    """The search, or the rest of it."""
    strategy = AgingEvolution(SPACE, EvolutionSettings(population=12, sample=4), seed=1)
    with TrialStore(folder / "trials.sqlite") as store:
        workers = ProcessExecutor(EvaluatorSpec("hostile:make", {"seconds": 0.01}), 2)
        with InlineExecutor(make()) if executor == "inline" else workers as children:
            search(strategy, children, store, reward=quality, trials=trials, batch_size=6, seed=3)


class Watched(sqlite3.Connection):
    """Tells of every statement before it begins, those that make the tables included."""

    def __init__(self, path: Path, *, before: Callable[[str], None]) -> None:
        super().__init__(path)
        self.set_trace_callback(before)


def ending(statement: int) -> Callable[[str], None]:
    """What ends this process before a statement."""
    count = 0

    def before(sql: str) -> None:
        nonlocal count
        count += 1
        if count == statement:
            os._exit(9)

    return before


def ask(sql: str) -> None:
    """Stands still until it may go on; ends when there is nobody left to ask."""
    os.write(1, b".")
    if not os.read(0, 1):
        os._exit(1)


if __name__ == "__main__":
    words = sys.argv[1:4]
    statement = int(sys.argv[4]) if len(sys.argv) > 4 else None
    if statement is None:
        run(Path(words[0]), int(words[1]), words[2])
    else:
        watched = partial(Watched, before=ending(statement) if statement else ask)
        with mock.patch("sqlite3.connect", watched):
            run(Path(words[0]), int(words[1]), words[2])
