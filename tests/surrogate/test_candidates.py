"""Mutations, and the candidates of a small space."""

import numpy as np

from rl_nas.bench.table import make_table
from rl_nas.spaces.decisions import FREE, Decision, SearchSpace
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.nasnet import nasnet
from rl_nas.surrogate.candidates import MOST_ENUMERATED, Mutations, enumerated


class Named(str):
    """A genotype that is no more than its name."""

    def canonical_key(self) -> str:
        return self


def conditional() -> SearchSpace[Named]:
    return SearchSpace(
        "conditional",
        (
            Decision("a", (0, 1, 2)),
            Decision("b", (0, 1), when=(("a", (1, 2)),)),
            Decision("c", (0, 1, 2, 3), when=(("b", (1,)),)),
        ),
        decoder=lambda values: Named(str(values)),
        encoder=lambda named: {},
    )


def mutated(space: SearchSpace[Named], start: np.ndarray, fixed: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    source = rng.integers(len(start), size=count)
    return Mutations(space).draw(rng, start[source], fixed[source])


def test_mutations_are_legal_near_and_reach_a_whole_space_with_conditions() -> None:
    space = conditional()
    start = np.array([[0, 0, 0], [2, 1, 1]])
    fixed = np.array([[FREE, FREE, FREE], [FREE, 1, FREE]])
    mutations = mutated(space, start[:1], fixed[:1], 4000)
    assert len(np.unique(mutations, axis=0)) == space.size() == 11
    # Each of the three decisions is made anew with probability 7/12: (1/2 + 2/4 + 3/4) / 3.
    assert abs(np.mean(mutations[:, 0] != 0) - 7 / 12 * 2 / 3) < 0.03
    mutations = mutated(space, start, fixed, 4000)
    for architecture in mutations:
        space.validate(architecture)
    given = np.isin(mutations[:, 0], [1, 2]) & (mutations[:, 1] == 1)
    assert 0.5 < given.mean() < 1.0


def test_what_a_mutation_switches_on_is_drawn_by_its_weights() -> None:
    rare = Decision("rare", (0, 1), when=(("on", (1,)),), weights=(1, 9))
    space = SearchSpace("rare", (Decision("on", (0, 1)), rare), lambda values: Named(str(values)), lambda named: {})
    mutations = mutated(space, np.array([[0, 0]]), np.full([1, 2], FREE), 8000)
    switched_on = mutations[mutations[:, 0] == 1]
    assert len(switched_on) > 2000
    assert abs(switched_on[:, 1].mean() - 0.9) < 5 * np.sqrt(0.09 / 2000)


def test_mutations_keep_what_is_not_free() -> None:
    space = nas_rl()
    rng = np.random.default_rng(1)
    drawn = np.array([space.sample(rng, {0: 1, 3: 2}) for _ in range(20)])
    fixed = np.full(drawn.shape, FREE)
    fixed[:, [0, 3]] = [1, 2]
    source = rng.integers(20, size=500)
    mutations = Mutations(space).draw(rng, drawn[source], fixed[source])
    assert (mutations[:, [0, 3]] == [1, 2]).all()
    nearest = (mutations[:, np.newaxis] != drawn).sum(axis=2).min(axis=1)
    assert np.median(nearest) <= 2
    assert nearest.max() >= 4


def test_a_small_space_is_enumerated_and_a_large_one_is_not() -> None:
    found = enumerated(conditional())
    assert found is not None
    assert len(np.unique(found, axis=0)) == len(found) == 11
    for architecture in found.tolist():
        conditional().validate(architecture)
    ops = np.array([[0, 0], [0, 1], [1, 1]])
    table = make_table("three", ops, [["a", "b"]] * 2, ["valid"], np.zeros([3, 1]))
    assert sorted(map(tuple, enumerated(table.space))) == sorted(map(tuple, ops))
    assert nasnet().size() > MOST_ENUMERATED
    assert enumerated(nasnet()) is None
