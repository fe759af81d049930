"""Measures trained networks by mean predictions over resized and mirrored images (Chen et al. 2018, DeepLabv3+)."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Target
from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.network.backbone import check_weights
from rl_nas.child.network.composed import build_network
from rl_nas.child.network.flat_weights import FlatKerasModel, FlatModel
from rl_nas.child.network.keras_backbone import KerasBackbone
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.child_training import measured_batch
from rl_nas.child.training.full_training import Measured
from rl_nas.child.training.objective import add_up
from rl_nas.errors import UsageError
from rl_nas.evaluation.settings import EvaluationSettings
from rl_nas.networks.plan import Plan
from rl_nas.spaces.decisions import Genotype
from rl_nas.tasks.networks import Networks

ABILITY = "views"
"""Ability of tasks that have `Task.averaged`."""


class AveragedViews:
    """The network of a genotype at several sizes of the image, all with the same weights.

    Attributes:
        settings: which views.
    """

    def __init__(
        self,
        settings: EvaluationSettings,
        networks: Networks,
        genotype: Genotype,
        backbone: KerasBackbone | None = None,
    ) -> None:
        """Plans the networks.

        Args:
            settings: which views.
            networks: of the training.
            genotype: that is trained.
            backbone: of the networks, if it is one of Keras.

        Raises:
            UsageError: the task cannot average predictions, or there is no network for the images at some scale.
        """
        networks.task.require(ABILITY, settings.asked)
        self.settings, self._networks = settings, networks
        skeleton, (height, width, channels) = networks.skeleton(genotype), networks.image_shape
        self._plans: list[tuple[Plan, KerasBackbone | None]] = []
        for scale in settings.all_scales:
            size = max(1, round(height * scale)), max(1, round(width * scale))
            resized = replace(networks, settings=skeleton, image_shape=(*size, channels))
            try:
                keras = None if backbone is None else backbone.resized(*size)
                resized = resized if keras is None else replace(resized, backbone=keras.maps)
                self._plans.append((resized.plan(genotype), keras))
            except UsageError as error:
                raise UsageError(f"{settings.asked}: at scale {scale:g}, {error}") from error

    def measure(
        self, weights: Mapping[str, np.ndarray], pipeline: InputPipeline, split: str, normalization: Normalization
    ) -> Measured:
        """Measures on a split, in this process and on one device.

        Args:
            weights: of the trained network by path.
            pipeline: of the images.
            split: `valid`, the held-out images, or a split of the data set.
            normalization: of the images.
        """
        task, problem = self._networks.task, self._networks.problem
        models: list[FlatModel] = []
        for plan, keras in self._plans:
            models.append(PlannedModel(plan) if keras is None else FlatKerasModel(build_network(plan, keras)))
            check_weights(models[-1], weights, "the trained network")
            models[-1].load(weights)
        objective, metric = task.objective(problem), task.metric(problem)

        def evidence(images: tf.Tensor, targets: Target, counted: tf.Tensor) -> dict[str, tf.Tensor]:
            pixels, views = normalization(images), []
            for model, (plan, _) in zip(models, self._plans, strict=True):
                resized = tf.image.resize(pixels, plan.image_size)
                views.append((model.infer(resized), False))
                if self.settings.flip:
                    views.append((model.infer(tf.reverse(resized, [2])), True))
            return objective.evidence(targets, task.averaged(views, self._networks.image_shape[:2]), counted)

        batch, images = min(measured_batch(plan) for plan, _ in self._plans), pipeline.size(split)
        batch, traced = min(batch, images), tf.function(evidence, autograph=False)
        for examples in pipeline.measured(split, batch):
            add_up(metric, traced(*examples))
        return Measured(pipeline.described(split), images, metric.result())
