"""Forecasts what the training of a child takes, from a few of its train steps."""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.data.training_data import Inputs, TrainingData
from rl_nas.child.network.flat_weights import FlatModel, Outputs
from rl_nas.child.training.child_training import ChildTrainer, evaluate, measured_batch, quick_start, training_steps
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.networks.plan import Plan
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.tasks.networks import Networks
from rl_nas.trial import Job, Measurement

_MEASURED = 1000
"""Held-out examples on which a measurement is timed."""
_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes of the unit of `ru_maxrss`."""


@dataclass(frozen=True)
class Rehearsal:
    """What an evaluator of children takes, an evaluator itself: its measurement of a child holds seconds and bytes.

    Metrics are `forecast`, the seconds of the whole evaluation; `start`, those before the second train step; `step`,
    those of a train step; `held_out`, those of a measurement on all held-out images; `memory`, the most bytes that the
    process has held.

    Attributes:
        space: of the search.
        data: of the children.
        networks: that are trained.
        training: recipe.
        augmentation: of images.
        build: makes a child of a plan and a seed.
        measurements: on held-out images, during a training and after it.
        seconds: that the train steps of a child may take here.
    """

    space: SearchSpace[Any]
    data: TrainingData
    networks: Networks
    training: TrainingSettings
    augmentation: AugmentSettings
    build: Callable[[Plan, int], FlatModel]
    measurements: int
    seconds: float

    def __call__(self, job: Job) -> Measurement:
        """Trains the child of a job for a few steps."""
        began = time.monotonic()
        steps = training_steps(self.training, self.data.train_examples)
        plan = self.networks.plan(self.space.decode(job.architecture), steps)
        child = self.build(plan, job.seed)
        with quick_start():
            objective = self.networks.task.objective(self.networks.problem)
            trainer = ChildTrainer(child, objective, self.data, self.training, self.augmentation, job.seed)
            float(trainer.step(trainer.order()[0]))  # waits for it
            start = time.monotonic() - began
            step = self._seconds_of_step(trainer, steps)
            trainer.write_back()
            held_out = self._seconds_of_measurement(plan, child.infer)
        cost = plan.cost()
        forecast = {
            "forecast": start + (steps - 1) * step + self.measurements * held_out,
            "start": start,
            "step": step,
            "held_out": held_out,
            "memory": float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT),
        }
        return Measurement.of(forecast, parameters=cost.trainable, madds=cost.madds, seconds=time.monotonic() - began)

    def _seconds_of_step(self, trainer: ChildTrainer, steps: int) -> float:
        """Seconds of a train step: the mean of as many as the time allows, in blocks that grow."""
        began, block = time.monotonic(), 1
        while True:
            order = trainer.order()
            before = time.monotonic()
            losses = [trainer.step(order[number % len(order)]) for number in range(block)]
            float(tf.add_n(losses))  # waits for them
            now = time.monotonic()
            if now - began > self.seconds / 2 or block >= steps:
                return (now - before) / block
            block = min(2 * block, steps)

    def _seconds_of_measurement(self, plan: Plan, infer: Callable[[Inputs], Outputs]) -> float:
        """Seconds of a measurement on all held-out images, from one on the first of them."""
        task, problem = self.networks.task, self.networks.problem
        objective, metric, batch = task.objective(problem), task.metric(problem), measured_batch(plan)
        examples = min(self.data.valid_examples, max(_MEASURED, batch))
        before = time.monotonic()
        evaluate(infer, self.data, objective, metric, batch, examples)
        return (time.monotonic() - before) * self.data.valid_examples / examples
