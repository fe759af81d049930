"""Counts of planned networks against published ones (released code of Zoph et al. 2018)."""

import pytest

from rl_nas.errors import UsageError
from rl_nas.networks.skeleton import NetworkSettings, plan_network
from rl_nas.spaces.published import NASNET_A


@pytest.mark.parametrize(
    ("cells", "filters", "trainable", "other", "madds"),
    [
        (6, 32, 3_346_538, 37_248, 544_333_312),
        (2, 32, 1_294_698, 15_744, 232_185_344),
        (2, 24, 757_906, 11_808, 136_390_272),
    ],
)
def test_nasnet_a_on_cifar(cells: int, filters: int, trainable: int, other: int, madds: int) -> None:
    cost = plan_network(NASNET_A, NetworkSettings(cells=cells, filters=filters), (32, 32, 3), 10).cost()
    assert (cost.trainable, cost.other, cost.madds) == (trainable, other, madds)


def test_too_small_images_are_refused() -> None:
    with pytest.raises(UsageError, match="too small for 2 reductions"):
        plan_network(NASNET_A, NetworkSettings(), (3, 3, 3), 10)
