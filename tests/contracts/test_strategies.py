"""What every strategy promises, in every kind of space."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from classifying import measured

from rl_nas.admission import LARGEST_REWARD
from rl_nas.controller.settings import ControllerSettings
from rl_nas.spaces.amoebanet import amoebanet
from rl_nas.spaces.decisions import Architecture, Decision, SearchSpace
from rl_nas.spaces.dpc_space import dpc
from rl_nas.spaces.nas_fpn_space import nas_fpn
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.nasbench101 import nasbench101
from rl_nas.store.states import pack, unpack
from rl_nas.strategies import Recovering, Resumable, Sampling, Strategy
from rl_nas.strategies.catalog import STRATEGIES, StrategyOptions
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.trial import Failure, Trial, TrialState
from rl_nas.workflows.checks import SAMPLED

OPTIONS = StrategyOptions(
    ControllerSettings(units=6, practice_steps=1, practice_batch=4, candidates=16, ppo_epochs=2),
    EvolutionSettings(population=5, sample=2),
)


class Choices(tuple[Any, ...]):
    def canonical_key(self) -> str:
        return str(self)


def toy_space() -> SearchSpace[Choices]:
    decisions = (
        Decision("kind", ("plain", "skip", "deep")),
        Decision("width", (1, 2, 3, 4), when=(("kind", ("plain", "deep")),)),
        Decision("depth", (1, 2), when=(("kind", ("deep",)),)),
        Decision("first", tuple(range(8))),
        Decision("second", tuple(range(8))),
    )
    return SearchSpace("toy", decisions, lambda values: Choices(values.values()), dict)


SPACES = {
    "toy": toy_space,
    "amoebanet": lambda: amoebanet(1),
    "nas_rl": lambda: nas_rl(3, start_layers=1, grow_every=5),
    "nasbench101": nasbench101,
    "dpc": lambda: dpc(2),
    "nas_fpn": lambda: nas_fpn(5),
}
EAGER = ("nas_rl", "nasbench101", "dpc", "nas_fpn")
"""Spaces of so many decisions that tracing a policy takes longer than computing it for these few proposals."""


LONG = ("amoebanet", "dpc", "nas_fpn")
"""Spaces that ask nothing of strategies that the others do not, as far as we know."""


@pytest.fixture(params=[pytest.param(space, marks=pytest.mark.long if space in LONG else ()) for space in SPACES])
def space_name(request: pytest.FixtureRequest) -> Iterator[str]:
    tf.config.run_functions_eagerly(request.param in EAGER)
    yield str(request.param)
    tf.config.run_functions_eagerly(False)


@pytest.fixture(params=STRATEGIES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make(name: str, space: SearchSpace[Any], seed: int = 0) -> Strategy:
    return STRATEGIES[name](space, OPTIONS, seed)


def trials(architectures: Sequence[Architecture], rewards: Sequence[float | None], first: int = 0) -> list[Trial]:
    return [_trial(i, a, r) for i, (a, r) in enumerate(zip(architectures, rewards, strict=True), first)]


def _trial(index: int, architecture: Architecture, reward: float | None) -> Trial:
    if reward is None:
        return Trial(index, architecture, TrialState.CRASHED, failures=(Failure(TrialState.CRASHED, "crashed"),))
    return Trial(index, architecture, TrialState.OK, reward, measured(0.5))


def reward(architecture: Architecture) -> float:
    return float(np.mean([choice == i % 2 for i, choice in enumerate(architecture)]))


def play(strategy: Strategy, batches: Sequence[int]) -> list[Architecture]:
    seen: list[Architecture] = []
    for batch in batches:
        proposals = strategy.propose(batch)
        assert len(proposals) == batch
        strategy.observe(trials(proposals, [reward(a) for a in proposals], len(seen)))
        seen += proposals
    return seen


def test_proposals_are_of_the_space_in_batches_of_any_size(name: str, space_name: str) -> None:
    space = SPACES[space_name]()
    for number, architecture in enumerate(play(make(name, space), [3, 1, 10, 5, 2])):
        space.validate(architecture)
        assert all(isinstance(choice, int) for choice in architecture)
        for place, choice in space.fixed(number).items():
            assert architecture[place] == choice
        if name not in ("reinforce", "ppo"):  # those learn what is invalid from its reward
            assert space.is_valid(space.decode(architecture))


@pytest.mark.parametrize("largest", [LARGEST_REWARD, -LARGEST_REWARD])
def test_the_largest_rewards_leave_it_finite(name: str, largest: float) -> None:
    """`reward_of` admits none beyond."""
    strategy, count = make(name, toy_space()), 0
    for _ in range(12):
        proposals = strategy.propose(4)
        strategy.observe(trials(proposals, [largest * (1 - sum(a) % 3) for a in proposals], count))
        count += len(proposals)
        assert np.isfinite(list(strategy.diagnostics().values())).all()


def test_equal_histories_lead_to_equal_proposals(name: str) -> None:
    """How a search is resumed: a fresh strategy is shown the record. The order of arrival does not matter."""
    space = toy_space()
    unbroken = make(name, space, 1)
    record = play(unbroken, [5, 5, 8])
    resumed = make(name, space, 1)
    for first, last in ((0, 5), (5, 10), (10, 18)):
        part = resumed.propose(last - first)
        assert part == record[first:last]
        resumed.diagnostics()  # looking changes nothing
        resumed.observe(trials(part, [reward(a) for a in part], first)[::-1])
    assert resumed.propose(6) == unbroken.propose(6)
    assert make(name, space, 2).propose(18) != make(name, space, 1).propose(18)


def test_a_state_continues_as_if_there_had_been_no_break(name: str, space_name: str) -> None:
    """Whenever it is taken, also between a proposal and its trials, and through bytes."""
    space = SPACES[space_name]()
    unbroken = make(name, space, 1)
    play(unbroken, [5, 1, 4])
    waiting = unbroken.propose(3)
    resumed = make(name, space, 1)
    resumed.restore(unpack(pack(unbroken.state())))
    assert resumed.diagnostics() == unbroken.diagnostics()
    for strategy in (resumed, unbroken):
        strategy.observe(trials(waiting, [reward(a) for a in waiting], 10))
    assert play(resumed, [3, 1]) == play(unbroken, [3, 1])
    assert pack(resumed.state()) == pack(unbroken.state())


def test_odd_trials_harm_nothing(name: str) -> None:
    """Rewards all equal, zero, not a number or missing; failures; trials missing; trials of known networks."""
    space = toy_space()
    nan = float("nan")
    odd: list[list[float | None]] = [
        [None] * 5,
        [nan] * 5,
        [0.0] * 5,
        [1.0] * 5,
        [0.5, None, 0.1, nan, None],
        [0.3],
        [],
    ]
    strategy = make(name, space)
    for first, rewards in enumerate(odd + odd):
        proposals = strategy.propose(5)
        observed = trials(proposals[: len(rewards)], rewards, 5 * first)
        strategy.observe([replace(trial, index=0, cached=True) for trial in observed] if first % 2 else observed)
        for figure, value in strategy.diagnostics().items():
            assert np.isfinite(value), figure
    for architecture in strategy.propose(5):
        space.validate(architecture)


def test_trials_of_other_proposals_are_learned_from(name: str) -> None:
    """How an asynchronous search is rebuilt from its trials: what the strategy proposes itself is left out."""
    space = toy_space()
    recorded = play(make(name, space, 1), [5, 5, 8])
    strategy = make(name, space, 2)
    for first in range(0, 15, 5):
        strategy.propose(5)
        part = recorded[first : first + 5]
        strategy.observe(trials(part, [reward(a) for a in part], first))
    for architecture in play(strategy, [5, 5]):
        space.validate(architecture)


def test_what_recovers_goes_on(name: str) -> None:
    strategy = make(name, toy_space())
    if isinstance(strategy, Recovering):
        seen = play(strategy, [5, 5])
        strategy.temper()
        play(strategy, [5])
        strategy.restart()
        assert play(strategy, [5, 5]) != seen  # not the same randomness again


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.long if n == "bananas" else ()) for n in STRATEGIES if n != "random"]
)
def test_it_learns_and_random_does_not(name: str) -> None:
    """Mean of the last quarter of 240 proposals; 8 decisions, a random one hits with probability 1/4.

    Those with a model of the rewards find the only optimum of 65,536, and then explore what they know least.
    """
    space = SearchSpace("hits", tuple(Decision(f"d{i}", (0, 1, 2, 3)) for i in range(8)), _choices, dict)
    options = StrategyOptions(
        ControllerSettings(units=16, learning_rate=0.03, practice_batch=16), EvolutionSettings(population=20, sample=5)
    )
    for seed in range(2):
        means, best = {}, {}
        for each in (name, "random"):
            strategy, hits = STRATEGIES[each](space, options, seed), []
            for first in range(0, 240, 5):
                part = strategy.propose(5)
                scores = [float(np.mean([choice == i % 4 for i, choice in enumerate(a)])) for a in part]
                strategy.observe(trials(part, scores, first))
                hits += scores
            means[each], best[each] = np.mean(hits[-60:]), max(hits)
        assert means["random"] == pytest.approx(0.25, abs=0.1)  # five standard errors
        assert best["random"] < 1
        if name in ("controller", "gp"):
            assert best[name] == 1
        else:
            assert means[name] > means["random"] + 0.2


def _choices(values: dict[str, Any]) -> Choices:
    return Choices(values.values())


def test_draws_are_of_the_space_and_leave_nothing_to_be_observed(name: str, space_name: str) -> None:
    strategy = make(name, SPACES[space_name]())
    assert isinstance(strategy, Sampling) == (name in SAMPLED)
    if isinstance(strategy, Sampling):
        play(strategy, [5])
        before = strategy.state() if isinstance(strategy, Resumable) else {}
        drawn = strategy.sample(30)
        sizes = [len(decision.choices) for decision in SPACES[space_name]().decisions]
        assert np.shape(drawn) == (30, len(sizes))
        assert (np.array(drawn) >= 0).all()
        assert (np.array(drawn) < sizes).all()
        assert len(set(drawn)) > 5
        after = strategy.state() if isinstance(strategy, Resumable) else {}
        assert {key for key in before if pack({key: before[key]}) != pack({key: after[key]})} <= {"learner", "rng"}
        play(strategy, [5])
