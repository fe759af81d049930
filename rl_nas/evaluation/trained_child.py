"""Measures an architecture by training its child network."""

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from rl_nas.checkpoint import State
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.settings import AugmentSettings, TrainingSettings
from rl_nas.child.training.child_training import (
    ChildTrainer,
    DeviceData,
    DivergedError,
    evaluate,
    quick_start,
    training_steps,
)
from rl_nas.early_stopping.thresholds import EarlyStopSettings, falls_short
from rl_nas.errors import UsageError
from rl_nas.evaluation.latency import measure_latency
from rl_nas.evaluation.limits import LimitSettings
from rl_nas.evaluation.settings import FilterSettings
from rl_nas.evaluation.zero_cost import Filter
from rl_nas.networks.layers import Shape
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.trial import ChildError, Job, Measurement, TrialState

OnChild = Callable[[Job, Measurement, PlannedModel], None]


class States(Protocol):
    """Keeps the states of children that were stopped and may be trained on."""

    def load(self, index: int) -> State | None:
        """That of a trial, if it is there."""

    def save(self, index: int, state: State) -> None:
        """Keeps that of a trial."""


class TrainedChildEvaluator:
    """Builds, trains and measures children on one data set.

    `on_child` is handed every trained child before it is dropped. With `latency`, that of an image is
    measured too. Children over the `limits` are not built, those that the filter refuses not trained, those below
    their job's thresholds stopped. With `states`, these go on where they stopped when they are evaluated again.
    """

    def __init__(
        self,
        space: SearchSpace[Any],
        data: DeviceData,
        network: NetworkSettings,
        training: TrainingSettings,
        augmentation: AugmentSettings,
        *,
        classes: int,
        latency: bool = False,
        limits: LimitSettings = LimitSettings(),
        filtering: FilterSettings = FilterSettings(),
        early_stop: EarlyStopSettings = EarlyStopSettings(),
        states: States | None = None,
        on_child: OnChild = lambda job, measurement, child: None,
    ) -> None:
        self._space, self._data, self._classes = space, data, classes
        self._network, self._training, self._augmentation = network, training, augmentation
        self._latency, self._limits, self._on_child = latency, limits, on_child
        self._early_stop, self._states = early_stop, states
        images, labels = data.train_images[: filtering.filter_images], data.train_labels
        self._filter = (
            Filter(filtering, self._random_plans(), data.normalize(images), labels) if filtering.filter else None
        )
        # What lives now lives on; the collections after children need not look at it: 0.4 s each otherwise.
        gc.collect()
        gc.freeze()

    def __call__(self, job: Job) -> Measurement:
        """Trains the child of a job.

        Raises:
            ChildError: its loss is not finite, or it ran out of memory, or it is larger than it may be, or refused by
                the filter.
            UsageError: it cannot be built.
        """
        try:
            return self._train(job)
        except DivergedError as error:
            raise ChildError(TrialState.NAN, str(error)) from error
        except tf.errors.ResourceExhaustedError as error:
            raise ChildError(TrialState.OOM, error.message) from error
        finally:
            # Keras keeps a global record of what is made; without this a long search leaks.
            keras.backend.clear_session()
            gc.collect()

    def plan(self, architecture: Architecture, steps: int | None = None) -> Plan:
        """The child network of an architecture; with `steps` as it is while it is trained for so many."""
        shape: Shape = tuple(self._data.train_images.shape[1:])
        return plan_network(self._space.decode(architecture), self._network, shape, self._classes, steps)

    def _random_plans(self) -> Iterator[Plan]:
        """Networks that the space can be judged by; without end, and always the same."""
        rng = np.random.default_rng(0)
        while True:
            with contextlib.suppress(UsageError):  # some spaces hold networks that cannot be built
                yield self.plan(self._space.sample(rng))

    def _train(self, job: Job) -> Measurement:
        started = time.monotonic()
        bare = self.plan(job.architecture)
        cost = bare.cost()
        plan = self.plan(job.architecture, training_steps(self._training, len(self._data.train_images)))
        self._limits.check(plan, self._training.batch_size)
        kept = self._states.load(job.index) if self._states is not None else None
        if kept is not None:
            started -= kept["seconds"]
        elif self._filter is not None:
            self._filter.check(bare, job.seed)
        child = PlannedModel(plan, seed=job.seed)
        before = kept["measured"][: len(job.thresholds)] if kept is not None else []
        came_so_far = 0 < len(job.thresholds) == len(before)
        if came_so_far:
            curve, (accuracy, loss) = _curve(before)
        else:
            with quick_start():
                curve, (accuracy, loss) = self._train_and_evaluate(child, job, kept, started)
        latency = measure_latency(child.infer, self._data) if self._latency else None
        seconds = time.monotonic() - started
        epochs = len(curve) or self._training.epochs
        measurement = Measurement(accuracy, loss, cost.trainable, cost.madds, epochs, seconds, latency, curve)
        if not came_so_far:
            self._on_child(job, measurement, child)
        return measurement

    def _train_and_evaluate(
        self, child: PlannedModel, job: Job, kept: State | None, started: float
    ) -> tuple[tuple[float, ...], tuple[float, float]]:
        """Trains to the end, or until the accuracies after the epochs fall short; from a state that was kept.

        Returns:
            These accuracies if they are measured; accuracy and loss at the end.
        """
        trainer = ChildTrainer(child, self._data, self._training, self._augmentation, job.seed)
        if not self._early_stop.measures:
            trainer.train()
            return (), evaluate(child.infer, self._data)
        measured: list[tuple[float, float]] = []
        if kept is not None:
            trainer.restore(kept["trainer"])
            measured += kept["measured"]

        def stop() -> bool:
            measured.append(evaluate(trainer.infer, self._data))
            ends = falls_short([accuracy for accuracy, _ in measured], job.thresholds, self._early_stop.rule)
            if ends and self._states is not None:
                seconds = time.monotonic() - started
                state = {"trainer": trainer.state(), "measured": measured, "seconds": seconds}
                self._states.save(job.index, state)
            return ends

        trainer.train(stop)
        return _curve(measured)


def _curve(measured: Sequence[tuple[float, float]]) -> tuple[tuple[float, ...], tuple[float, float]]:
    """From accuracy and loss after every epoch: the accuracies; and the last of both."""
    return tuple(accuracy for accuracy, _ in measured), measured[-1]
