"""The search loop, without TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from rl_nas.errors import StorageError
from rl_nas.evaluation.rewards import accuracy
from rl_nas.execution.inline import InlineExecutor
from rl_nas.search import search
from rl_nas.spaces.decisions import Architecture, Decision, SearchSpace
from rl_nas.store.trials import TrialStore
from rl_nas.trial import Job, Measurement, Trial, TrialState

SPACE = SearchSpace("toy", tuple(Decision(f"d{i}", tuple(range(5))) for i in range(4)), decoder=dict, encoder=dict)


class Climber:
    """Proposes around the best so far: what it proposes depends on every reward it saw."""

    def __init__(self) -> None:
        self._rng, self._best, self.seen = np.random.default_rng(0), (0.0, (0, 0, 0, 0)), []

    def propose(self, n: int) -> list[Architecture]:
        return [tuple((c + int(self._rng.integers(2))) % 5 for c in self._best[1]) for _ in range(n)]

    def observe(self, trials: Sequence[Trial]) -> None:
        self.seen += trials
        self._best = max([self._best, *((t.reward, t.architecture) for t in trials if t.reward is not None)])

    def diagnostics(self) -> Mapping[str, float]:
        return {}


def evaluate(job: Job) -> Measurement:
    if sum(job.architecture) % 7 == 3:
        raise ValueError("cannot be built")
    return Measurement(sum(job.architecture) / 20 + job.seed % 100 / 1e4, 1.0, 1, 1, 1, 1.0)


def run(path: Path, trials: int, evaluator=evaluate) -> list[Trial]:
    with TrialStore(path) as store:
        executor = InlineExecutor(evaluator, lambda error: TrialState.INVALID)
        search(Climber(), executor, store, reward=accuracy, trials=trials, batch_size=4, seed=1)
        return store.trials()


def test_numbers_states_and_order(tmp_path: Path) -> None:
    trials = run(tmp_path / "t", 30)
    assert [trial.index for trial in trials] == list(range(30))
    assert {trial.state for trial in trials} == {TrialState.OK, TrialState.INVALID}
    assert all("cannot be built" in trial.error for trial in trials if trial.state is TrialState.INVALID)


@pytest.mark.parametrize("stop", range(0, 30, 3))
def test_a_broken_run_continues_as_the_unbroken_one(tmp_path: Path, stop: int) -> None:
    calls = []

    def interrupted(job: Job) -> Measurement:
        if job.index == stop:
            raise KeyboardInterrupt
        return evaluate(job)

    def counted(job: Job) -> Measurement:
        calls.append(job.index)
        return evaluate(job)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", 30, interrupted)
    assert run(tmp_path / "broken", 30, counted) == run(tmp_path / "unbroken", 30)
    assert calls == list(range(stop, 30))


def test_a_prolonged_run_is_the_longer_run(tmp_path: Path) -> None:
    run(tmp_path / "prolonged", 13)  # ends inside a batch
    assert run(tmp_path / "prolonged", 30) == run(tmp_path / "long", 30)


def test_storage_errors_end_the_search(tmp_path: Path) -> None:
    def full_disk(job: Job) -> Measurement:
        raise StorageError("disk full")

    with pytest.raises(StorageError):
        run(tmp_path / "t", 3, full_disk)
