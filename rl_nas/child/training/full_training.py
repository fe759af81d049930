"""Full training of a network: input pipelines, one or many devices, exact saving and restoring of the state."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Annotation
from rl_nas.child.data.augmentation import augment, mix_up
from rl_nas.child.data.input_pipeline import InputPipeline, Shard
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.network.flat_weights import FlatModel
from rl_nas.child.training.child_training import DivergedError, fitting_batch
from rl_nas.child.training.objective import Metric, Objective, add_up, class_results
from rl_nas.child.training.settings import DeviceSettings, TrainingSettings
from rl_nas.child.training.train_step import TrainStep
from rl_nas.errors import UsageError
from rl_nas.metrics import check_names
from rl_nas.store.class_results import ClassResults

_MEASURED = 256
"""Images of a batch in a measurement, unless train steps have more or their outputs are large."""


class Measured(NamedTuple):
    """Figures over a split.

    Attributes:
        split: its name; `valid` are the images held out of the training split.
        images: how many.
        metrics: by name; the first is the quality.
        classes: results of each class; None: the task tells none.
    """

    split: str
    images: int
    metrics: dict[str, float]
    classes: ClassResults | None = None

    def document(self) -> dict[str, Any]:
        """Flat JSON values."""
        return {"split": self.split, "images": self.images, **self.metrics}


class TrainingFigures(NamedTuple):
    """The training so far.

    Attributes:
        step: number of train steps.
        figures: loss and figures on the training images of the epoch.
        waited: seconds in which the last train steps waited for images.
    """

    step: int
    figures: dict[str, float]
    waited: float


class FullTrainer:
    """The full training of one network.

    Everything random is a function of `seed` and of the step, so that the state is the weights, the optimizer, the
    averages and the number of the step: `state` holds them for tf.train.Checkpoint.

    Attributes:
        network: its own weights are the initial ones until `write_back`.
        normalization: of the images.
        batch: images of a step, over all devices.
        steps_per_epoch: the last partial batch is dropped.
        steps: of the whole training.
    """

    def __init__(
        self,
        network: Callable[[], FlatModel],
        pipeline: InputPipeline,
        normalization: Normalization,
        objective: Objective,
        training: TrainingSettings,
        augmentation: AugmentSettings,
        devices: DeviceSettings,
        *,
        annotation: Annotation,
        metric: Callable[[], Metric],
        strategy: tf.distribute.Strategy,
        mixup: float = 0.0,
        seed: int = 0,
        factors: Callable[[FlatModel], np.ndarray | None] | None = None,
    ) -> None:
        """Makes the network, under the strategy, and all else that the training needs.

        Args:
            network: makes the network.
            pipeline: of the images.
            normalization: of the images.
            objective: of the task.
            training: optimizer and schedule.
            augmentation: of the training images.
            devices: train steps between two checks of the loss.
            annotation: of the targets.
            metric: makes one for a measurement.
            strategy: of the devices.
            mixup: parameter of the distribution of the weights of pairs; 0: images are not mixed.
            seed: of all that is random.
            factors: of the learning rate of each trainable parameter; see `TrainStep`.
        """
        self._pipeline, self.normalization = pipeline, normalization
        self._augmentation, self._mixup, self._seed = augmentation, mixup, seed
        check_names("training figure", objective.figure_names)
        self._objective, self._annotation, self._metric = objective, annotation, metric
        self._strategy, self._loop_steps = strategy, devices.steps_per_loop
        self.batch = global_batch(training, pipeline.train_images, strategy)
        self.steps_per_epoch = pipeline.train_images // self.batch
        self.steps = self.steps_per_epoch * training.epochs
        with strategy.scope():
            self.network = network()
            self._update = TrainStep(
                self.network,
                objective,
                training,
                self.batch,
                self.steps,
                factors=factors and factors(self.network),
            )
        self._step = tf.Variable(0, dtype=tf.int64)
        # Of the epoch: the loss over steps, the objective's figures over images.
        self._sums = tf.Variable([0.0] * (1 + len(objective.figure_names)), dtype=tf.float64)
        self._on_replica: Any = self._train_batch
        if training.compiled:
            self._on_replica = tf.function(self._train_batch, autograph=False, jit_compile=True)
        self._loop = tf.function(self._train_loop, autograph=False)
        self._measure_batch = tf.function(self._measure_whole_batch, autograph=False)

    @property
    def state(self) -> dict[str, Any]:
        """State from which the training continues as if it had not stopped."""
        return {
            "step": self._step,
            "sums": self._sums,
            "weights": self.network.vectors,
            "optimizer": self._update.optimizer.variables,
            "averages": [average.value for average in self._update.averages],
        }

    def load(self, weights: Mapping[str, np.ndarray]) -> None:
        """Starts from weights by path, before the first train step; the others stay random."""
        self._update.load(weights)

    @property
    def figure_names(self) -> list[str]:
        """Names of the figures of `TrainingFigures`."""
        return ["loss", *self._objective.figure_names]

    @property
    def step(self) -> int:
        """Number of train steps taken."""
        return int(self._step)

    @property
    def epoch(self) -> int:
        """Number of complete epochs."""
        return self.step // self.steps_per_epoch

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next train step."""
        return float(self._update.optimizer.learning_rate)

    def train_epoch(self) -> Iterator[TrainingFigures]:
        """Trains to the end of the current epoch; yields every few train steps, when the state may be saved.

        Raises:
            DivergedError: a loss is not finite; the state must no longer be saved.
        """
        epoch, done = divmod(self.step, self.steps_per_epoch)
        if not done:
            self._sums.assign(tf.zeros_like(self._sums))
        iterator = iter(
            self._distribute(lambda shard: self._pipeline.train(epoch, self.batch, done * self.batch, shard))
        )
        while done < self.steps_per_epoch:
            count = min(self._loop_steps, self.steps_per_epoch - done)
            sums, waited = self._loop(iterator, tf.constant(self.step, tf.int64), tf.constant(count, tf.int64))
            loss = float(sums[0])
            if not math.isfinite(loss):
                raise DivergedError(f"the loss is {loss} in steps {self.step + 1} to {self.step + count}")
            self._sums.assign_add(tf.cast(sums, tf.float64))
            self._step.assign_add(count)
            done += count
            loss_sum, *others = self._sums.numpy().tolist()
            means = [total / (done * self.batch) for total in others]
            figures = {"loss": loss_sum / done, **dict(zip(self._objective.figure_names, means, strict=True))}
            yield TrainingFigures(self.step, figures, float(waited))

    def check_finite(self) -> None:
        """Raises `DivergedError` if a weight is not finite, which may show before the loss does."""
        if not np.all(np.isfinite(self.network.trainable.vector)):
            raise DivergedError(f"weights are not finite after step {self.step}")

    def measure(self, split: str) -> Measured:
        """Measures the network, by its averaged weights if there are any.

        Args:
            split: `valid`, the held-out images, or a split of the data set.
        """
        images = self._pipeline.size(split)
        batch = self._measured_at_once * self._replicas
        batches = iter(self._distribute(lambda shard: self._pipeline.measured(split, batch, shard)))
        metric = self._metric()
        for _ in range(-(-images // batch)):
            add_up(metric, self._measure_batch(*next(batches)))
        metrics = metric.result()
        check_names("metric", metrics)
        return Measured(self._pipeline.described(split), images, metrics, self._classes_of(metric))

    def _classes_of(self, metric: Metric) -> ClassResults | None:
        found = class_results(metric)
        return found and replace(found, worst=())  # several devices measure the images in another order

    def write_back(self) -> None:
        """Copies the trained weights, or their averages if there are any, into the network's own."""
        self._update.write_back()

    def augmented_images(self, count: int) -> np.ndarray:
        """Some training images as the network sees them, scaled to 0 to 1: float [images, height, width, channels]."""
        images = self.normalization(self._pipeline.examples(count))
        images, _ = augment(images, tf.constant([self._seed, 0], tf.int64), self._augmentation)
        low, high = (tf.reduce_min(images), tf.reduce_max(images))
        return np.asarray((images - low) / tf.maximum(high - low, 1e-6))

    @property
    def _measured_at_once(self) -> int:
        """Images of a batch in a measurement, on one device."""
        return fitting_batch(self.network.output_shapes, max(self.batch, _MEASURED) // self._replicas)

    @property
    def _replicas(self) -> int:
        return int(self._strategy.num_replicas_in_sync)

    def _distribute(self, dataset_of: Any) -> Any:
        def make(context: tf.distribute.InputContext) -> tf.data.Dataset:
            return dataset_of(Shard(self._replicas, context.num_input_pipelines, context.input_pipeline_id))

        return self._strategy.distribute_datasets_from_function(make)

    def _train_loop(self, iterator: Any, first: tf.Tensor, steps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Takes train steps in the graph.

        Returns:
            The sums of their losses and figures, float [1 + figures], and the seconds that they waited for images.
        """
        names = self._objective.figure_names

        def body(done: tf.Tensor, sums: tf.Tensor, waited: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            with tf.control_dependencies([sums]):  # of the step before: only then the device has nothing to do
                began = self._clock()
            with tf.control_dependencies([began]):
                images, targets = next(iterator)
            with tf.control_dependencies(self._strategy.experimental_local_results(images)):
                waited += self._clock() - began
            losses, figures = self._strategy.run(self._on_replica, args=(images, targets, first + done))
            mean = self._strategy.reduce(tf.distribute.ReduceOp.MEAN, losses, axis=None)
            total = tf.distribute.ReduceOp.SUM
            totals = [self._strategy.reduce(total, figures[name], axis=None) for name in names]
            return done + 1, sums + tf.stack([mean, *totals]), waited

        start = (tf.constant(0, tf.int64), tf.zeros([1 + len(names)]), tf.constant(0.0, tf.float64))
        _, sums, waited = tf.while_loop(lambda done, *_: done < steps, body, start)
        return sums, waited

    def _clock(self) -> tf.Tensor:
        """Seconds; always 0 on TPUs, whose machines do not run Python."""
        if isinstance(self._strategy, tf.distribute.TPUStrategy):
            return tf.constant(0.0, tf.float64)
        # Deterministic graphs refuse `tf.timestamp`.
        return tf.ensure_shape(tf.numpy_function(time.monotonic, [], tf.float64), [])

    def _train_batch(self, images: tf.Tensor, targets: Any, step: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        seed = tf.random.fold_in(tf.constant([self._seed, 1], tf.int64), step)
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:
            seed = tf.random.fold_in(seed, tf.cast(context.replica_id_in_sync_group, tf.int64))
        images = _of_size(images, self.batch // self._replicas)
        images, geometry = augment(self.normalization(images), seed, self._augmentation)
        targets = self._annotation.warped(targets, geometry)
        if self._mixup:
            images, targets = mix_up(images, self._objective.mixable(targets), tf.random.fold_in(seed, 3), self._mixup)
        return self._update(images, targets)

    def _measure_whole_batch(self, images: Any, targets: Any, weights: Any) -> dict[str, tf.Tensor]:
        evidence = self._strategy.run(self._measure_on_replica, args=(images, targets, weights))
        return {name: self._of_replicas(name, one) for name, one in evidence.items()}

    def _of_replicas(self, name: str, evidence: Any) -> tf.Tensor:
        if name in self._objective.joined:
            return self._strategy.gather(evidence, axis=0)
        return self._strategy.reduce(tf.distribute.ReduceOp.SUM, evidence, axis=None)

    def _measure_on_replica(self, images: tf.Tensor, targets: Any, weights: tf.Tensor) -> dict[str, tf.Tensor]:
        images = _of_size(images, self._measured_at_once)
        return self._objective.evidence(targets, self._update.infer(self.normalization(images)), weights)


def _of_size(images: tf.Tensor, batch: int) -> tf.Tensor:
    """Images whose number is known when the step is traced: several machines' iterators do not tell it."""
    return tf.ensure_shape(images, [batch, *images.shape[1:]])


def global_batch(training: TrainingSettings, images: int, strategy: tf.distribute.Strategy) -> int:
    """The batch size over all replicas, at most all images.

    Raises:
        UsageError: it is not a multiple of the replicas, or there are several and the train step is to be compiled.
    """
    batch, replicas = min(training.batch_size, images), int(strategy.num_replicas_in_sync)
    if training.compiled and replicas > 1:
        raise UsageError(f"--jit_compile=on is for one device, not for {replicas}; leave it out (TPUs compile anyway)")
    if batch % replicas:
        raise UsageError(f"--batch_size={batch} cannot be split over {replicas} devices; give a multiple of {replicas}")
    return batch
