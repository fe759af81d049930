"""The search loop, without TensorFlow."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from classifying import measured

from rl_nas.errors import StorageError, UsageError
from rl_nas.evaluation.rewards import quality
from rl_nas.execution.attempt import attempt
from rl_nas.execution.inline import InlineExecutor
from rl_nas.loops.ordered import search
from rl_nas.loops.stopping import Gate
from rl_nas.loops.updates import Watcher
from rl_nas.spaces.decisions import Architecture, Decision, SearchSpace
from rl_nas.store.trials import TrialStore
from rl_nas.strategies.health import HealthSettings
from rl_nas.trial import Job, Measurement, Outcome, Trial, TrialState

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
        raise UsageError("cannot be built")
    return measured(sum(job.architecture) / 20 + job.seed % 100 / 1e4)


def run(path: Path, trials: int, evaluator=evaluate) -> list[Trial]:
    with TrialStore(path) as store:
        executor = InlineExecutor(evaluator)
        search(Climber(), executor, store, reward=quality, trials=trials, batch_size=4, seed=1)
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


@pytest.mark.filterwarnings("ignore:.*none succeeded")
@pytest.mark.parametrize("ended", [0, 1, 4, 6, 13])
def test_a_stopped_run_begins_no_child_and_goes_on_as_the_unbroken_one(tmp_path: Path, ended: int) -> None:
    """However often it is stopped, at a boundary of batches or within one."""
    for limit in (ended, ended, ended + 5, 30):
        with TrialStore(tmp_path / "stopped") as store:
            executor, settings = InlineExecutor(evaluate), {"reward": quality, "batch_size": 4, "seed": 1}
            search(Climber(), executor, store, trials=30, stop=lambda: len(store) >= limit, **settings)  # noqa: B023
            assert len(store) == limit
    with TrialStore(tmp_path / "stopped") as store:
        assert store.trials() == run(tmp_path / "unbroken", 30)


class Twos:
    """Two workers: takes two jobs before the first ends, and another one with each that ends."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        jobs = iter(jobs)
        flying = list(itertools.islice(jobs, 2))
        while flying:
            yield attempt(evaluate, flying.pop())
            flying += itertools.islice(jobs, 1)


def test_children_that_run_when_a_search_is_stopped_are_recorded(tmp_path: Path) -> None:
    with TrialStore(tmp_path / "t") as store:
        settings = {"reward": quality, "trials": 30, "batch_size": 4, "seed": 1}
        search(Climber(), Twos(), store, stop=lambda: len(store) >= 2, **settings)
        assert [trial.index for trial in store.trials()] == [0, 1, 2]


def test_whether_to_stop_is_not_asked_between_jobs_that_are_taken_together() -> None:
    """A batch of which only a part began would be halved otherwise than the whole one."""
    answers = iter([False, True])
    gate = Gate(lambda: next(answers))
    jobs = [Job(index, (index,), index) for index in range(3)]
    let_in = gate.let_in(jobs)
    assert list(itertools.islice(let_in, 2)) == jobs[:2]
    gate.ask()
    assert list(let_in) == []


class Repeater(Climber):
    """Draws from few architectures; counts what it was asked to recover."""

    def __init__(self, kinds: int = 3) -> None:
        super().__init__()
        self._kinds, self.tempered, self.restarted = kinds, 0, 0

    def propose(self, n: int) -> list[Architecture]:
        kinds = 5 if self.restarted else self._kinds
        return [(*map(int, self._rng.integers(kinds, size=2)), 0, 0) for _ in range(n)]

    def temper(self) -> None:
        self.tempered += 1

    def restart(self) -> None:
        self.restarted += 1


class Notes(Watcher):
    def __init__(self) -> None:
        self.trials: list[Trial] = []
        self.updates: list[tuple[int, dict[str, float]]] = []
        self.collapses: list[str] = []

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        self.trials.append(trial)

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        self.updates.append((number, dict(figures)))

    def collapse(self, message: str) -> None:
        self.collapses.append(message)


def repeat(
    path: Path, strategy: Repeater, trials: int, health: HealthSettings = HealthSettings(), evaluator=evaluate
) -> tuple[list[Trial], Notes]:
    notes = Notes()
    with TrialStore(path) as store:
        executor = InlineExecutor(evaluator)
        search(
            strategy,
            executor,
            store,
            reward=quality,
            trials=trials,
            batch_size=4,
            seed=1,
            key=lambda a: str(sorted(a)),
            health=health,
            watcher=notes,
        )
        return store.trials(), notes


def test_a_known_network_is_not_evaluated_again_and_costs_nothing(tmp_path: Path) -> None:
    calls = []

    def counted(job: Job) -> Measurement:
        calls.append(job.architecture)
        return evaluate(job)

    strategy = Repeater()
    trials, notes = repeat(tmp_path / "t", strategy, 6, evaluator=counted)  # there are just six networks
    assert [trial.index for trial in trials] == list(range(6))
    assert len(calls) == len({str(sorted(a)) for a in calls}) == 6
    cached = [trial for trial in notes.trials if trial.cached]
    assert cached
    by_index = {trial.index: trial for trial in trials}
    for trial in cached:
        known = by_index[trial.index]
        assert (trial.state, trial.reward) == (known.state, known.reward)
        assert sorted(trial.architecture) == sorted(known.architecture)
    assert [trial for trial in notes.trials if not trial.cached] == trials
    # What a strategy observes is what it proposed, one for one.
    assert len(strategy.seen) == 4 * len(notes.updates)
    assert notes.updates[-1][1]["unique_fraction"] == 6 / min(100, len(strategy.seen))


def test_a_run_with_repeats_continues_as_the_unbroken_one(tmp_path: Path) -> None:
    def interrupted(job: Job) -> Measurement:
        if job.index == 4:
            raise KeyboardInterrupt
        return evaluate(job)

    with pytest.raises(KeyboardInterrupt):
        repeat(tmp_path / "broken", Repeater(), 6, evaluator=interrupted)
    trials, notes = repeat(tmp_path / "broken", Repeater(), 6)
    whole, unbroken = repeat(tmp_path / "unbroken", Repeater(), 6)
    assert trials == whole
    assert notes.updates == unbroken.updates
    assert [t.index for t in notes.trials if not t.cached] == [4, 5]  # the earlier ones were shown before


@pytest.mark.parametrize("action", ["warn", "temper", "restart", "stop"])
def test_nothing_new_does_not_go_on_forever(tmp_path: Path, action: str) -> None:
    strategy = Repeater()
    health = HealthSettings(on_collapse=action, collapse_patience=40, collapse_fraction=0)
    trials, notes = repeat(tmp_path / "t", strategy, 100, health)
    assert len(trials) == (15 if action == "restart" else 6)  # all there are: a restart offers more
    assert (strategy.tempered, bool(strategy.restarted)) == (action == "temper", action == "restart")
    assert "nothing new in 40 proposals" in notes.collapses[0]
    assert notes.collapses[-1].endswith("the search ends")


def test_few_networks_among_many_proposals_are_told(tmp_path: Path) -> None:
    _, notes = repeat(tmp_path / "t", Repeater(), 7, HealthSettings(collapse_patience=120, collapse_fraction=0.3))
    assert "only 6% of the last 100 proposals are different networks" in notes.collapses[0]


def test_a_strategy_that_cannot_recover_is_not_asked_to(tmp_path: Path) -> None:
    with TrialStore(tmp_path / "t") as store:
        executor, health = InlineExecutor(evaluate), HealthSettings(on_collapse="temper")
        settings = {"reward": quality, "trials": 1, "batch_size": 1, "seed": 0, "health": health}
        with pytest.raises(UsageError, match="--on_collapse=temper: Climber can't do that; choose warn or stop"):
            search(Climber(), executor, store, **settings)


@pytest.mark.parametrize("value", [math.nan, math.inf, None, "0.5", "raise"])
def test_a_reward_that_is_none_is_a_failure_of_its_child(tmp_path: Path, value: object) -> None:
    """Also of the best child, and when the run is continued."""

    def reward(measurement: Measurement) -> object:
        if measurement.quality < 0.5:
            return measurement.quality
        return 1 / 0 if value == "raise" else value

    trials: list[list[Trial]] = []
    for count in (20, 40):
        with TrialStore(tmp_path / "t.sqlite") as store:
            executor = InlineExecutor(evaluate)
            search(Climber(), executor, store, reward=reward, trials=count, batch_size=4, seed=1)
            trials.append(store.trials())
    kept, found = trials
    assert found[:20] == kept
    failed = [trial for trial in found if "its reward" in trial.error]
    assert failed
    for trial in failed:
        assert (trial.reward, trial.measurement) == (None, None)
        assert trial.state == ("nan" if value in (math.nan, math.inf, "raise") else "crashed")


def test_storage_errors_end_the_search(tmp_path: Path) -> None:
    def full_disk(job: Job) -> Measurement:
        raise StorageError("disk full")

    with pytest.raises(StorageError):
        run(tmp_path / "t", 3, full_disk)
