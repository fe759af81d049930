"""How large children may be."""

import pytest

from rl_nas.evaluation.limits import LimitSettings, training_bytes
from rl_nas.networks.layers import Conv
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.published import PUBLISHED
from rl_nas.tasks.classification.head import ClassificationHead as Head
from rl_nas.trial import ChildError
from rl_nas.units import GIB


def two_convolutions() -> Plan:
    plan = Plan.of_image((8, 8, 3))
    x = plan.add(Conv(16, (3, 3)), plan.image, name="first")
    plan.add(Conv(4, (1, 1), strides=(2, 2)), x, name="second")
    return plan


def test_memory_is_that_of_outputs_and_parameters() -> None:
    plan = two_convolutions()
    outputs, parameters = 8 * 8 * 16 + 4 * 4 * 4, 3 * 3 * 3 * 16 + 16 * 4
    assert plan.activations() == outputs
    assert training_bytes(plan, 1) == round(4 * (0.7 * outputs + 4 * parameters))
    more = training_bytes(plan, 33) - training_bytes(plan, 1)
    assert more == pytest.approx(4 * 0.7 * 32 * outputs, rel=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (LimitSettings(max_params=495), r"496 parameters; --max_params=495"),
        (LimitSettings(max_memory_gib=1e-6), r"needs about .* GiB; --max_memory_gib=1e-06"),
    ],
)
def test_larger_ones_are_invalid(settings: LimitSettings, message: str) -> None:
    with pytest.raises(ChildError, match=message) as caught:
        settings.check(two_convolutions(), 2)
    assert caught.value.state == "invalid"


def test_others_are_not() -> None:
    plan = two_convolutions()
    for settings in (LimitSettings(), LimitSettings(max_params=496, max_memory_gib=training_bytes(plan, 2) / GIB)):
        settings.check(plan, 2)


def test_a_published_network_needs_gibibytes() -> None:
    """NASNet-A 6@768 on CIFAR-10 in batches of 128 was trained on GPUs with 16 GiB, not on those with 2."""
    plan = plan_network(
        PUBLISHED["NASNet-A"],
        NetworkSettings(network="cifar", cells=6, filters=32),
        (32, 32, 3),
        Head(10),
    )
    assert 2 < training_bytes(plan, 128) / GIB < 16
