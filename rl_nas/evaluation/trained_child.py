"""Measures an architecture by training its child network."""

import contextlib
import gc
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from rl_nas.checkpoint import State
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.data.training_data import Inputs, TrainingData
from rl_nas.child.network.flat_weights import FlatModel, Outputs
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.child_training import (
    ChildTrainer,
    DivergedError,
    evaluate,
    measured_batch,
    quick_start,
    training_steps,
)
from rl_nas.child.training.objective import Metric, class_results
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.early_stopping.thresholds import EarlyStopSettings, falls_short
from rl_nas.errors import UsageError
from rl_nas.evaluation.latency import measure_latency
from rl_nas.evaluation.limits import LimitSettings, PlannedCost
from rl_nas.evaluation.pretraining import Start
from rl_nas.evaluation.settings import FilterSettings
from rl_nas.evaluation.zero_cost import Filter, first_images
from rl_nas.metrics import quality_of
from rl_nas.networks.layer import Cost
from rl_nas.networks.plan import Plan
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.store.class_results import ClassResults
from rl_nas.tasks.networks import Networks
from rl_nas.trial import ChildError, Job, Measurement, TrialState

OnChild = Callable[[Job, Measurement, FlatModel, ClassResults | None], None]
"""Is called with the job, the measurement, the model and the results of each class of a child."""
OnEpoch = Callable[[int, int, int], None]
"""Is called with the number of a child's training, from 0, its finished epochs, and those that it shall have."""


class States(Protocol):
    """States of children that were stopped and whose training may continue."""

    def load(self, index: int) -> State | None:
        """The state of a trial's child, if there is one."""

    def save(self, index: int, state: State) -> None:
        """Saves the state of a trial's child."""


class TrainedChildEvaluator:
    """Builds, trains and measures children on one data set.

    Children are what `build` makes of a plan and a seed. They start from the weights that `start` has for a genotype,
    and from random ones elsewhere. `whole` are the networks from images to outputs, if these are more than what is
    trained, and `backbone` the cost of one that is not in their plans. `on_child` is called with every trained child
    before it is dropped, `on_epoch` after every epoch. What `costs` names, or a limit is for, is measured before the
    training: `latency`, `tflite_size` (by a function of the genotype), `peak_memory`. Children over the `limits` and
    those that the filter refuses are not trained, those below their job's thresholds are stopped. With `states`,
    stopped children continue when they are evaluated again.
    """

    def __init__(
        self,
        space: SearchSpace[Any],
        data: TrainingData,
        networks: Networks,
        training: TrainingSettings,
        augmentation: AugmentSettings,
        *,
        start: Callable[[Any], Start] = lambda genotype: Start({}, {}),
        build: Callable[[Plan, int], FlatModel] = lambda plan, seed: PlannedModel(plan, seed=seed),
        whole: Networks | None = None,
        backbone: Cost = Cost(),
        costs: Collection[str] = (),
        tflite_size: Callable[[Any], int] | None = None,
        limits: LimitSettings = LimitSettings(),
        filtering: FilterSettings = FilterSettings(),
        early_stop: EarlyStopSettings = EarlyStopSettings(),
        states: States | None = None,
        on_child: OnChild = lambda job, measurement, child, classes: None,
        on_epoch: OnEpoch = lambda number, done, epochs: None,
    ) -> None:
        self._space, self._data, self._networks = space, data, networks
        self._training, self._augmentation = training, augmentation
        self._build, self._whole, self._backbone = build, whole or networks, backbone
        self._start, self._limits = start, limits
        self._costs, self._tflite_size = {*costs, *limits.measured}, tflite_size
        self._on_child, self._on_epoch = on_child, on_epoch
        self._early_stop, self._states = early_stop, states
        self._objective = networks.task.objective(networks.problem)
        self._metric: Metric | None = None  # of the last measurement
        self._filter = None
        if filtering.filter:
            networks.task.require(filtering.filter, f"--filter={filtering.filter}")
            batch = first_images(data, self._objective, filtering.filter_images)
            self._filter = Filter(filtering, self._random_plans(), batch)
        # Present objects stay alive; collections after children need not visit them: 0.4 s each otherwise.
        gc.collect()
        gc.freeze()

    def __call__(self, job: Job, *, number: int = 0) -> Measurement:
        """Trains the child of a job.

        Args:
            job: the request.
            number: of this training of the child, from 0; only in the first one the filter is asked.

        Raises:
            ChildError: its loss is not finite, it ran out of memory, it exceeds the limits, or the filter refuses it.
            UsageError: it cannot be built.
        """
        try:
            return self._train(job, number)
        except DivergedError as error:
            raise ChildError(TrialState.NAN, str(error)) from error
        except tf.errors.ResourceExhaustedError as error:
            raise ChildError(TrialState.OOM, error.message) from error
        finally:
            # Keras keeps a global record of models; without this a long search leaks.
            keras.backend.clear_session()
            gc.collect()

    def plan(self, architecture: Architecture, steps: int | None = None) -> Plan:
        """The child network of an architecture; with `steps`, for a training of that many train steps."""
        return self._networks.plan(self._space.decode(architecture), steps)

    def _cost(self, genotype: Any) -> PlannedCost:
        """Cost of the whole network; parameters count as trainable whether or not the search trains them."""
        return PlannedCost.of(replace(self._whole, frozen_norm=False).plan(genotype), self._backbone)

    def _measured_costs(self, genotype: Any, child: FlatModel) -> dict[str, Any]:
        """Latency and size as a TFLite model, as far as they are asked for; raises `ChildError` over a limit."""
        found: dict[str, Any] = {}
        if "latency" in self._costs:
            found["latency"] = measure_latency(child.infer, self._data)
            self._limits.check_latency(found["latency"])
        if "tflite_size" in self._costs and self._tflite_size is not None:
            found["tflite_size"] = self._tflite_size(genotype)
            self._limits.check_tflite(found["tflite_size"])
        return found

    def _random_plans(self) -> Iterator[Plan]:
        """Endless sequence of random networks of the space, always the same."""
        rng = np.random.default_rng(0)
        while True:
            with contextlib.suppress(UsageError):  # some spaces hold networks that cannot be built
                yield self.plan(self._space.sample(rng))

    def _train(self, job: Job, number: int) -> Measurement:
        started = time.monotonic()
        self._metric = None
        genotype = self._space.decode(job.architecture)
        cost = self._cost(genotype)
        plan = self.plan(job.architecture, training_steps(self._training, self._data.train_examples))
        self._limits.check(plan, self._training.batch_size, cost)
        kept = self._kept(job)
        if kept is not None:
            started -= kept["seconds"]
        elif self._filter is not None and number == 0:
            self._filter.check(self.plan(job.architecture), job.seed)
        child = self._build(plan, job.seed)
        # Once for each child, so that what was within a limit stays so.
        costs = {} if kept is None else kept.get("costs", {})
        if kept is None and number == 0:
            costs = self._measured_costs(genotype, child)
        start = self._start(genotype)
        child.load(start.weights)
        with quick_start():
            measured = self._train_and_evaluate(child, plan, job, kept, started, number, costs)
        measurement = Measurement.of(
            {**measured[-1], **start.metrics},
            parameters=cost.parameters,
            madds=cost.madds,
            epochs=len(measured) if self._early_stop.measures else self._training.epochs,
            seconds=time.monotonic() - started,
            curve=_curve(measured) if self._early_stop.measures else (),
            peak_memory=cost.peak_memory if "peak_memory" in self._costs else None,
            **costs,
        )
        self._on_child(job, measurement, child, None if self._metric is None else class_results(self._metric))
        return measurement

    def _kept(self, job: Job) -> State | None:
        kept = self._states.load(job.index) if self._states is not None else None
        whole = kept is not None and all(isinstance(metrics, dict) for metrics in kept["measured"])
        return kept if whole else None  # states of 0.1.0 have no named metrics: the child is trained again

    def _train_and_evaluate(
        self,
        child: FlatModel,
        plan: Plan,
        job: Job,
        kept: State | None,
        started: float,
        number: int,
        costs: Mapping[str, Any],
    ) -> list[dict[str, float]]:
        """Trains to the end, or as long as the job says; from a saved state if there is one.

        Returns:
            The metrics after every epoch if children may be stopped by them, otherwise only the final ones.
        """
        trainer = ChildTrainer(child, self._objective, self._data, self._training, self._augmentation, job.seed)
        epochs = job.epochs or self._training.epochs
        if not self._early_stop.measures:
            trainer.train(lambda: self._on_epoch(number, trainer.epoch, epochs))
            return [self._metrics(plan, child.infer)]
        measured: list[dict[str, float]] = []
        if kept is not None:
            trainer.restore(kept["trainer"])
            measured += kept["measured"]
            if job.epochs is not None and len(measured) >= job.epochs:  # a killed search had come as far, or further
                trainer.write_back()
                return measured[: job.epochs]

        def stop() -> bool:
            self._on_epoch(number, trainer.epoch, epochs)
            measured.append(self._metrics(plan, trainer.infer))
            short = falls_short(_curve(measured), job.thresholds, self._early_stop.rule)
            ends = short or len(measured) == job.epochs
            if ends and self._states is not None:
                seconds = time.monotonic() - started
                state = {"trainer": trainer.state(), "measured": measured, "seconds": seconds, "costs": dict(costs)}
                self._states.save(job.index, state)
            return ends

        trainer.train(stop)
        return measured

    def _metrics(self, plan: Plan, infer: Callable[[Inputs], Outputs]) -> dict[str, float]:
        self._metric = metric = self._networks.task.metric(self._networks.problem)
        return evaluate(infer, self._data, self._objective, metric, measured_batch(plan))


def _curve(measured: Sequence[Mapping[str, float]]) -> tuple[float, ...]:
    return tuple(quality_of(metrics).value for metrics in measured)
