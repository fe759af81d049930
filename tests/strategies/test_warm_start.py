"""A warm start: a vote that no unit decides, and strategies that learn from proposals that are not their own."""

from collections.abc import Sequence

import numpy as np
import pytest
from classifying import measured
from test_evolution import SPACE, reward

from rl_nas.spaces.decisions import Architecture
from rl_nas.store.states import pack, unpack
from rl_nas.strategies import Recovering, Resumable, Sampling, Strategy, WithProbabilities
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.catalog import STRATEGIES, StrategyOptions
from rl_nas.strategies.local_search import LocalSearch
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.strategies.warm_start import vote, warm_started
from rl_nas.trial import Trial, TrialState

FIRST = [(0, 1, 2, 0, 0), (1, 1, 2, 0, 0), (2, 0, 1, 2, 0), (2, 2, 2, 1, 0), (0, 0, 1, 2, 0)]
FAST = ("aging_evolution", "gp", "local_search", "random")


def observe(strategy: Strategy, architectures: Sequence[Architecture], first: int = 0) -> None:
    strategy.observe(
        [Trial(i, a, TrialState.OK, reward(a), measured(reward(a))) for i, a in enumerate(architectures, first)]
    )


def test_the_vote_is_the_mean_rank() -> None:
    scores = np.array([[1.0, 2.0, 3.0, 4.0], [10.0, 40.0, 20.0, 30.0]])  # ranks 1 2 3 4 and 1 4 2 3
    assert vote(scores).tolist() == [3, 1, 2, 0]
    assert vote(np.exp(3 * scores) - 5).tolist() == [3, 1, 2, 0]
    assert vote(np.array([[1.0, np.nan, -9.0]])).tolist() == [0, 2, 1]
    assert vote(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 2.0]])).tolist() == [0, 1, 2]  # 2.5 + 1.5 against 1 + 3
    assert vote(np.zeros([2, 3])).tolist() == [0, 1, 2]


@pytest.mark.parametrize("name", FAST)
def test_first_proposals_are_given_and_states_continue_anywhere(name: str) -> None:
    def fresh() -> Strategy:
        options = StrategyOptions(evolution=EvolutionSettings(population=3, sample=2))
        return warm_started(STRATEGIES[name](SPACE, options, 7), FIRST)

    whole, restored, seen = fresh(), fresh(), list[Architecture]()
    for first in range(0, 24, 3):
        proposed = whole.propose(3)
        assert restored.propose(3) == proposed
        observe(whole, proposed, first)
        seen += proposed
        assert isinstance(whole, Resumable)
        restored = fresh()
        assert isinstance(restored, Resumable)
        restored.restore(unpack(pack(whole.state())))
    assert seen[: len(FIRST)] == FIRST
    if name in ("gp", "local_search"):
        assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("name", FAST)
def test_what_a_strategy_can_do_it_still_can(name: str) -> None:
    inner = STRATEGIES[name](SPACE, StrategyOptions(), 0)
    strategy = warm_started(inner, FIRST)
    for protocol in (Recovering, Resumable, Sampling, WithProbabilities):
        assert isinstance(strategy, protocol) == isinstance(inner, protocol)
    assert strategy.diagnostics() == inner.diagnostics()
    assert type(strategy).__name__ == type(inner).__name__


def differ(one: Architecture, other: Architecture) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def test_local_search_climbs_from_the_best_of_the_first() -> None:
    strategy = warm_started(LocalSearch(SPACE, 1), FIRST)
    observe(strategy, strategy.propose(len(FIRST)))
    best = max(FIRST, key=reward)
    assert all(differ(best, neighbor) == 1 for neighbor in strategy.propose(4))


def test_evolution_begins_with_the_first_as_its_population() -> None:
    strategy = warm_started(AgingEvolution(SPACE, EvolutionSettings(len(FIRST), 2), 1), FIRST)
    observe(strategy, strategy.propose(len(FIRST)))
    children = strategy.propose(20)
    assert all(min(differ(child, parent) for parent in FIRST) <= 1 for child in children)
