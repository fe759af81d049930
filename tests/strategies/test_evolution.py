"""Aging evolution against a simulation, local search by hand, random search against its expectation."""

from collections import deque

import numpy as np
import pytest
from classifying import measured

from rl_nas.bench.table import make_table
from rl_nas.spaces.decisions import Architecture, Decision, SearchSpace
from rl_nas.spaces.nasnet import nasnet
from rl_nas.strategies import Strategy
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.local_search import LocalSearch
from rl_nas.strategies.random_search import RandomSearch
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.strategies.warm_start import warm_started
from rl_nas.trial import Failure, Trial, TrialState


class Cell(tuple[int, ...]):
    def canonical_key(self) -> str:
        return str(self)


SPACE = SearchSpace(
    "toy", tuple(Decision(f"d{i}", (0, 1, 2)) for i in range(5)), lambda values: Cell(values.values()), dict
)


def reward(architecture: Architecture) -> float:
    """Smooth, with pairs that interact."""
    a = architecture
    return a[0] + 2 * (a[1] == a[2]) - abs(a[3] - a[4]) * 0.5 + 0.1 * a[4]


def ok(index: int, architecture: Architecture, value: float) -> Trial:
    return Trial(index, architecture, TrialState.OK, value, measured(value))


def play(strategy: Strategy, evaluations: int) -> list[Architecture]:
    seen = []
    for index in range(evaluations):
        (architecture,) = strategy.propose(1)
        strategy.observe([ok(index, architecture, reward(architecture))])
        seen.append(architecture)
    return seen


def test_aging_evolution_is_the_published_algorithm() -> None:
    """Algorithm 1 of Real et al. 2019, with the same draws in the same order."""
    rng, population, history = np.random.default_rng(5), [], []
    for _ in range(60):
        if len(history) < 8:
            child = SPACE.sample(rng)
        else:
            sample = [population[i] for i in rng.integers(8, size=3)]
            parent = max(sample, key=reward)
            child = SPACE.mutate(parent, rng)
        population.append(child)
        history.append(child)
        if len(population) > 8:
            population.pop(0)
    assert play(AgingEvolution(SPACE, EvolutionSettings(population=8, sample=3), seed=5), 60) == history


@pytest.mark.parametrize(
    ("evaluations", "sizes"),
    [(1, (2, 2)), (20, (5, 2)), (40, (10, 3)), (100, (25, 7)), (400, (100, 25)), (10**6, (100, 25))],
)
def test_sizes_that_are_left_out_follow_the_search_up_to_those_of_the_paper(
    evaluations: int, sizes: tuple[int, int]
) -> None:
    sized = EvolutionSettings().sized(evaluations)
    assert (sized.population, sized.sample) == sizes == sized.sizes
    assert EvolutionSettings().sizes == (100, 25)
    assert EvolutionSettings(population=8, sample=3).sized(evaluations) == EvolutionSettings(population=8, sample=3)
    assert EvolutionSettings(population=12).sized(evaluations).sample == 3


def test_a_search_of_twenty_is_more_than_random_search() -> None:
    history = play(AgingEvolution(SPACE, EvolutionSettings().sized(20), seed=3), 20)
    drawn = play(RandomSearch(SPACE, seed=3), 20)
    assert history[:5] == drawn[:5]
    assert all(a != b for a, b in zip(history[5:], drawn[5:], strict=True))


def test_a_population_that_is_never_full_is_told() -> None:
    told = EvolutionSettings(population=100).warning(100)
    assert told is not None
    assert "here 100 networks: within 100 evaluations it is random search" in told
    assert EvolutionSettings(population=100).warning(101) is None
    assert all(EvolutionSettings().sized(n).warning(n) is None for n in range(1, 1000))


def test_children_differ_from_a_member_in_one_decision() -> None:
    history = play(AgingEvolution(SPACE, EvolutionSettings(population=8, sample=3), seed=0), 100)
    for number in range(8, 100):
        alive = history[number - 8 : number]
        assert 1 in [np.count_nonzero(np.subtract(history[number], member)) for member in alive]


@pytest.mark.parametrize("given", [0, 5, 10, 20])
@pytest.mark.parametrize("flying", [1, 10])
def test_a_warm_start_is_a_part_of_the_first_population(given: int, flying: int) -> None:
    """Its first 40 members are given or random; the one after them differs from a member in one decision."""
    space = nasnet(5)
    rng, waiting, known = np.random.default_rng(1), deque[tuple[int, Architecture]](), list[Architecture]()
    evolution = AgingEvolution(space, EvolutionSettings(population=40, sample=5))
    strategy = warm_started(evolution, [space.sample(rng) for _ in range(given)])
    for number in range(41):
        (proposal,) = strategy.propose(1)
        nearest = min((np.count_nonzero(np.subtract(proposal, one)) for one in known), default=99)
        assert (nearest == 1) == (number == 40)
        waiting.append((number, proposal))
        if len(waiting) == flying:
            answered, architecture = waiting.popleft()
            strategy.observe([ok(answered, architecture, 0.5)])
            known.append(architecture)


def test_proposals_that_are_withdrawn_leave_the_first_population_as_large() -> None:
    """As when a strategy learns again from the trials of an earlier version."""
    space, strategy = nasnet(5), AgingEvolution(nasnet(5), EvolutionSettings(population=10, sample=3), seed=1)
    rng = np.random.default_rng(2)
    recorded = [space.sample(rng) for _ in range(6)]
    strategy.withdraw(strategy.propose(6))
    strategy.observe([ok(number, one, 0.5) for number, one in enumerate(recorded)])
    proposals = strategy.propose(5)
    distances = [min(np.count_nonzero(np.subtract(one, other)) for other in recorded) for one in proposals]
    assert [distance == 1 for distance in distances] == [False] * 4 + [True]


def test_a_failed_child_ages_and_is_never_a_parent_while_others_live() -> None:
    strategy = AgingEvolution(SPACE, EvolutionSettings(population=4, sample=50), seed=0)
    first = strategy.propose(4)
    failed = (Failure(TrialState.NAN, "nan"),)
    failures = [Trial(i, a, TrialState.NAN, failures=failed) for i, a in enumerate(first[:3])]
    strategy.observe([*failures, ok(3, first[3], 0)])
    for child in strategy.propose(20):
        assert np.count_nonzero(np.subtract(child, first[3])) == 1


def test_local_search_climbs_to_an_optimum_before_it_restarts() -> None:
    history = play(LocalSearch(SPACE, seed=1), 200)
    assert len(set(history)) == len(history)  # nothing twice
    current, known = history[0], {history[0]}
    for architecture in history[1:]:
        if np.count_nonzero(np.subtract(architecture, current)) != 1:
            assert all(n in known for n in SPACE.neighbors(current))  # a start: everything around was seen
            current = architecture
        elif reward(architecture) > reward(current):
            current = architecture
        known.add(architecture)


@pytest.mark.parametrize("flying", [1, 4, 10, 30])
def test_local_search_begins_climb_after_climb_with_proposals_in_flight(flying: int) -> None:
    """In a landscape of many optima it must not wait for a start that is better than the optimum before it."""
    decisions = tuple(Decision(f"d{i}", tuple(range(4))) for i in range(6))
    space = SearchSpace("rugged", decisions, lambda values: Cell(values.values()), dict)
    rewards = np.random.default_rng(0).random([4] * 6)
    strategy, waiting, met, path = LocalSearch(space, seed=1), deque[Architecture](), set[Architecture](), list[float]()
    for number in range(600):
        (proposal,) = strategy.propose(1)
        assert proposal not in met
        met.add(proposal)
        waiting.append(proposal)
        if len(waiting) == flying:
            ended = waiting.popleft()
            strategy.observe([ok(number + 1 - flying, ended, float(rewards[ended]))])
            path.append(strategy.diagnostics()["current"])
    late = np.array(path[-300:])
    assert np.count_nonzero(late[1:] > late[:-1]) > 10
    assert np.count_nonzero(late[1:] < late[:-1]) > 3


def test_local_search_does_not_return_to_a_hill_by_a_late_neighbor_that_is_no_better() -> None:
    """The last neighbor of an optimum arrives after a worse start, from which the search climbs already."""
    strategy = LocalSearch(SPACE, seed=0)
    (top,) = strategy.propose(1)
    strategy.observe([ok(0, top, 1.0)])
    neighbors = strategy.propose(10)  # all there are
    (start,) = strategy.propose(1)
    assert np.count_nonzero(np.subtract(start, top)) > 1
    strategy.observe([ok(number, one, 0.0) for number, one in enumerate(neighbors[:9], 1)])
    strategy.observe([ok(11, start, 0.2)])
    strategy.observe([ok(10, neighbors[9], 0.9)])
    assert strategy.diagnostics() == {"climbs": 2, "current": 0.2}
    (near,) = strategy.propose(1)
    assert np.count_nonzero(np.subtract(near, start)) == 1
    strategy.observe([ok(12, near, 0.3)])
    assert strategy.diagnostics() == {"climbs": 2, "current": 0.3}


def test_local_search_in_a_used_up_space_repeats_instead_of_hanging() -> None:
    assert len(set(play(LocalSearch(SPACE, seed=0), 3**5 + 5))) == 3**5


def test_random_search_finds_what_probability_says() -> None:
    """The expected maximum of n uniform draws from 100 equally likely rewards 1..100 is known in closed form."""
    values = np.arange(1.0, 101.0)[:, np.newaxis]
    ops = np.stack([np.arange(100) // 10, np.arange(100) % 10], axis=1)
    names = [[str(i) for i in range(10)]] * 2
    table = make_table("hundred", ops, names, ["value"], values)
    draws, runs = 20, 400
    best = []
    for seed in range(runs):
        proposals = np.array(RandomSearch(table.space, seed).propose(draws))
        best.append(table.column("value")[table.lookup(proposals)].max())
    expected = sum(1 - (k / 100) ** draws for k in range(100))
    assert np.mean(best) == pytest.approx(expected, abs=4 * np.std(best) / np.sqrt(runs))


@pytest.mark.parametrize("name", ["evolution", "local search"])
def test_spaces_of_cells_are_searched(name: str) -> None:
    space = nasnet(2)
    small = EvolutionSettings(population=10, sample=5)
    search: Strategy = AgingEvolution(space, small, seed=0) if name == "evolution" else LocalSearch(space, seed=0)
    for index in range(60):
        (architecture,) = search.propose(1)
        search.observe([ok(index, architecture, float(sum(architecture)))])
    start = np.mean([sum(space.sample(np.random.default_rng(i))) for i in range(200)])
    assert np.mean([sum(a) for a in search.propose(10)]) > start
