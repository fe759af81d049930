"""Strategies for several objectives: random weights, and NSGA-II."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from classifying import measured

from rl_nas.controller.settings import ControllerSettings
from rl_nas.objectives import Objectives
from rl_nas.spaces.decisions import Architecture, Decision, SearchSpace
from rl_nas.store.states import pack, unpack
from rl_nas.strategies import Resumable, Strategy
from rl_nas.strategies.catalog import MULTI_OBJECTIVE, STRATEGIES, StrategyOptions
from rl_nas.strategies.scalarized import chebyshev
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.trial import Failure, Trial, TrialState

OBJECTIVES = Objectives(("quality", "madds"))
SMALL = ControllerSettings(units=6, practice_steps=1, practice_batch=4, candidates=16)
NAMES = [pytest.param(name, marks=pytest.mark.slow if name == "controller" else ()) for name in MULTI_OBJECTIVE]


class Choices(tuple[Any, ...]):
    def canonical_key(self) -> str:
        return str(self)


def space_of(size: int) -> SearchSpace[Choices]:
    """Widths of layers, the first of which may be absent, with a decision that only it has."""
    decisions = [Decision("first", ("no", "yes")), Decision("kind", (0, 1, 2), when=(("first", ("yes",)),))]
    decisions += [Decision(f"width_{number}", (0, 1, 2, 3)) for number in range(size)]
    return SearchSpace("widths", tuple(decisions), lambda values: Choices(values.values()), dict)


SPACE = space_of(6)


def make(name: str, seed: int = 0, population: int = 8) -> Strategy:
    return STRATEGIES[name](SPACE, StrategyOptions(SMALL, EvolutionSettings(population), objectives=OBJECTIVES), seed)


def trial(index: int, architecture: Architecture) -> Trial:
    """The quality of a width is its square root, but of odd places; every width costs: the front has even places."""
    if index % 11 == 7:
        return Trial(index, architecture, TrialState.NAN, 0.0, failures=(Failure(TrialState.NAN, "nan"),))
    widths = np.array(architecture[2:])
    quality = float(np.sqrt(widths[::2]).sum())
    cost = int(widths.sum()) + architecture[0]
    return Trial(index, architecture, TrialState.OK, quality, measured(quality, madds=cost))


def play(strategy: Strategy, batches: Sequence[int], first: int = 0) -> list[Trial]:
    seen: list[Trial] = []
    for batch in batches:
        new = [trial(first + len(seen) + place, one) for place, one in enumerate(strategy.propose(batch))]
        strategy.observe(new)
        seen += new
    return seen


@pytest.mark.parametrize("name", NAMES)
def test_equal_histories_lead_to_equal_proposals(name: str) -> None:
    unbroken, resumed = make(name), make(name)
    record = play(unbroken, [7, 12, 3])
    first = 0
    for batch in (7, 12, 3):
        part = resumed.propose(batch)
        assert part == [one.architecture for one in record[first : first + batch]]
        resumed.observe(record[first : first + batch][::-1])
        first += batch
    assert resumed.propose(6) == unbroken.propose(6)
    assert make(name, seed=1).propose(12) != make(name).propose(12)


@pytest.mark.parametrize("name", NAMES)
def test_a_state_continues_as_if_there_had_been_no_break(name: str) -> None:
    """Also between proposals that come one by one, as in asynchronous searches."""
    unbroken, resumed = make(name), make(name)
    play(unbroken, [8, 8, 5])
    waiting = [unbroken.propose(1)[0] for _ in range(3)]
    assert isinstance(unbroken, Resumable)
    assert isinstance(resumed, Resumable)
    resumed.restore(unpack(pack(unbroken.state())))
    for strategy in (unbroken, resumed):
        strategy.observe([trial(21 + place, one) for place, one in enumerate(waiting)])
    assert play(resumed, [6, 1, 9], 24) == play(unbroken, [6, 1, 9], 24)
    assert pack(resumed.state()) == pack(unbroken.state())


@pytest.mark.parametrize("name", [name for name in MULTI_OBJECTIVE if name not in ("random", "controller")])
def test_the_front_is_nearer_to_the_best_one_than_that_of_random_search(name: str) -> None:
    """The area that the front dominates, of the best for each cost; means over two runs of 120."""

    def area(trials: Sequence[Trial]) -> float:
        values = np.array([OBJECTIVES.values(one.measurement) for one in trials if one.measurement])
        return float(np.mean([values[values[:, 1] >= -cost, 0].max(initial=0.0) for cost in range(12)]))

    found = {each: np.mean([area(play(make(each, seed), [10] * 12)) for seed in (0, 1)]) for each in (name, "random")}
    best = np.mean([max(sum(np.sqrt(w)) for w in np.ndindex(4, 4, 4) if sum(w) <= cost) for cost in range(12)])
    assert found["random"] + 0.25 * (best - found["random"]) < found[name] <= best


def test_chebyshev_by_hand() -> None:
    """Ranges 2 and 10; losses (0, 1), (1/2, 1/2), (1, 0)."""
    values = np.array([[3.0, 0.0], [2.0, 5.0], [1.0, 10.0]])
    assert chebyshev(values, np.array([1.0, 0.0])) == pytest.approx([0.0, -0.525, -1.05])
    assert chebyshev(values, np.array([0.5, 0.5])) == pytest.approx([-0.525, -0.275, -0.525])
    assert chebyshev(np.ones([2, 2]), np.array([0.5, 0.5])).tolist() == [0.0, 0.0]


def test_the_best_by_any_weights_is_on_the_front() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        values = rng.normal(size=[40, 3])
        best = values[chebyshev(values, rng.dirichlet(np.ones(3))).argmax()]
        assert not ((values >= best).all(axis=1) & (values > best).any(axis=1)).any()


def test_failed_children_are_the_worst_whatever_their_reward_is_said_to_be() -> None:
    strategy: Any = make("gp")
    seen = play(strategy, [12])
    rewards = dict(
        zip(map(tuple, strategy._model.tokens.tolist()), strategy._model.rewards[:, 0].tolist(), strict=True)
    )
    assert {one.architecture for one in seen if one.measurement is None} == {
        architecture for architecture, reward in rewards.items() if reward == -np.inf
    }


def test_a_first_population_of_nsga2_is_random_and_later_ones_are_crossed() -> None:
    strategy = make("nsga2", population=8)
    first = play(strategy, [9])
    parents = np.array([one.architecture for one in first])
    for one in play(strategy, [8], 9):
        SPACE.validate(one.architecture)
    assert len({one.architecture for one in first}) > 4
    assert parents.shape == (9, 8)
