"""The asynchronous loop: every worker busy, nothing trained twice, nothing lost."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from random_order import RandomOrder

from rl_nas.controller.settings import ControllerSettings
from rl_nas.errors import UsageError
from rl_nas.evaluation.rewards import quality
from rl_nas.loops.asynchronous import search_async
from rl_nas.spaces.decisions import Architecture, Decision, SearchSpace
from rl_nas.store.trials import TrialStore
from rl_nas.strategies import Strategy
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.catalog import STRATEGIES, StrategyOptions
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.trial import Job, Measurement, Trial

DECISIONS = 6


class Choices(tuple[int, ...]):
    def canonical_key(self) -> str:
        return str(sorted(self))


class Ordered(tuple[int, ...]):
    def canonical_key(self) -> str:
        return str(self)


SPACE = SearchSpace(
    "hits", tuple(Decision(f"d{i}", (0, 1, 2, 3)) for i in range(DECISIONS)), lambda v: Choices(v.values()), dict
)


def evaluate(job: Job) -> Measurement:
    return Measurement(float(np.mean([c == i % 4 for i, c in enumerate(job.architecture)])))


class Noting:
    """A strategy, and what it was shown."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy, self.batches, self.proposed = strategy, [], 0

    def propose(self, n: int) -> list[Architecture]:
        self.proposed += n
        return self.strategy.propose(n)

    def observe(self, trials: Sequence[Trial]) -> None:
        self.batches.append(list(trials))
        self.strategy.observe(trials)

    def __getattr__(self, name: str) -> object:
        return getattr(self.strategy, name)


def evolution() -> AgingEvolution:
    return AgingEvolution(SPACE, EvolutionSettings(population=15, sample=5), seed=4)


def run(
    path: Path, strategy: Strategy, executor: RandomOrder, trials: int, key: Callable[[Architecture], str] = str
) -> list[Trial]:
    with TrialStore(path) as store:
        search_async(
            strategy,
            executor,
            store,
            reward=quality,
            trials=trials,
            batch_size=5,
            seed=1,
            key=key,
        )
        return store.trials()


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_all_are_busy_and_no_network_is_trained_twice(tmp_path: Path, workers: int) -> None:
    strategy, executor = Noting(evolution()), RandomOrder(evaluate, workers)
    trials = run(tmp_path / "t", strategy, executor, 60)
    assert [trial.index for trial in trials] == list(range(60))
    assert len({trial.architecture for trial in trials}) == 60
    assert executor.idle == sum(range(workers))  # only while the last ones end


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_proposals_that_are_known_or_on_their_way_are_shown_with_their_trial(tmp_path: Path, workers: int) -> None:
    """60 of the 84 networks that there are."""
    strategy = Noting(evolution())
    trials = run(tmp_path / "t", strategy, RandomOrder(evaluate, workers), 60, SPACE.canonical_key)
    assert [trial.index for trial in trials] == list(range(60))
    assert len({SPACE.canonical_key(trial.architecture) for trial in trials}) == 60
    shown = Counter(trial.index for batch in strategy.batches for trial in batch if not trial.cached)
    assert set(shown.values()) == {1}
    assert all(len(batch) >= 5 for batch in strategy.batches)
    observed = sum(map(len, strategy.batches))
    assert strategy.proposed - observed < 5 + workers * 5  # all proposals come back, but the last few
    assert any(trial.cached for batch in strategy.batches for trial in batch)


@pytest.mark.parametrize("stop", [0, 1, 4, 5, 6, 11, 29, 39])
@pytest.mark.parametrize(("before", "after"), [(4, 4), (7, 1), (1, 7)])
def test_a_run_that_broke_off_goes_on_with_what_was_on_its_way(
    tmp_path: Path, stop: int, before: int, after: int
) -> None:
    first = RandomOrder(evaluate, before, breaks_after=stop)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "t", evolution(), first, 40, SPACE.canonical_key)
    with TrialStore(tmp_path / "t") as store:
        kept = store.trials()
        checkpoint = store.checkpoint()
    assert len(kept) == stop
    second = RandomOrder(evaluate, after, seed=1)
    trials = run(tmp_path / "t", evolution(), second, 40, SPACE.canonical_key)
    assert [trial.index for trial in trials] == list(range(40))
    assert [t for t in trials if t.index in {k.index for k in kept}] == kept
    lost = {job for job in first.started if job.index not in {trial.index for trial in kept}}
    known = {index for index, _ in checkpoint.state["flying"]} if checkpoint else set()
    again = {job.index: job for job in second.started}
    for job in lost:
        if job.index in known:
            assert again[job.index] == job  # the same architecture with the same seed
    assert len({SPACE.canonical_key(trial.architecture) for trial in trials}) == 40


@pytest.mark.parametrize("ended", [0, 1, 5, 23])
def test_a_stopped_run_begins_no_child_and_goes_on_with_those_that_it_would_have_begun(
    tmp_path: Path, ended: int
) -> None:
    """With one worker even the proposals are those of the unbroken run."""
    for limit in (ended, ended, 40):
        with TrialStore(tmp_path / "t") as store:
            settings = {"reward": quality, "batch_size": 5, "seed": 1, "trials": 40}
            executor = RandomOrder(evaluate, 1)
            search_async(evolution(), executor, store, stop=lambda: len(store) >= limit, **settings)  # noqa: B023
            assert len(store) == limit
    unbroken = run(tmp_path / "unbroken", evolution(), RandomOrder(evaluate, 1), 40)
    with TrialStore(tmp_path / "t") as store:
        assert store.trials() == unbroken


def test_children_that_run_when_a_search_is_stopped_are_recorded(tmp_path: Path) -> None:
    with TrialStore(tmp_path / "t") as store:
        settings = {"reward": quality, "batch_size": 5, "seed": 1, "trials": 40}
        search_async(evolution(), RandomOrder(evaluate, 3), store, stop=lambda: len(store) >= 7, **settings)
        assert len(store) == 9  # two others ran when the seventh ended


def test_a_strategy_without_a_state_cannot_go_on(tmp_path: Path) -> None:
    class Plain:
        def propose(self, n: int) -> list[Architecture]:
            return [SPACE.sample(np.random.default_rng(self.count()))] * n

        def count(self) -> int:
            self.n = getattr(self, "n", 0) + 1
            return self.n

        def observe(self, trials: Sequence[Trial]) -> None:
            pass

        def diagnostics(self) -> dict[str, float]:
            return {}

    run(tmp_path / "t", Plain(), RandomOrder(evaluate, 2), 5)
    with pytest.raises(UsageError, match="Plain has no state to go on from"):
        run(tmp_path / "t", Plain(), RandomOrder(evaluate, 2), 9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["controller", "aging_evolution", *(pytest.param(n, marks=pytest.mark.long) for n in ("reinforce", "ppo"))]
)
def test_strategies_learn_from_what_arrives(tmp_path: Path, name: str) -> None:
    options = StrategyOptions(
        ControllerSettings(units=16, learning_rate=0.03, practice_batch=16), EvolutionSettings(population=20, sample=5)
    )
    space = SearchSpace("hits", SPACE.decisions, lambda v: Ordered(v.values()), dict)
    trials = run(tmp_path / "t", STRATEGIES[name](space, options, 0), RandomOrder(evaluate, 8), 200)
    rewards = [trial.reward for trial in trials]
    if name == "controller":  # it finds the optimum, one of 4,096, and then explores what it knows least
        assert max(rewards) == 1
    else:
        assert np.mean(rewards[-40:]) > 0.4  # chance: 0.25, five standard errors: 0.14


@pytest.mark.slow
def test_trials_of_an_earlier_policy_count_by_their_ratio() -> None:
    from rl_nas.controller.policy_gradient import PPOLearner, ReinforceLearner

    config = ControllerSettings(units=8, entropy_weight=0.0, learning_rate=0.01).config("nasnet")
    for kind in (ReinforceLearner, PPOLearner):
        learner, after = kind(SPACE, config, [0]), {}
        fixed = np.full([1, 8, DECISIONS], -1, np.int32)
        tokens = learner.propose(8, fixed)
        start, log_prob, before = learner.state(), learner.log_prob, weights_of(learner)
        for case, shift in (("present", None), ("same", 0.0), ("likelier now", -2.0), ("unlikely now", 60.0)):
            learner.restore(start)
            behaviour = None if shift is None else log_prob + np.float32(shift)
            learner.observe(tokens, np.linspace(0, 1, 8)[np.newaxis], fixed, behaviour)
            after[case] = weights_of(learner)
        np.testing.assert_allclose(after["same"], after["present"], atol=2e-4)
        # Adam divides by the size of gradients: what is scaled down to nothing still must not move it.
        assert np.abs(after["unlikely now"] - before).max() < 1e-6
        if kind is ReinforceLearner:
            np.testing.assert_allclose(after["likelier now"], after["present"], atol=2e-4)  # truncated at 1


def weights_of(learner: Any) -> np.ndarray:
    return np.concatenate([v.numpy().ravel() for v in learner.policy.trainable_variables])
