"""Scores of untrained networks, to train only promising ones.

Their value differs from space to space (White et al. 2022, "A deeper look at zero-cost proxies"); the number of
parameters does as well as most.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Target
from rl_nas.child.data.training_data import TrainingData
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.objective import Objective
from rl_nas.evaluation.settings import FilterSettings
from rl_nas.networks.layers import Add, BatchNorm, Relu
from rl_nas.networks.plan import Plan
from rl_nas.trial import ChildError, TrialState


class Batch(NamedTuple):
    """Training images that a score is computed on, and the loss on them.

    Attributes:
        images: float [batch, height, width, channels], normalized.
        targets: of the objective.
        objective: of the task.
    """

    images: tf.Tensor
    targets: Target
    objective: Objective


def first_images(data: TrainingData, objective: Objective, count: int) -> Batch:
    """The first training images of a search."""
    inputs, targets = data.first(count)
    return Batch(inputs, targets, objective)


_JACOV_SHIFT = 1e-5
"""k of `jacov`."""

Score = Callable[[Plan, int, Batch], float]
"""Plan, seed of the initial weights, training images -> score; higher is better."""


def parameters(plan: Plan, seed: int, batch: Batch) -> float:
    """Number of trainable parameters."""
    return float(plan.cost().trainable)


def gradient_norm(plan: Plan, seed: int, batch: Batch) -> float:
    """Sum over all weight tensors of the norm of the loss's gradient (Abdelfattah et al. 2021, section 3.1)."""
    child = PlannedModel(plan, seed=seed)
    outputs, pullback, _ = child.train_call(child.trainable.vector.value, batch.images)
    _, gradients = batch.objective.loss(batch.targets, outputs)
    gradient = pullback(gradients)
    return float(sum(tf.norm(part) for _, part in child.trainable.mapping(gradient)))


def synflow(plan: Plan, seed: int, batch: Batch) -> float:
    """Logarithm of the synaptic flow, the sum of |weight * dR/dweight| (Tanaka et al. 2020, section 5).

    R is the sum of the outputs for an image of ones in the network of absolute weights, without batch normalization and
    in double precision, as Abdelfattah et al. 2021 compute it. Their score is not a logarithm; the order is the same.
    """
    child = PlannedModel(_without_norms(plan), seed=seed)
    weights = tf.abs(tf.cast(child.trainable.vector.value, tf.float64))
    outputs, pullback, _ = child.train_call(weights, tf.ones([1, *batch.images.shape[1:]], tf.float64))
    gradient = pullback(tf.nest.map_structure(tf.ones_like, outputs))
    flow = float(tf.reduce_sum(tf.abs(weights * gradient)))
    return math.log(flow) if flow > 0 else -math.inf


def naswot(plan: Plan, seed: int, batch: Batch) -> float:
    """Logarithm of the determinant of the kernel of activation patterns (Mellor et al. 2021, section 3).

    Entry i, j of the kernel counts the ReLUs that are on, or off, for both images i and j.
    """
    child = PlannedModel(plan, seed=seed)
    count = len(batch.images)
    kernel = np.zeros([count, count])
    for output in child.activations(batch.images, Relu):
        on = (output.numpy() > 0).reshape(count, -1).astype(np.float64)
        kernel += on @ on.T + (1 - on) @ (1 - on).T
    sign, logarithm = np.linalg.slogdet(kernel)
    return float(logarithm) if sign > 0 else -math.inf


def jacov(plan: Plan, seed: int, batch: Batch) -> float:
    """How little the Jacobians of different images correlate (Mellor et al. 2020, first version, section 3).

    A row of the correlation matrix is the gradient of the sum of an image's outputs by its pixels, all images being
    normalized together. The score is -sum(log(v + k) + 1 / (v + k)) over the eigenvalues v, with k = 1e-5.
    """
    child, images = PlannedModel(plan, seed=seed), tf.convert_to_tensor(batch.images)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs, _, _ = child.train_call(child.trainable.vector.value, images)
        total = tf.add_n([tf.reduce_sum(output) for output in tf.nest.flatten(outputs)])
    gradient = tape.gradient(total, images)
    if gradient is None:  # no path leads from the image to an output
        return -math.inf
    rows = gradient.numpy().reshape(len(images), -1).astype(np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not lengths.all():
        return -math.inf
    shifted = np.maximum(np.linalg.eigvalsh((rows / lengths) @ (rows / lengths).T), 0) + _JACOV_SHIFT
    return float(-np.sum(np.log(shifted) + 1 / shifted))


SCORES: dict[str, Score] = {
    "parameters": parameters,
    "gradient_norm": gradient_norm,
    "synflow": synflow,
    "naswot": naswot,
    "jacov": jacov,
}


class Filter:
    """Refuses children that score lower than a fraction of random networks.

    The threshold is a function of fixed seeds, so that it is the same in every process.

    Args:
        settings: score and fraction.
        plans: random networks of the space, as many as needed.
        batch: training images.
    """

    def __init__(self, settings: FilterSettings, plans: Iterable[Plan], batch: Batch) -> None:
        assert settings.filter is not None
        self._settings, self._plans, self._batch = settings, plans, batch

    def score(self, plan: Plan, seed: int) -> float:
        """The score of a child."""
        return SCORES[self._settings.filter or ""](plan, seed, self._batch)

    @cached_property
    def threshold(self) -> float:
        """The score that a child must reach."""
        sample = islice(self._plans, self._settings.filter_sample)
        scores = [self.score(plan, number) for number, plan in enumerate(sample)]
        return float(np.quantile(scores, 1 - self._settings.filter_fraction, method="lower"))

    def check(self, plan: Plan, seed: int) -> None:
        """Raises `ChildError` if the child of a plan is not worth training."""
        score = self.score(plan, seed)
        if score < self.threshold:
            met = f"{self._settings.filter} {score:.6g} is below {self.threshold:.6g}"
            raise ChildError(TrialState.INVALID, f"{met}, reached by {self._settings.filter_fraction:.0%} of the space")


def _without_norms(plan: Plan) -> Plan:
    """The same network with normalizations replaced by identities."""
    bare = Plan({name: tensor.shape for name, tensor in plan.inputs.items()})
    bare.outputs = plan.outputs
    bare.nodes = [replace(node, layer=Add()) if isinstance(node.layer, BatchNorm) else node for node in plan.nodes]
    return bare
