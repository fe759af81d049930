"""Intervals of proportions."""

import math

import numpy as np
import pytest

from rl_nas.statistics import proportion_interval, proportion_text

Z = 1.959963984540054


@pytest.mark.parametrize(("successes", "total"), [(0, 10), (10, 10), (5, 10), (296, 300), (1, 1), (17.5, 40)])
def test_the_ends_solve_wilsons_equation(successes: float, total: int) -> None:
    """At an end p the observed share lies 1.96 deviations of p away: (share - p)^2 = z^2 p (1 - p) / n."""
    share = successes / total
    for end in proportion_interval(successes, total):
        assert (share - end) ** 2 == pytest.approx(Z**2 * end * (1 - end) / total, abs=1e-12)


def test_published_values() -> None:
    """Newcombe 1998, table I, method 3: the score method without continuity correction."""
    for successes, total, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        assert proportion_interval(successes, total) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert proportion_interval(1, 29) == (pytest.approx(0.0061, abs=5e-5), pytest.approx(0.1718, abs=5e-5))


def test_95_of_100_intervals_hold_the_truth() -> None:
    """Over all counts of 100 trials, weighed by their probability; Wilson's coverage swings around 95 %."""
    found = []
    for truth in np.linspace(0.05, 0.95, 19):
        held = [proportion_interval(count, 100) for count in range(101)]
        weights = [math.comb(100, count) * truth**count * (1 - truth) ** (100 - count) for count in range(101)]
        found.append(sum(w for w, (low, high) in zip(weights, held, strict=True) if low <= truth <= high))
    assert min(found) > 0.92
    assert np.mean(found) == pytest.approx(0.95, abs=0.01)


def test_few_trials_tell_their_interval() -> None:
    assert proportion_text(296 / 300, 300) == "0.9867 (95%: 0.9662 to 0.9948)"
    assert proportion_text(0.9867, 1000) == proportion_text(0.9867, 0) == "0.9867"


@pytest.mark.parametrize(("successes", "total"), [(0, 0), (3, 2), (-1, 2)])
def test_what_is_no_proportion_is_refused(successes: int, total: int) -> None:
    with pytest.raises(ValueError, match="expected at least one"):
        proportion_interval(successes, total)
