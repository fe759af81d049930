"""An auxiliary head that images are too small for: left out or refused. No TensorFlow."""

import pytest

from rl_nas.errors import UsageError
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.published import NASNET_A
from rl_nas.tasks.catalog import find_task
from rl_nas.tasks.networks import Networks
from rl_nas.workflows.auxiliary import with_fitting_auxiliary

SMALL = {"cells": 1, "filters": 2}


def networks(side: int, **settings: object) -> Networks:
    task = find_task("classification")
    return Networks(task, task.problem(("a", "b")), NetworkSettings(**{**SMALL, **settings}), (side, side, 1))


@pytest.mark.parametrize("settings", [{"network": "cifar"}, {"auxiliary": True}])
def test_one_of_a_preset_or_a_recipe_is_left_out_with_a_line(settings: dict[str, object]) -> None:
    told: list[str] = []
    found = with_fitting_auxiliary(networks(8, **settings), [lambda: NASNET_A], asked=False, tell=told.append)
    assert told == ["the auxiliary head pools 5x5 pixels, but gets 4x4: it is left out"]
    assert not found.skeleton(NASNET_A).auxiliary
    assert "auxiliary" not in found.plan(NASNET_A, training_steps=1).outputs


def test_one_that_reads_no_reduction_is_left_out() -> None:
    told: list[str] = []
    small = networks(8, network="cifar", reductions=0)
    with_fitting_auxiliary(small, [lambda: NASNET_A], asked=False, tell=told.append)
    assert told == ["the auxiliary head reads what the last reduction reads, and there is none: it is left out"]


def test_one_that_the_command_line_asks_for_is_refused() -> None:
    with pytest.raises(UsageError, match="pools 5x5 pixels, but gets 4x4; give --noauxiliary or larger images"):
        with_fitting_auxiliary(networks(8, auxiliary=True), [lambda: NASNET_A], asked=True, tell=pytest.fail)


def test_one_that_fits_stays_and_other_problems_are_told_as_they_are() -> None:
    large = networks(32, network="cifar")
    assert with_fitting_auxiliary(large, [lambda: NASNET_A], asked=False, tell=pytest.fail) is large
    tiny = networks(2, network="cifar")
    with pytest.raises(UsageError, match="images of 2x2 pixels are too small for 2 reductions"):
        with_fitting_auxiliary(tiny, [lambda: NASNET_A], asked=False, tell=pytest.fail)
