"""Intervals of proportions, by what defines them."""

from statistics import NormalDist

import pytest

from rl_nas.statistics import proportion_interval

Z = NormalDist().inv_cdf(0.975)


@pytest.mark.parametrize(("successes", "total"), [(1, 2), (9, 10), (57, 60), (296, 300), (3, 10_000)])
def test_its_ends_are_the_proportions_that_are_just_not_refuted(successes: int, total: int) -> None:
    """Wilson (1927): those from which the observed one is 1.96 of their own standard errors away."""
    for end in proportion_interval(successes, total):
        assert abs(successes / total - end) / (end * (1 - end) / total) ** 0.5 == pytest.approx(Z)


def test_where_all_or_none_succeed() -> None:
    assert proportion_interval(0, 20) == pytest.approx((0, Z**2 / (20 + Z**2)))
    assert proportion_interval(20, 20) == pytest.approx((20 / (20 + Z**2), 1))
    low, high = proportion_interval(0, 7)
    assert low == 0.0
    assert proportion_interval(7, 7) == (pytest.approx(1 - high), 1.0)


def test_a_known_one() -> None:
    """81 of 263: Newcombe (1998), table I, method 3."""
    assert proportion_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_of_nothing_nothing_is_known() -> None:
    assert proportion_interval(0, 0) == (0, 1)
