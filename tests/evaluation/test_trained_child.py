"""Real children that are stopped, and go on from where they stopped."""

from typing import Any

import numpy as np
import pytest
from classifying import device_data, image_data

from rl_nas.checkpoint import State
from rl_nas.child.data.images import ImageData
from rl_nas.child.data.settings import AugmentSettings, DataSettings
from rl_nas.child.data.training_data import DeviceData
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.early_stopping.thresholds import EarlyStopSettings
from rl_nas.evaluation.limits import LimitSettings
from rl_nas.evaluation.trained_child import TrainedChildEvaluator
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.store.states import pack, unpack
from rl_nas.tasks.classification.task import Classification
from rl_nas.tasks.networks import Networks
from rl_nas.trial import ChildError, Job

SPACE = nasbench201()
TASK = Classification()
PROBLEM = TASK.problem([*map(str, range(10))])
JOB = Job(0, SPACE.sample(np.random.default_rng(1)), 7)


class Memory:
    """Keeps states as a folder does: as bytes."""

    def __init__(self) -> None:
        self.kept: dict[int, bytes] = {}

    def load(self, index: int) -> State | None:
        return unpack(self.kept[index]) if index in self.kept else None

    def save(self, index: int, state: State) -> None:
        self.kept[index] = pack(state)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DeviceData:
    images: ImageData = image_data(
        DataSettings(dataset="digits", data_dir=str(tmp_path_factory.mktemp("tfds")), train_images=300)
    )
    return device_data(images)


_OF_EVALUATOR = ("costs", "limits", "tflite_size")


def evaluator(
    data: DeviceData,
    rule: str,
    weights: dict[int, np.ndarray],
    states: Memory | None = None,
    told: list[tuple[int, int, int]] | None = None,
    **others: Any,
) -> TrainedChildEvaluator:
    return TrainedChildEvaluator(
        SPACE,
        data,
        Networks(TASK, PROBLEM, NetworkSettings(cells=1, filters=4, reductions=1), (8, 8, 1)),
        TrainingSettings(epochs=4, batch_size=60, **{k: v for k, v in others.items() if k not in _OF_EVALUATOR}),
        AugmentSettings(crop_margin=1),
        early_stop=EarlyStopSettings(rule=rule),
        **{name: value for name, value in others.items() if name in _OF_EVALUATOR},
        states=states,
        on_child=lambda job, measurement, child, _: weights.update(
            {measurement.epochs: child.trainable.vector.numpy()}
        ),
        on_epoch=lambda *epoch: None if told is None else told.append(epoch),
    )


def test_costs_are_measured_before_the_training_and_limit_it(data: DeviceData) -> None:
    sizes: dict[str, Any] = {"tflite_size": lambda genotype: 2048}
    found = evaluator(data, "none", {}, costs=("latency", "tflite_size", "peak_memory"), **sizes)(JOB)
    assert (found.tflite_size, found.epochs) == (2048, 4)
    assert 0 < (found.latency or 0) < 10
    assert (found.peak_memory or 0) >= 4 * 8 * 8 * 4  # of the first convolution, at least
    trained: dict[int, np.ndarray] = {}
    refused = (
        (LimitSettings(max_tflite_kib=1.5), "2 KiB as a TFLite model; --max_tflite_kib=1.5"),
        (LimitSettings(max_latency_ms=1e-6), "ms for an image; --max_latency_ms=1e-06"),
    )
    for limits, met in refused:
        with pytest.raises(ChildError, match=met) as caught:
            evaluator(data, "none", trained, limits=limits, **sizes)(JOB)
        assert caught.value.state == "over_limit"
    assert not trained
    states = Memory()
    evaluator(data, "halving", {}, states, costs=("latency",))(JOB.until(1))
    kept = states.load(JOB.index)
    assert kept is not None
    went_on = evaluator(data, "halving", {}, states, limits=LimitSettings(max_latency_ms=1e-6))(JOB.until(2))
    assert went_on.latency == kept["costs"]["latency"]  # what was within the limit is not measured again


def test_a_child_is_stopped_after_the_epoch_in_which_it_falls_short(data: DeviceData) -> None:
    whole = evaluator(data, "record", {})(JOB)
    assert len(whole.curve) == whole.epochs == 4
    assert whole.curve[-1] == whole.quality
    stopping = evaluator(data, "extrapolation", {})
    for thresholds, epochs in (((2.0,), 1), ((0.0, 2.0), 2), ((0.0, 0.0, 0.0), 4)):
        ended = stopping(Job(0, JOB.architecture, JOB.seed, thresholds))
        assert ended.curve == whole.curve[:epochs]
        assert ended.epochs == epochs
        assert ended.quality == whole.curve[epochs - 1]


@pytest.mark.parametrize("training", [{}, {"ema_decay": 0.9, "optimizer": "rmsprop", "learning_rate": 0.01}])
def test_a_child_that_goes_on_ends_as_one_that_did_not_stop(data: DeviceData, training: dict[str, Any]) -> None:
    unbroken: dict[int, np.ndarray] = {}
    whole = evaluator(data, "halving", unbroken, **training)(JOB.until(4))
    states, weights = Memory(), dict[int, np.ndarray]()
    told: list[tuple[int, int, int]] = []
    for epochs in (1, 3, 4):
        # Another evaluator, as in another process.
        rung = evaluator(data, "halving", weights, states, told, **training)(JOB.until(epochs))
        assert rung.curve == whole.curve[:epochs]
    assert told == [(0, 1, 1), (0, 2, 3), (0, 3, 3), (0, 4, 4)]  # of each part that it was asked for
    assert rung.metrics == whole.metrics
    np.testing.assert_array_equal(weights[4], unbroken[4])
    weights.clear()
    again = evaluator(data, "halving", weights, states, **training)
    assert again(JOB.until(3)).curve == whole.curve[:3]  # what it had then, though it is further now
    assert again(JOB.until(4)).metrics == rung.metrics
    np.testing.assert_array_equal(weights[4], unbroken[4])  # a search that was killed may have lost them
