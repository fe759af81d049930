"""A search without TensorFlow in a process of its own, to be killed: RUN_DIR TRIALS EXECUTOR [STATEMENT].

With STATEMENT it ends, as by kill -9, before its store begins that statement of SQL.
"""

import os
import sys
from pathlib import Path

from hostile import make

from rl_nas.evaluation.rewards import quality
from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.loops.synchronous import search
from rl_nas.spaces.decisions import Decision, SearchSpace
from rl_nas.store.trials import TrialStore
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.settings import EvolutionSettings

SPACE = SearchSpace(
    "toy", (Decision("deed", ("good",)), *(Decision(f"d{i}", tuple(range(9))) for i in range(4))), dict, dict
)


def run(folder: Path, trials: int, executor: str, statement: int | None = None) -> None:
    """The search, or the rest of it."""
    strategy = AgingEvolution(SPACE, EvolutionSettings(population=12, sample=4), seed=1)
    with TrialStore(folder / "trials.sqlite") as store:
        if statement is not None:
            count = 0

            def die(sql: str) -> None:
                nonlocal count
                count += 1
                if count == statement:
                    os._exit(9)

            store._connection.set_trace_callback(die)
        workers = ProcessExecutor(EvaluatorSpec("hostile:make", {"seconds": 0.05}), 2)
        with InlineExecutor(make()) if executor == "inline" else workers as children:
            search(strategy, children, store, reward=quality, trials=trials, batch_size=6, seed=3)


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], *map(int, sys.argv[4:]))
