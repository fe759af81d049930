"""The part of a training that a task provides: loss, evidence, metric."""

from collections.abc import Mapping
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Target
from rl_nas.child.network.flat_weights import Outputs
from rl_nas.metrics import check_names

_CHECKED = 8
"""Images whose evidence tells the names of a metric's figures."""

Evidence = dict[str, tf.Tensor]
"""Tensors by name; those of several batches and replicas are added up."""


class Objective(Protocol):
    """Functions of the targets and the outputs of a batch, traced in a tf.function or eager."""

    @property
    def figure_names(self) -> tuple[str, ...]:
        """Names of `figures`."""

    def loss(self, targets: Target, outputs: Outputs) -> tuple[tf.Tensor, Outputs]:
        """The mean loss over the batch, a scalar, and its gradient by every output."""

    def figures(self, targets: Target, outputs: Outputs) -> dict[str, tf.Tensor]:
        """Figures that are shown in training: sums over the images of the batch, float32 scalars."""

    def evidence(self, targets: Target, outputs: Outputs, weights: tf.Tensor) -> Evidence:
        """Everything that a metric needs.

        Args:
            targets: of the batch.
            outputs: of the network.
            weights: float [batch]: 1, or 0 for images that only fill up the batch.
        """

    def mixable(self, targets: Target) -> tf.Tensor:
        """Targets as floats whose weighted means are targets too, for mixup."""


class Metric(Protocol):
    """Figures over a whole split, independent of the batches."""

    def add(self, evidence: Mapping[str, np.ndarray]) -> None:
        """Adds the evidence of a batch."""

    def result(self) -> dict[str, float]:
        """The figures by name; the first is the quality that rewards are computed from."""


def check_figures(objective: Objective, metric: Metric, targets: Target, model: keras.Model) -> None:
    """Raises `UsageError` if a figure has the name of another one, before anything is trained.

    Args:
        objective: gives figures and evidence.
        metric: fresh.
        targets: of images.
        model: a network of the task.
    """
    check_names("training figure", objective.figure_names)
    targets = tf.nest.map_structure(lambda values: tf.constant(values[:_CHECKED]), targets)
    count = len(tf.nest.flatten(targets)[0])
    zeros = {name: tf.zeros([count, *output.shape[1:]]) for name, output in model.output.items()}
    try:
        add_up(metric, objective.evidence(targets, zeros, tf.ones([count])))
        names = list(metric.result())
    except Exception:  # a task's code need not expect such outputs; the names are checked again when it measures
        return
    check_names("metric", names)


def add_up(metric: Metric, evidence: Mapping[str, Any]) -> None:
    """Adds evidence to a metric as NumPy arrays."""
    metric.add({name: np.asarray(value) for name, value in evidence.items()})
