"""The part of a training that a task provides: loss, evidence, metric."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Target
from rl_nas.child.network.flat_weights import Outputs
from rl_nas.store.class_results import ClassResults

Evidence = dict[str, tf.Tensor]
"""Tensors by name, of a batch; a metric collects those of all batches."""


class Objective(Protocol):
    """Functions of the targets and the outputs of a batch, traced in a tf.function or eager."""

    @property
    def figure_names(self) -> tuple[str, ...]:
        """Names of `figures`."""

    @property
    def joined(self) -> frozenset[str]:
        """Names of the evidence that has an entry per image: of several replicas it is joined, other is added up."""

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


@runtime_checkable
class WithClasses(Protocol):
    """A metric that also tells what becomes of each class."""

    def of_classes(self) -> ClassResults:
        """The results of the classes, after `result`; of the same evidence."""


def class_results(metric: Metric) -> ClassResults | None:
    """The results of each class; None: the metric tells none."""
    return metric.of_classes() if isinstance(metric, WithClasses) else None


def add_up(metric: Metric, evidence: Mapping[str, Any]) -> None:
    """Adds evidence to a metric as NumPy arrays."""
    metric.add({name: np.asarray(value) for name, value in evidence.items()})
