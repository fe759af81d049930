"""A training whose steps take more memory than the machine has is refused before its network is built."""

import pytest
import tensorflow as tf

from rl_nas.errors import UsageError
from rl_nas.evaluation.limits import training_bytes
from rl_nas.execution.memory import machine_memory
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.published import PUBLISHED
from rl_nas.tasks.classification.head import ClassificationHead
from rl_nas.workflows.step_memory import step_bytes


def plan(side: int) -> Plan:
    settings = NetworkSettings(network="cifar", auxiliary=False)
    return plan_network(PUBLISHED["NASNet-A"], settings, (side, side, 3), ClassificationHead(10), 100)


def test_a_strangers_image_size_is_refused_by_its_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    with pytest.raises(UsageError, match=r"^a train step of 512 images of 2048x2048x3 takes about .* --image_size"):
        step_bytes(plan(2048), 512, (2048, 2048, 3))
    assert step_bytes(plan(32), 32, (32, 32, 3)) == training_bytes(plan(32), 32) < machine_memory()


def test_the_memory_of_accelerators_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["it"] if kind == "GPU" else [])
    assert step_bytes(plan(2048), 512, (2048, 2048, 3)) > machine_memory()
