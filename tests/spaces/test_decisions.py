"""Spaces as data: counting, sampling, encoding."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_nas.errors import UsageError
from rl_nas.spaces.decisions import Choice, Decision, SearchSpace

Values = tuple[tuple[str, Choice], ...]


def space_of(decisions: list[Decision]) -> SearchSpace[Values]:
    return SearchSpace("test", tuple(decisions), lambda values: tuple(values.items()), dict)


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace[Values]:
    """Small spaces whose decisions depend on random earlier ones."""
    decisions: list[Decision] = []
    for number in range(draw(st.integers(1, 5))):
        choices = tuple(range(draw(st.integers(1, 3))))
        parents = draw(st.lists(st.sampled_from(decisions), max_size=2, unique=True)) if decisions else []
        when = tuple((d.name, tuple(draw(st.sets(st.sampled_from(d.choices), min_size=1)))) for d in parents)
        decisions.append(Decision(f"d{number}", choices, when))
    return space_of(decisions)


def members(space: SearchSpace[Values]) -> list[tuple[int, ...]]:
    """All architectures, by trying every combination."""
    found = []
    for combination in product(*(range(len(d.choices)) for d in space.decisions)):
        try:
            space.validate(combination)
        except UsageError:
            continue
        found.append(combination)
    return found


@given(spaces())
def test_size_is_the_number_of_valid_architectures(space: SearchSpace[Values]) -> None:
    assert space.size() == len(members(space))


@given(spaces(), st.integers(0, 2**32))
def test_samples_are_valid_and_survive_decoding(space: SearchSpace[Values], seed: int) -> None:
    architecture = space.sample(np.random.default_rng(seed))
    space.validate(architecture)
    assert space.encode(space.decode(architecture)) == architecture


def test_every_architecture_is_sampled() -> None:
    a = Decision("a", ("x", "y"))
    space = space_of([a, Decision("b", (0, 1, 2), when=(("a", ("y",)),))])
    rng = np.random.default_rng(0)
    # The rarest has probability 1/6: 200 samples miss it with probability 1e-16.
    assert {space.sample(rng) for _ in range(200)} == {(0, 0), (1, 0), (1, 1), (1, 2)}


def test_choices_are_as_frequent_as_their_weights_say() -> None:
    """In samples, and where a mutation makes a decision active; five standard errors, once in 1.7 million."""
    rare = Decision("rare", ("x", "y"), when=(("on", (1,)),), weights=(1, 9))
    space, rng = space_of([Decision("on", (0, 1)), rare]), np.random.default_rng(0)
    sampled = [space.sample(rng) for _ in range(10_000)]
    assert abs(sum(a[0] for a in sampled) / 10_000 - 0.5) < 5 * np.sqrt(0.25 / 10_000)
    assert abs(np.mean([a[1] for a in sampled if a[0]]) - 0.9) < 5 * np.sqrt(0.09 / 5_000)
    switched_on = [space.mutate((0, 0), rng) for _ in range(5_000)]
    assert all(a[0] for a in switched_on)
    assert abs(np.mean([a[1] for a in switched_on]) - 0.9) < 5 * np.sqrt(0.09 / 5_000)


def test_a_mutation_leaves_no_choice_out_for_its_weight() -> None:
    space, rng = space_of([Decision("a", (0, 1, 2), weights=(1, 1, 1000))]), np.random.default_rng(0)
    zeros = sum(space.mutate((2,), rng) == (0,) for _ in range(1000))
    assert abs(zeros / 1000 - 0.5) < 5 * np.sqrt(0.25 / 1000)


@pytest.mark.parametrize(
    ("architecture", "message"),
    [((0,), "1 choices; space test has 2"), ((2, 0), "a is 2; expected 0 to 1"), ((0, 1), "b is 1; expected 0 to 0")],
)
def test_architectures_outside_are_refused(architecture: tuple[int, ...], message: str) -> None:
    space = space_of([Decision("a", ("x", "y")), Decision("b", (0, 1), when=(("a", ("y",)),))])
    with pytest.raises(UsageError, match=message):
        space.validate(architecture)


@pytest.mark.parametrize(
    "decisions",
    [
        [Decision("a", ())],
        [Decision("a", (0,)), Decision("a", (0,))],
        [Decision("a", (0,), when=(("b", (0,)),)), Decision("b", (0,))],
        [Decision("a", (0,)), Decision("b", (0,), when=(("a", (1,)),))],
        [Decision("a", (0, 1), weights=(1,))],
        [Decision("a", (0, 1), weights=(1, 0))],
        [Decision("a", (0, 1), weights=(1, float("nan")))],
    ],
)
def test_impossible_spaces_are_refused(decisions: list[Decision]) -> None:
    with pytest.raises(UsageError):
        space_of(decisions)
