"""What networks may cost."""

import numpy as np
import pytest

from rl_nas.errors import UsageError
from rl_nas.evaluation.limits import LimitSettings, PlannedCost, training_bytes
from rl_nas.networks.layer import Cost
from rl_nas.networks.layers import Add, Conv, Relu
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.decisions import Decision, SearchSpace
from rl_nas.spaces.published import PUBLISHED
from rl_nas.tasks.classification.head import ClassificationHead as Head
from rl_nas.trial import ChildError
from rl_nas.units import GIB, KIB
from rl_nas.workflows.affordable import affordable


def two_convolutions() -> Plan:
    plan = Plan.of_image((8, 8, 3))
    x = plan.add(Conv(16, (3, 3)), plan.image, name="first")
    plan.outputs = {"y": plan.add(Conv(4, (1, 1), strides=(2, 2)), x, name="second")}
    return plan


def test_memory_is_that_of_outputs_and_parameters() -> None:
    plan = two_convolutions()
    outputs, parameters = 8 * 8 * 16 + 4 * 4 * 4, 3 * 3 * 3 * 16 + 16 * 4
    assert plan.activations() == outputs
    assert training_bytes(plan, 1) == round(4 * (0.7 * outputs + 4 * parameters))
    more = training_bytes(plan, 33) - training_bytes(plan, 1)
    assert more == pytest.approx(4 * 0.7 * 32 * outputs, rel=1e-3)


def test_the_peak_is_that_of_the_widest_layer_and_what_later_ones_read() -> None:
    image, wide, small = 8 * 8 * 3, 8 * 8 * 16, 4 * 4 * 4
    assert two_convolutions().peak_activations() == max(image + wide, wide + small)
    plan = Plan.of_image((8, 8, 3))
    first = plan.add(Conv(16, (3, 3)), plan.image, name="first")
    active = plan.add(Relu(), first, name="active")  # takes the place of what nobody reads any more
    plan.outputs = {"y": plan.add(Conv(16, (3, 3)), active, name="second")}
    assert plan.peak_activations() == 2 * wide
    plan.outputs = {"y": plan.add(Add(), active, next(iter(plan.outputs.values())), name="sum")}
    assert plan.peak_activations() == 3 * wide  # both are read, and a sum needs a place of its own
    plan = Plan.of_image((8, 8, 3))
    first = plan.add(Conv(16, (3, 3)), plan.image, name="first")
    active = plan.add(Relu(), first, name="active")
    plan.outputs = {"y": plan.add(Conv(1, (1, 1)), active, name="second"), "first": first}
    assert plan.peak_activations() == 2 * wide + 8 * 8  # an output of the network is held to the end


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (LimitSettings(max_params=495), r"496 parameters; --max_params=495"),
        (LimitSettings(max_madds=28_671), r"28,672 multiply-adds; --max_madds=28671"),
        (LimitSettings(max_peak_memory_kib=4.7), r"4\.75 KiB of activations at once; --max_peak_memory_kib=4\.7"),
        (LimitSettings(max_memory_gib=1e-6), r"GiB, estimated, to be trained; --max_memory_gib=1e-06"),
    ],
)
def test_networks_over_a_limit_are_refused(settings: LimitSettings, message: str) -> None:
    plan = two_convolutions()
    with pytest.raises(ChildError, match=message) as caught:
        settings.check(plan, 2, PlannedCost.of(plan))
    assert caught.value.state == "over_limit"


def test_others_are_not() -> None:
    plan = two_convolutions()
    exact = LimitSettings(496, 8 * 8 * 3 * 3 * 3 * 16 + 4 * 4 * 16 * 4, 4.75, 2.5, 8, training_bytes(plan, 2) / GIB)
    for settings in (LimitSettings(), exact):
        settings.check(plan, 2, PlannedCost.of(plan))
        settings.check_latency(0.0025)
        settings.check_tflite(8 * KIB)


def test_what_is_measured_is_compared_in_its_unit() -> None:
    limits = LimitSettings(max_latency_ms=2.5, max_tflite_kib=8)
    assert limits.measured == ("latency", "tflite_size")
    with pytest.raises(ChildError, match=r"^2\.6 ms for an image; --max_latency_ms=2\.5$"):
        limits.check_latency(0.0026)
    with pytest.raises(ChildError, match=r"^8\.001 KiB as a TFLite model; --max_tflite_kib=8$"):
        limits.check_tflite(8 * KIB + 1)


class Width(tuple[int]):
    def canonical_key(self) -> str:
        return str(self[0])


SPACE = SearchSpace("widths", (Decision("width", tuple(range(20))),), lambda values: Width(values.values()), dict)


def cost(genotype: Width) -> PlannedCost:
    if genotype[0] == 19:
        raise UsageError("cannot be built")
    return PlannedCost(10 * genotype[0], 7, 1024)


def test_a_space_offers_what_is_affordable(capsys: pytest.CaptureFixture[str]) -> None:
    assert affordable(SPACE, LimitSettings(max_latency_ms=1), cost) is SPACE
    space, rng = affordable(SPACE, LimitSettings(max_params=30, max_madds=7), cost), np.random.default_rng(0)
    assert (
        "of 100 random networks of --space=widths are within --max_params=30 --max_madds=7" in capsys.readouterr().err
    )
    offered = {0, 1, 2, 3, 19}  # the last one is a failure of its own kind
    assert {space.sample(rng)[0] for _ in range(200)} == offered
    assert {space.mutate((1,), rng)[0] for _ in range(200)} == offered - {1}
    assert {neighbor[0] for neighbor in space.neighbors((9,))} == offered
    assert space.sample(rng, {0: 9}) == (9,)  # fixed beyond the limit: its child ends at once


def test_a_limit_below_all_networks_is_refused_at_once() -> None:
    def large(genotype: Width) -> PlannedCost:
        return PlannedCost(1000 + genotype[0], 7, 1024)

    with pytest.raises(
        UsageError, match=r"--max_params=999: none of 100 .* the smallest have 1,000 parameters, 7 mult"
    ):
        affordable(SPACE, LimitSettings(max_params=999), large)


def test_a_backbone_of_keras_counts() -> None:
    assert PlannedCost.of(two_convolutions(), Cost(4, 0, 28)).parameters == 500


def test_a_published_network_needs_gibibytes() -> None:
    """NASNet-A 6@768 on CIFAR-10 in batches of 128 was trained on GPUs with 16 GiB, not on those with 2."""
    plan = plan_network(
        PUBLISHED["NASNet-A"],
        NetworkSettings(network="cifar", cells=6, filters=32),
        (32, 32, 3),
        Head(10),
    )
    assert 2 < training_bytes(plan, 128) / GIB < 16
