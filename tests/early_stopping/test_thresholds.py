"""Rules that stop hopeless children."""

import math

import numpy as np
import pytest

from rl_nas.early_stopping.thresholds import EarlyStopSettings, falls_short, rungs, thresholds

MEDIAN = EarlyStopSettings(rule="median", epochs=1, trials=3)
LINE = EarlyStopSettings(rule="extrapolation", epochs=1, trials=3)
CURVES = [(0.1, 0.3, 0.5), (0.2, 0.4, 0.6), (0.3, 0.5, 0.7)]


def test_the_median_rule_compares_the_best_with_mean_accuracies() -> None:
    assert thresholds(CURVES, MEDIAN) == pytest.approx((0.2, 0.3))
    # A stopped child counts as far as it came.
    assert thresholds([*CURVES, (0.9,)], MEDIAN) == pytest.approx((0.25, 0.3))
    assert falls_short((0.1,), (0.2, 0.3), "median")
    assert not falls_short((0.2,), (0.2, 0.3), "median")
    assert not falls_short((0.35, 0.1), (0.2, 0.3), "median")  # its best counts
    assert falls_short((0.35, 0.1), (0.2, 0.3), "extrapolation")  # its last
    assert not falls_short((0.0, 0.0, 0.0), (0.2, 0.3), "median")  # it is over anyway


def test_nobody_is_stopped_too_early_or_by_too_few() -> None:
    assert thresholds(CURVES[:2], MEDIAN) == (-math.inf, -math.inf)
    assert thresholds([], MEDIAN) == ()
    assert thresholds(CURVES, EarlyStopSettings(rule="median", epochs=2, trials=3)) == pytest.approx((-math.inf, 0.3))
    assert thresholds(CURVES, EarlyStopSettings(rule="record")) == ()
    assert thresholds(CURVES, EarlyStopSettings(rule="none")) == ()


@pytest.mark.parametrize("settings", [MEDIAN, LINE])
@pytest.mark.parametrize("shift", [-1.0, -100.0, 5.0])
def test_rules_do_not_depend_on_the_zero_of_the_quality(settings: EarlyStopSettings, shift: float) -> None:
    """R squared may be negative, and other qualities may exceed 1."""
    shifted = [tuple(quality + shift for quality in curve) for curve in CURVES]
    bars = thresholds(shifted, settings)
    assert bars == pytest.approx([bar + shift for bar in thresholds(CURVES, settings)])
    assert falls_short((0.1 + shift,), bars, settings.rule)
    assert not falls_short((0.25 + shift,), bars, settings.rule)
    assert not falls_short((-0.3 + shift,), thresholds(shifted[:2], settings), settings.rule)  # too few to judge by


def test_a_line_without_scatter_is_followed_to_the_quantile() -> None:
    """Final = first + 0.4, exactly: to end above the median, 0.6, a child must begin with 0.2."""
    assert thresholds(CURVES, LINE) == pytest.approx((0.2, 0.4))
    assert thresholds(CURVES, EarlyStopSettings(rule="extrapolation", trials=3, quantile=1.0)) == pytest.approx(
        (0.3, 0.5)
    )
    backwards = [(0.3, 0.5), (0.2, 0.6), (0.1, 0.7)]
    assert thresholds(backwards, LINE) == (-math.inf,)


def test_one_in_twenty_of_the_good_children_is_stopped() -> None:
    """What the 5 % mean: of children at the bar's expectation, that share ends above the target."""
    rng = np.random.default_rng(0)
    first = rng.uniform(0.2, 0.6, 4000)
    final = 0.3 + 0.8 * first + rng.normal(0, 0.03, len(first))
    (bar,) = thresholds([*zip(first[:2000], final[:2000], strict=True)], LINE)
    target = np.median(final)
    at_the_bar = np.abs(first - bar) < 0.01
    assert np.mean(final[at_the_bar] > target) == pytest.approx(0.05, abs=0.03)
    stopped = first[2000:] < bar
    assert 0.3 < np.mean(stopped) < 0.5
    assert np.mean(final[2000:][stopped] > target) < 0.05


@pytest.mark.parametrize(
    ("first", "factor", "epochs", "expected"),
    [
        (1, 3, 27, [1, 3, 9, 27]),
        (1, 3, 20, [1, 3, 9, 20]),
        (2, 2, 7, [2, 4, 7]),
        (5, 3, 4, [4]),
        (1, 1.5, 4, [1, 2, 3, 4]),
    ],
)
def test_rungs_grow_by_the_factor_to_the_whole_training(
    first: int, factor: float, epochs: int, expected: list[int]
) -> None:
    assert rungs(EarlyStopSettings(rule="halving", epochs=first, factor=factor), epochs) == expected
