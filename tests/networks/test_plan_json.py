"""Plans survive their JSON; a stranger's JSON is a plan of known layers, or one line."""

import json
from typing import Any

import pytest

import rl_nas
from rl_nas.child.network.kinds.catalog import KINDS as BUILT
from rl_nas.errors import UsageError
from rl_nas.networks.layers import Add, Conv, Relu
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import MAX_LAYERS, Plan
from rl_nas.networks.plan_json import KINDS, plan_from_json, plan_to_json
from rl_nas.networks.settings import NetworkSettings


def small() -> Plan:
    plan = Plan.of_image((8, 8, 3))
    first = plan.add(Conv(4, (3, 3), (2, 2), bias=True), plan.image, name="conv")
    second = plan.add(Conv(4, (1, 1)), first, name="one")
    third = plan.add(Conv(4, (1, 1)), plan.add(Relu(), first, name="relu"), name="two", weights_of=second)
    plan.outputs["logits"] = plan.add(Add(), second, third, name="add")
    return plan


def again(plan: Plan) -> Plan:
    return plan_from_json(json.loads(json.dumps(plan_to_json(plan))))


def test_all_kinds_that_can_be_built_are_known() -> None:
    assert set(KINDS.values()) == BUILT.keys()


@pytest.mark.parametrize("name", ["NASNet-A", "AmoebaNet-A", "PNASNet-5", "ENAS-micro"])
def test_a_network_computes_the_same(name: str) -> None:
    settings = NetworkSettings(network="imagenet_mobile", cells=1, filters=8)
    plan = plan_network(rl_nas.PUBLISHED[name], settings, (160, 160, 3), rl_nas.ClassificationHead(10), 100)
    assert again(plan).text() == plan.text()
    assert again(plan).cost() == plan.cost()


def test_weights_that_are_shared_stay_shared() -> None:
    assert again(small()).text() == small().text()
    assert [node.weights_of for node in again(small()).nodes] == [None, None, None, "one", None]


def test_several_inputs() -> None:
    plan = Plan({"level4": (16, 16, 8), "level16": (4, 4, 8)}, (64, 64))
    plan.outputs["coarse"] = plan.add(Relu(), plan.inputs["level16"], name="relu")
    assert again(plan).text() == plan.text()


def changed(**values: Any) -> dict[str, Any]:
    """The document of the small plan with other values in its first layer."""
    document = plan_to_json(small())
    document["layers"][0] |= values
    return document


FIELDS = plan_to_json(small())["layers"][0]["fields"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "it describes no network"),
        (changed(kind="os.system"), "unknown kind 'os.system'"),
        (changed(kind="__class__"), "unknown kind"),
        (changed(kind=["Conv"]), "it describes no network"),
        (changed(fields={**FIELDS, "filters": "4"}), "a layer Conv has filters='4'"),
        (changed(fields={**FIELDS, "filters": True}), "a layer Conv has filters=True"),
        (changed(fields={**FIELDS, "filters": 0}), "a tensor of shape"),
        (changed(fields={**FIELDS, "filters": 2**30}), "a layer Conv has filters="),
        (changed(fields={**FIELDS, "strides": [0, 1]}), "it describes no network"),
        (changed(fields={**FIELDS, "strides": [1]}), "a layer Conv has strides="),
        (changed(fields={**FIELDS, "padding": "reflect"}), "a layer Conv has padding="),
        (changed(fields={**FIELDS, "deviation": float("nan")}), "a layer Conv has deviation=nan"),
        (changed(fields={**FIELDS, "__init__": 1}), "it describes no network"),
        (changed(fields={}), "it describes no network"),
        (changed(reads=[7]), "it describes no network"),
        (changed(reads=[]), "it describes no network"),
        (changed(name="one"), "two layers 'one'"),
        (changed(name=3), "two layers 3"),
        (changed(weights_of="nothing"), "it describes no network"),
        ({**changed(), "inputs": {"image": [2**20, 2**20, 3]}}, "whose output has the shape"),
        ({**changed(), "inputs": {"image": [8, 8]}}, "it describes no network"),
        ({**changed(), "inputs": {}}, "it describes no network"),
        ({**changed(), "outputs": {"logits": 99}}, "it describes no network"),
        ({**changed(), "layers": [{}] * (MAX_LAYERS + 1)}, "it has 20,001 layers; expected at most 20,000"),
    ],
)
def test_anything_else_is_one_line(document: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        plan_from_json(document)
    assert message in str(raised.value)
