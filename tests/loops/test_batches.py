"""Several batches in flight: whatever ends first, the same seed gives the same trials."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from random_order import RandomOrder

from rl_nas.early_stopping.executor import EarlyStoppingExecutor
from rl_nas.early_stopping.rules import CurveRule
from rl_nas.evaluation.rewards import quality
from rl_nas.execution import Executor
from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.execution.supervision import SupervisedExecutor
from rl_nas.loops.ordered import search
from rl_nas.spaces.decisions import Architecture, Decision, SearchSpace
from rl_nas.store.trials import TrialStore
from rl_nas.strategies import Strategy
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.gaussian_process import GaussianProcessSearch
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.trial import ChildError, Job, Measurement, Trial, TrialState

SPACE = SearchSpace("toy", tuple(Decision(f"d{i}", tuple(range(4))) for i in range(4)), decoder=dict, encoder=dict)
SIZE, FLYING = 4, 3


class Choices(dict[str, int]):
    """A genotype."""

    def canonical_key(self) -> str:
        return str(sorted(self.items()))


def evaluate(job: Job) -> Measurement:
    if sum(job.architecture) == 7:
        raise ChildError("diverged", TrialState.NAN)
    return Measurement(float(np.mean([choice == i % 4 for i, choice in enumerate(job.architecture)])))


def evolution() -> AgingEvolution:
    return AgingEvolution(SPACE, EvolutionSettings(population=15, sample=5), seed=4)


class Forgetful:
    """A strategy without a state: a run is continued by repeating all of its proposals."""

    def __init__(self) -> None:
        self._strategy = evolution()
        self.propose, self.observe, self.diagnostics = (
            getattr(self._strategy, name) for name in ("propose", "observe", "diagnostics")
        )


def run(path: Path, strategy: Strategy, executor: Executor, trials: int = 40, flying: int = FLYING) -> list[Trial]:
    with TrialStore(path) as store:
        settings = {"reward": quality, "trials": trials, "batch_size": SIZE, "seed": 1, "key": str}
        search(strategy, executor, store, batches_in_flight=flying, **settings)
        return store.trials()


def workers(count: int, seed: int = 0, breaks_after: int | None = None) -> RandomOrder:
    return RandomOrder(evaluate, count, seed, breaks_after)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[Trial]:
    return run(tmp_path_factory.mktemp("one") / "t", evolution(), InlineExecutor(evaluate))


@pytest.mark.parametrize("count", [1, 2, 5, SIZE * FLYING, 100])
def test_any_number_of_workers_gives_the_same_trials(tmp_path: Path, expected: list[Trial], count: int) -> None:
    for seed in range(2):
        assert run(tmp_path / f"{seed}", evolution(), workers(count, seed)) == expected


@pytest.mark.parametrize("make", [evolution, Forgetful])
@pytest.mark.parametrize("after", range(0, 40, 5))
def test_a_broken_run_continues_as_the_unbroken_one(
    tmp_path: Path, expected: list[Trial], after: int, make: type[Strategy]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "t", make(), workers(5, after, breaks_after=after))
    again = workers(7, after + 1)
    kept = TrialStore(tmp_path / "t")
    with kept as store:
        recorded = {trial.index for trial in store.trials()}
    assert run(tmp_path / "t", make(), again) == expected
    assert {job.index for job in again.started} == set(range(40)) - recorded  # nothing is evaluated twice


@pytest.mark.parametrize("trials", [1, 4, 5, 11, 12, 13, 30])
def test_a_prolonged_run_is_the_longer_run(tmp_path: Path, expected: list[Trial], trials: int) -> None:
    assert run(tmp_path / "t", evolution(), workers(3), trials) == expected[:trials]
    assert run(tmp_path / "t", evolution(), workers(6)) == expected


@pytest.mark.parametrize("flying", [1, 2, 5])
def test_a_batch_knows_those_that_are_so_much_earlier_and_no_others(tmp_path: Path, flying: int) -> None:
    class Noting:
        """Proposes every architecture once; notes what it knows when it is asked."""

        def __init__(self) -> None:
            self.known, self.seen, self.count = list[list[int]](), list[int](), 0

        def propose(self, n: int) -> list[Architecture]:
            self.known.append(list(self.seen))
            self.count += n
            return [tuple(map(int, np.unravel_index(i, [4] * 4))) for i in range(self.count - n, self.count)]

        def observe(self, trials: Sequence[Trial]) -> None:
            self.seen += [trial.index for trial in trials]

        def diagnostics(self) -> dict[str, float]:
            return {}

    noting = Noting()
    run(tmp_path / "t", noting, workers(9, 2), flying=flying)
    assert noting.known == [list(range(SIZE * max(0, batch - flying + 1))) for batch in range(10)]


def test_workers_wait_only_for_a_batch_that_is_so_much_earlier(tmp_path: Path) -> None:
    """Of so many workers as batches in flight allow, one child that never ends keeps back those that wait for it."""

    class Stuck(RandomOrder):
        """The first child ends when no other does."""

        def run(self, jobs: Iterator[Job | None]) -> Iterator:
            first, *others = islice(jobs, 3)
            left = iter(jobs)
            while others:
                yield from InlineExecutor(evaluate).run([others.pop(0)])
                if (job := next(left, None)) is not None:
                    others.append(job)
                    self.started.append(job)
            self.started.append(first)
            yield from InlineExecutor(evaluate).run([first])
            yield from InlineExecutor(evaluate).run(left)

    stuck = Stuck(evaluate, 3)
    run(tmp_path / "t", evolution(), stuck)
    numbers = [job.index for job in stuck.started]
    assert numbers[: numbers.index(0)] == list(range(3, SIZE * FLYING))


def test_children_are_repeated_while_others_wait(tmp_path: Path, expected: list[Trial]) -> None:
    failed = set[int]()

    def fails_once(job: Job) -> Measurement:
        if job.index % 3 == 0 and job.index not in failed:
            failed.add(job.index)
            raise ChildError("lost", TrialState.INTERRUPTED)
        return evaluate(job)

    executor = EarlyStoppingExecutor(RandomOrder(fails_once, 5), CurveRule(lambda curves: ()), lag=SIZE * FLYING)
    found = run(tmp_path / "t", evolution(), SupervisedExecutor(executor, ExecutionSettings(max_attempts=2)))
    assert [trial.architecture for trial in found] == [trial.architecture for trial in expected]
    assert [trial.reward for trial in found] == [trial.reward for trial in expected]


def test_a_model_considers_what_is_in_flight(tmp_path: Path) -> None:
    """No network is proposed again while its child is at work, and a broken run continues as the unbroken one."""

    def strategy() -> GaussianProcessSearch:
        return GaussianProcessSearch(SearchSpace("toy", SPACE.decisions, Choices, dict), seed=0)

    found = run(tmp_path / "t", strategy(), workers(6))
    assert len({trial.architecture for trial in found}) == len(found)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", strategy(), workers(6, breaks_after=25))
    assert run(tmp_path / "broken", strategy(), InlineExecutor(evaluate)) == found
