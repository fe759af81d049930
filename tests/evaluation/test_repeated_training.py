"""Children that are measured by several trainings."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from classifying import device_data, image_data

from rl_nas.checkpoint import State
from rl_nas.child.data.settings import AugmentSettings, DataSettings
from rl_nas.child.data.training_data import DeviceData
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.early_stopping.executor import ForgettingExecutor
from rl_nas.early_stopping.thresholds import EarlyStopSettings
from rl_nas.evaluation.repeated_training import RepeatedTraining, mean_of, training_seed
from rl_nas.evaluation.settings import FilterSettings
from rl_nas.evaluation.trained_child import TrainedChildEvaluator
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.store.states import pack, unpack
from rl_nas.tasks.classification.task import Classification
from rl_nas.tasks.networks import Networks
from rl_nas.trial import ChildError, Job, Measurement, Outcome, TrialState

SPACE = nasbench201()
TASK = Classification()
NETWORKS = Networks(
    TASK, TASK.problem([*map(str, range(10))]), NetworkSettings(cells=1, filters=4, reductions=1), (8, 8, 1)
)
JOB = Job(5, SPACE.sample(np.random.default_rng(1)), 7)
SEEDS = 3
CLASSES = "classes"
"""Beside weights by their paths."""


class Memory:
    """Keeps trainings as a folder does, as bytes; may end the process, as it were, after some of them."""

    def __init__(self, ends_after: int | None = None) -> None:
        self.kept: dict[int, bytes] = {}
        self.saved = 0
        self.ends_after = ends_after

    def load(self, index: int) -> State | None:
        return unpack(self.kept[index]) if index in self.kept else None

    def save(self, index: int, state: State) -> None:
        self.kept[index] = pack(state)
        self.saved += 1
        if self.saved == self.ends_after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DeviceData:
    return device_data(
        image_data(DataSettings(dataset="digits", data_dir=str(tmp_path_factory.mktemp("tfds")), train_images=300))
    )


def single(data: DeviceData, on_child: Callable[..., None], **others: Any) -> TrainedChildEvaluator:
    training = TrainingSettings(epochs=2, batch_size=60)
    return TrainedChildEvaluator(SPACE, data, NETWORKS, training, AugmentSettings(), on_child=on_child, **others)


def repeated(data: DeviceData, memory: Memory, weights: dict[str, Any], **others: Any) -> RepeatedTraining:
    return RepeatedTraining(
        lambda on_child: single(data, on_child, **others),
        SEEDS,
        memory,
        lambda job, measurement, model, classes: weights.update(
            {one.path: one.numpy() for one in model.weights} | {CLASSES: classes}
        ),
    )


def test_a_child_has_the_means_of_separate_trainings_and_the_weights_of_the_best(data: DeviceData) -> None:
    trained: dict[int, dict[str, Any]] = {}
    alone = single(
        data,
        lambda job, _, model, classes: trained.update(
            {job.seed: {one.path: one.numpy() for one in model.weights} | {CLASSES: classes}}
        ),
    )
    jobs = [Job(JOB.index, JOB.architecture, training_seed(JOB.seed, number)) for number in range(SEEDS)]
    assert jobs[0] == JOB
    measured = [alone(job) for job in jobs]
    accuracies = [one.metrics["accuracy"] for one in measured]
    assert len(set(accuracies)) > 1
    weights: dict[str, Any] = {}
    epochs: list[tuple[int, int, int]] = []
    mean = repeated(data, Memory(), weights, on_epoch=lambda *told: epochs.append(told))(JOB)
    assert epochs == [(number, epoch, 2) for number in range(SEEDS) for epoch in (1, 2)]
    assert list(mean.metrics) == ["accuracy", "accuracy_deviation", *list(measured[0].metrics)[1:]]
    assert mean.quality == mean.metrics["accuracy"] == pytest.approx(np.mean(accuracies))
    assert mean.metrics["accuracy_deviation"] == pytest.approx(np.std(accuracies, ddof=1))
    assert mean.metrics["loss"] == pytest.approx(np.mean([one.metrics["loss"] for one in measured]))
    assert (mean.parameters, mean.madds, mean.epochs) == (measured[0].parameters, measured[0].madds, 2)
    best = trained[jobs[int(np.argmax(accuracies))].seed]
    assert weights.keys() == best.keys()
    assert weights.pop(CLASSES) == best[CLASSES]
    rights = [sum(one.right for one in results[CLASSES].classes) for results in trained.values()]
    assert rights == [round(accuracy * len(data.valid_images)) for accuracy in accuracies]
    for path, value in best.items():
        if path != CLASSES:
            np.testing.assert_array_equal(weights[path], value)


def test_a_child_whose_process_ends_between_two_trainings_repeats_none(data: DeviceData) -> None:
    unbroken: dict[str, Any] = {}
    whole = repeated(data, Memory(), unbroken)(JOB)
    classes = unbroken.pop(CLASSES)
    for ended in range(1, SEEDS + 1):
        memory, weights = Memory(ends_after=ended), dict[str, Any]()
        with pytest.raises(KeyboardInterrupt):
            repeated(data, memory, weights)(JOB)
        assert repeated(data, memory, weights)(JOB).metrics == whole.metrics
        assert memory.saved == SEEDS
        assert weights.pop(CLASSES) == classes
        for path, value in unbroken.items():
            np.testing.assert_array_equal(weights[path], value)


def test_trainings_of_another_child_are_not_taken_for_this_ones(data: DeviceData) -> None:
    memory = Memory()
    other = Job(JOB.index, SPACE.sample(np.random.default_rng(2)), 7)
    repeated(data, memory, {})(other)
    assert repeated(data, memory, {})(JOB).metrics == repeated(data, Memory(), {})(JOB).metrics


def test_curves_are_means_too(data: DeviceData) -> None:
    mean = repeated(data, Memory(), {}, early_stop=EarlyStopSettings(rule="record"))(JOB)
    assert len(mean.curve) == mean.epochs == 2
    assert mean.curve[-1] == pytest.approx(mean.quality)


def test_the_filter_is_asked_once(data: DeviceData) -> None:
    """Its score depends on the seed: a child that has passed must not be refused by the next one."""
    memory = Memory()
    filtering = FilterSettings(filter="gradient_norm", filter_fraction=0.5, filter_sample=6)
    evaluator = repeated(data, memory, {}, filtering=filtering)
    states = []
    for index in range(6, 14):
        try:
            evaluator(Job(index, SPACE.sample(np.random.default_rng(index)), index))
            states.append(TrialState.OK)
        except ChildError as error:
            states.append(error.state)
    assert {*states} == {TrialState.OK, TrialState.INVALID}
    # Those that are refused are so by their first seed: nothing of them was trained.
    assert memory.kept.keys() == {index for index, state in enumerate(states, start=6) if state is TrialState.OK}


def test_a_metric_that_some_trainings_lack_is_the_mean_of_the_others() -> None:
    mean = mean_of([Measurement.of({"mIoU": 0.2, "IoU/sky": 0.4}, seconds=1.0), Measurement.of({"mIoU": 0.4})])
    assert mean.metrics == pytest.approx({"mIoU": 0.3, "mIoU_deviation": 0.1 * 2**0.5, "IoU/sky": 0.4})
    assert mean.seconds == 1.0
    assert mean.latency is None
    assert mean.curve == ()


def test_what_is_kept_of_a_child_is_deleted_when_the_next_one_is_asked_for() -> None:
    class Jobs:
        def run(self, jobs: Any) -> Any:
            return (Outcome(job, Measurement(0.5)) for job in jobs)

    forgotten: list[int] = []
    outcomes = ForgettingExecutor(Jobs(), forgotten.append).run([Job(0, (), 0), Job(1, (), 0)])
    assert next(outcomes).job.index == 0
    assert forgotten == []
    assert [outcome.job.index for outcome in outcomes] == [1]
    assert forgotten == [0, 1]
