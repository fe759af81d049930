"""The search with shared weights, without TensorFlow: its phases, its ranking, and going on after a break."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from rl_nas.checkpoint import Checkpoint, State
from rl_nas.errors import RunError
from rl_nas.one_shot.result import order_of_confirmation, random_places
from rl_nas.one_shot.search import FixedProposals, rank, train_one_shot
from rl_nas.spaces.decisions import Architecture, Decision, SearchSpace
from rl_nas.strategies.failures import zero
from rl_nas.strategies.random_search import RandomSearch
from rl_nas.trial import ChildError, Measurement, Trial, TrialState

SPACE: SearchSpace[Any] = SearchSpace("toy", tuple(Decision(f"d{i}", tuple(range(5))) for i in range(3)), dict, dict)


class BrokenError(Exception):
    """The process was killed."""


class CountingSupernet:
    """Remembers how often each choice was trained; a network is as good as its choices were trained."""

    steps = 7

    def __init__(self, forbidden: int = -1) -> None:
        self.counts = np.zeros((3, 5))
        self.forbidden = forbidden
        self.batches: list[tuple[int, ...]] = []

    def train(self, epoch: int, architectures: Sequence[Architecture]) -> float:
        assert len(architectures) == self.steps
        for architecture in architectures:
            assert self.admits(architecture)
            self.counts[range(3), architecture] += 1 + epoch
        return 1 / (1 + epoch)

    def measure(self, architecture: Architecture, batch: Sequence[int] | None = None) -> Measurement:
        if not self.admits(architecture):
            raise ChildError(TrialState.INVALID, "forbidden")
        self.batches += [] if batch is None else [tuple(batch)]
        return Measurement(float(self.counts[range(3), architecture].sum() / 1000), {}, 1, 1, 1, 0.0)

    def admits(self, architecture: Architecture) -> bool:
        return self.forbidden not in architecture

    def state(self) -> State:
        return {"counts": self.counts.copy()}

    def restore(self, state: State) -> None:
        self.counts = state["counts"].copy()


class Observing(RandomSearch):
    """Random search that remembers what it was shown."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(SPACE, seed)
        self.shown: list[Sequence[Trial]] = []

    def observe(self, trials: Sequence[Trial]) -> None:
        self.shown.append(trials)

    def diagnostics(self) -> Mapping[str, float]:
        return {"shown": float(len(self.shown))}


class Memory:
    """Keeps checkpoints, and may end the process after one of them."""

    def __init__(self, broken_after: int | None = None) -> None:
        self.kept: Checkpoint | None = None
        self.broken_after = broken_after

    def save(self, checkpoint: Checkpoint) -> None:
        self.kept = checkpoint
        if checkpoint.updates == self.broken_after:
            raise BrokenError


def quality(measurement: Measurement) -> float:
    return measurement.quality


def train(strategy: Observing, supernet: CountingSupernet, memory: Memory, **kwargs: Any) -> list[dict[str, float]]:
    shown: list[dict[str, float]] = []
    settings = {"epochs": 4, "warmup": 1, "updates": 2, "batch_size": 3, "reward": quality, **kwargs}
    train_one_shot(
        strategy,
        supernet,
        memory,
        memory.kept,
        on_epoch=lambda epoch, figures: shown.append(dict(figures)),
        **settings,
    )
    return shown


def test_weights_and_strategy_learn_by_turns() -> None:
    strategy, supernet = Observing(), CountingSupernet()
    figures = train(strategy, supernet, Memory())
    assert supernet.counts.sum(axis=1).tolist() == [7 * (1 + 2 + 3 + 4)] * 3
    assert [f["shown"] for f in figures] == [0, 2, 4, 6]  # none in the warm-up
    assert [len(trials) for trials in strategy.shown] == [3] * 6
    assert len(set(supernet.batches)) == len(supernet.batches) == 18  # each on another batch
    assert [f["loss"] for f in figures] == [1, 1 / 2, 1 / 3, 1 / 4]
    rewards = [trial.reward for trials in strategy.shown[-2:] for trial in trials]
    assert figures[-1]["mean_reward"] == pytest.approx(np.mean(rewards))


@pytest.mark.parametrize("epoch", [1, 2, 3, 4])
def test_a_broken_search_ends_as_the_unbroken_one(epoch: int) -> None:
    whole, supernet = Observing(), CountingSupernet()
    unbroken = train(whole, supernet, Memory())
    memory = Memory(broken_after=epoch)
    with pytest.raises(BrokenError):
        train(Observing(), CountingSupernet(), memory)
    again, continued = Observing(), CountingSupernet()
    figures = train(again, continued, memory)
    # The last one's again: the process may have ended before it was shown.
    assert [f["loss"] for f in figures] == [f["loss"] for f in unbroken[epoch - 1 :]]
    assert figures[0] == unbroken[epoch - 1]
    np.testing.assert_array_equal(continued.counts, supernet.counts)
    assert again.state() == whole.state()
    rankings = [rank(s, n, 10, reward=quality, key=str) for s, n in ((whole, supernet), (again, continued))]
    assert rankings[0] == rankings[1]


@pytest.mark.parametrize("epoch", [0, 1, 3])
def test_a_stopped_search_begins_no_epoch_and_goes_on_as_the_unbroken_one(epoch: int) -> None:
    whole, unbroken = Observing(), CountingSupernet()
    settings: dict[str, Any] = {"epochs": 4, "warmup": 1, "updates": 2, "batch_size": 3, "reward": quality}
    assert train_one_shot(whole, unbroken, Memory(), None, **settings) == 4
    memory, updates = Memory(), list[int]()
    done = train_one_shot(
        *(Observing(), CountingSupernet(), memory, None),
        stop=lambda: epoch == (memory.kept.updates if memory.kept else 0),
        on_update=updates.append,
        **settings,
    )
    assert done == epoch
    assert updates == [1, 2] * max(0, epoch - 1)
    again, continued = Observing(), CountingSupernet()
    assert train_one_shot(again, continued, memory, memory.kept, **settings) == 4
    np.testing.assert_array_equal(continued.counts, unbroken.counts)
    assert again.state() == whole.state()


def test_networks_that_cannot_be_made_are_not_trained_and_are_failures() -> None:
    strategy = Observing()
    train(strategy, CountingSupernet(forbidden=4), Memory(), failures=zero)
    shown = [trial for trials in strategy.shown for trial in trials]
    assert {trial.state for trial in shown} == {TrialState.OK, TrialState.INVALID}
    assert all(trial.reward == 0 for trial in shown if trial.state is TrialState.INVALID)


def test_a_space_without_possible_networks_is_told() -> None:
    class Nothing(CountingSupernet):
        def admits(self, architecture: Architecture) -> bool:
            return False

    with pytest.raises(RunError, match="0 of 350 networks drawn can be built"):
        train(Observing(), Nothing(), Memory())


def test_networks_without_a_reward_are_failures_and_not_ranked() -> None:
    def odd(quality: float) -> bool:
        return round(quality * 1000) % 2 == 1

    def reward(measurement: Measurement) -> float:
        return math.nan if odd(measurement.quality) else measurement.quality

    strategy, supernet = Observing(), CountingSupernet()
    train(strategy, supernet, Memory(), reward=reward)
    assert {trial.state for trials in strategy.shown for trial in trials} == {"ok", "nan"}
    assert not any(odd(ranked.reward) for ranked in rank(strategy, supernet, 20, reward=reward, key=str))
    with pytest.raises(RunError, match="no network that the strategy drew has a reward: its reward is nan"):
        rank(strategy, supernet, 20, reward=lambda measurement: math.nan, key=str)


def test_networks_whose_figures_are_not_finite_are_not_ranked() -> None:
    class Overflowing(CountingSupernet):
        def measure(self, architecture: Architecture, batch: Sequence[int] | None = None) -> Measurement:
            if batch is None and architecture[0] == 3:
                raise ChildError(TrialState.NAN, "loss nan with shared weights")
            return super().measure(architecture, batch)

    ranking = rank(Observing(), Overflowing(), 20, reward=quality, key=str)
    assert len(ranking) == 20
    assert all(ranked.architecture[0] != 3 for ranked in ranking)


@pytest.mark.parametrize("samples", [1, 20, 125, 200])
def test_the_ranking_is_of_different_networks_best_first(samples: int) -> None:
    strategy, supernet = Observing(), CountingSupernet()
    train(strategy, supernet, Memory())
    ranking = rank(strategy, supernet, samples, reward=quality, key=str)
    assert len({ranked.architecture for ranked in ranking}) == len(ranking) == min(samples, 125)  # 5 ** 3 there are
    rewards = [ranked.reward for ranked in ranking]
    assert rewards == sorted(rewards, reverse=True)
    assert all(supernet.measure(ranked.architecture).quality == ranked.quality for ranked in ranking)


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_the_best_and_some_of_chance_are_confirmed(count: int) -> None:
    order, chance = order_of_confirmation(count, seed=1), random_places(count, seed=1)
    assert sorted(order) == sorted(chance) == list(range(count))
    for trials in range(1, count + 1):
        trained = set(order[:trials])
        assert set(range((trials + 1) // 2)) <= trained  # the best
        assert set(chance[: trials // 2]) <= trained  # a random sample, however good
    assert count < 7 or random_places(count, seed=2) != chance


def test_listed_proposes_what_it_was_given() -> None:
    listed = FixedProposals([(1,), (2,), (3,)])
    assert [listed.propose(2), listed.propose(2), listed.propose(2)] == [[(1,), (2,)], [(3,)], []]
