"""What every executor promises: the same trials, whatever runs them and however many at a time."""

import sys
from pathlib import Path

import pytest
from hostile import DEEDS, make

from rl_nas.evaluation.rewards import quality
from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.ray_cluster import RayExecutor
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.execution.supervision import SupervisedExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.loops.ordered import search
from rl_nas.spaces.decisions import Decision, SearchSpace
from rl_nas.store.trials import TrialStore
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.trial import Trial

CHOSEN = ("good", "raise", "nan", "run out of memory", "invalid")
SPACE = SearchSpace(
    "toy", (Decision("deed", CHOSEN), *(Decision(f"d{i}", tuple(range(9))) for i in range(3))), dict, dict
)
assert DEEDS[: len(CHOSEN)] == CHOSEN  # a choice is the number of a deed
SPEC = EvaluatorSpec("hostile:make", {"seconds": 0.01})
EXECUTORS = {
    "inline": lambda: InlineExecutor(make()),
    **{f"{n} processes": (lambda n=n: ProcessExecutor(SPEC, n)) for n in (1, 2, 4)},
    "recycled processes": lambda: ProcessExecutor(SPEC, 2, children_per_worker=3),
    "ray": lambda: RayExecutor(SPEC, 2, environment={"PYTHONPATH": ":".join(filter(None, sys.path))}),
}


def trials(path: Path, name: str) -> list[tuple[object, ...]]:
    with EXECUTORS[name]() as executor, TrialStore(path) as store:
        supervised = SupervisedExecutor(executor, ExecutionSettings(max_consecutive_failures=100))
        strategy = AgingEvolution(SPACE, EvolutionSettings(population=10, sample=4), seed=2)
        search(strategy, supervised, store, reward=quality, trials=60, batch_size=8, seed=5)
        return [repeatable(trial) for trial in store.trials()]


def repeatable(trial: Trial) -> tuple[object, ...]:
    """All of a trial but what its children printed."""
    failures = [(failure.state, failure.error) for failure in trial.failures]
    return trial.index, trial.architecture, trial.state, trial.reward, trial.measurement, failures


LONG = ("ray", "1 processes", "4 processes", "recycled processes")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.long if n in LONG else ()) for n in EXECUTORS])
def test_the_same_trials_for_the_same_seed(tmp_path: Path, name: str) -> None:
    if name == "ray":
        pytest.importorskip("ray")
    expected = trials(tmp_path / "inline.sqlite", "inline")
    assert {state for _, _, state, *_ in expected} == {"ok", "crashed", "nan", "oom", "invalid"}
    assert trials(tmp_path / "t.sqlite", name) == expected
