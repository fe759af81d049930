"""Backbones that are not trained with a child: from images to feature maps."""

import hashlib
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import tensorflow as tf

from rl_nas.child.data.normalization import Normalization
from rl_nas.child.network.flat_weights import FlatModel, Outputs
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.errors import UsageError
from rl_nas.networks.features import FeatureMaps
from rl_nas.networks.layer import Cost
from rl_nas.networks.plan import Plan


class Backbone(Protocol):
    """A backbone with its weights, for images of one size."""

    @property
    def normalization(self) -> Normalization | None:
        """Normalization of its images; None: that of the data."""

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        """Weights by path."""

    @property
    def maps(self) -> FeatureMaps:
        """The feature maps that it computes."""

    @property
    def cost(self) -> Cost:
        """Parameters and multiply-adds."""

    def __call__(self, images: tf.Tensor) -> Outputs:
        """Feature maps by the names of `feature_name`, of normalized images [batch, height, width, channels]."""

    def fingerprint(self) -> str:
        """A name that backbones share if they compute the same."""


class PlannedBackbone:
    """A backbone of ours.

    Attributes:
        normalization: of the images that it was trained on.
        weights: path -> value; initial ones for others.
    """

    def __init__(
        self,
        plan: Plan,
        weights: Mapping[str, np.ndarray],
        normalization: Normalization | None = None,
        *,
        source: str = "",
    ) -> None:
        """Loads weights.

        Args:
            plan: from an image to feature maps.
            weights: trained ones by path; none: those of an untrained network.
            normalization: of the images that it was trained on.
            source: of the weights, for messages.

        Raises:
            UsageError: some weights are missing or have another shape.
        """
        self._plan, self.normalization = plan, normalization
        self._model = PlannedModel(plan)
        if weights:
            check_weights(self._model, weights, source)
            self._model.load(weights)
        self.weights = self._model.values
        self._infer = tf.function(self._model.infer, autograph=False)

    @property
    def maps(self) -> FeatureMaps:
        """See `Backbone`."""
        levels = sorted((int(name.rpartition("_")[2]), tensor.shape) for name, tensor in self._plan.outputs.items())
        return FeatureMaps(dict(levels), self._plan.image_size)

    @property
    def cost(self) -> Cost:
        """See `Backbone`."""
        return self._plan.cost()

    def __call__(self, images: tf.Tensor) -> Outputs:
        """See `Backbone`."""
        outputs: Outputs = self._infer(images)
        return outputs

    def fingerprint(self) -> str:
        """See `Backbone`."""
        digest = hashlib.sha256(self._plan.text().encode())
        for path, value in sorted(self.weights.items()):
            digest.update(path.encode() + value.tobytes())
        return digest.hexdigest()


def check_weights(model: FlatModel, weights: Mapping[str, np.ndarray], source: str) -> None:
    """Raises `UsageError` unless there are weights of the right shape for every layer of a model."""
    for parameter in model.weights:
        met = weights[parameter.path].shape if parameter.path in weights else "nothing"
        if met != tuple(parameter.shape):
            raise UsageError(
                f"{source} has {met} for {parameter.path}, expected {tuple(parameter.shape)}: it is a network of"
                " another genotype or size"
            )
