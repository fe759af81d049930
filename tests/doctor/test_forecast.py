"""Forecasts of searches: sums, bounds of schedules, interpolation."""

from dataclasses import replace

import numpy as np
import pytest

from rl_nas.doctor.forecast import ChildForecast, SearchForecast, child_seconds, evaluation_seconds
from rl_nas.doctor.shared import SharedForecast, strategy_updates
from rl_nas.one_shot.settings import EstimatorSettings

RNG = np.random.default_rng(0)


def child(madds: int, seconds: float) -> ChildForecast:
    return ChildForecast("some", madds, 10, seconds, 1.0, 0.1, 2**20)


def test_one_worker_takes_the_sum_of_all() -> None:
    children = RNG.random(30).tolist()
    for batch in (1, 7, 30, None):
        assert evaluation_seconds(children, 1, batch) == pytest.approx(sum(children))


def test_children_of_equal_length_fill_all_workers() -> None:
    assert evaluation_seconds([2.0] * 24, 4, 12) == pytest.approx(2.0 * 24 / 4)
    assert evaluation_seconds([2.0] * 24, 4, 6) == pytest.approx(
        2.0 * 2 * 4
    )  # the second round of a batch is half empty
    assert evaluation_seconds([], 4, None) == 0


@pytest.mark.parametrize("workers", [1, 2, 5, 40])
def test_a_schedule_is_within_grahams_bounds(workers: int) -> None:
    children = RNG.exponential(size=37).tolist()
    least, longest = sum(children) / workers, max(children)
    free = evaluation_seconds(children, workers, None)
    assert max(least, longest) - 1e-9 <= free <= least + longest
    assert evaluation_seconds(children, workers, 5) >= free - 1e-9


def test_batches_in_flight_keep_workers_busy() -> None:
    """By hand: batches of two on two workers wait for the longer child of the one before, or do not wait at all."""
    children = [1.0, 3.0] * 4
    assert evaluation_seconds(children, 2, 2) == 12
    assert evaluation_seconds(children, 2, 2, 2) == evaluation_seconds(children, 2) == 9
    several = RNG.exponential(size=60).tolist()
    times = [evaluation_seconds(several, 6, 5, flying) for flying in range(1, 13)]
    assert times[-1] == pytest.approx(evaluation_seconds(several, 6))


def test_children_between_measured_ones_are_interpolated() -> None:
    measured = [child(300, 9.0), child(100, 5.0), child(200, 6.0)]
    assert child_seconds(measured, [100, 200, 300]).tolist() == [5.0, 6.0, 9.0]
    assert child_seconds(measured, [150, 250, 20, 900]).tolist() == [5.5, 7.5, 5.0, 9.0]
    assert child_seconds(measured, [100], seeds=3).tolist() == [15.0]


def test_the_parts_of_a_search_add_up() -> None:
    forecast = SearchForecast(
        children=80.0, evaluating=50.0, begin=10.0, strategy=4.0, end=6.0, workers=2, disk=1000, memory=9
    )
    assert forecast.seconds == 70
    assert forecast.busy == 0.8


def test_shared_weights_come_before_the_children() -> None:
    forecast = SearchForecast(
        children=80.0, evaluating=50.0, begin=10.0, shared=100.0, strategy=4.0, end=6.0, workers=2, disk=1000, memory=9
    )
    assert forecast.seconds == 170
    assert forecast.children_within(170, 20) == 20
    assert forecast.children_within(10 + 100 + 6 + 54 / 2, 20) == 10
    assert forecast.children_within(10 + 100, 20) == 0


def test_what_shared_weights_take_is_the_sum_over_their_phases() -> None:
    """30 steps, 6 updates by 5 networks each, and 8 networks ranked at the end."""
    settings = EstimatorSettings("shared", shared_epochs=3, shared_warmup=1, shared_updates=3, shared_samples=8)
    whole = SharedForecast(steps=10, step=2.0, reward=0.5, ranking=7.0, strategy=11.0)
    assert strategy_updates(settings) == 6
    assert whole.seconds(settings, batch=5) == 3 * 10 * 2 + 6 * 5 * 0.5 + 8 * 7 + 11
    assert strategy_updates(replace(settings, shared_warmup=4)) == 0


def test_children_of_so_many_hours_leave_time_for_the_strategy_and_the_ends() -> None:
    forecast = SearchForecast(
        children=80.0, evaluating=50.0, begin=10.0, strategy=4.0, end=6.0, workers=2, disk=1000, memory=9
    )
    assert forecast.children_within(forecast.seconds, 20) == 20
    assert forecast.children_within(10 + 6 + 54, 20) == 20
    assert forecast.children_within(10 + 6 + 54 / 2, 20) == 10
    assert forecast.children_within(5, 20) == 0
