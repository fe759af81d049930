"""Measures trained networks by mean predictions over resized and mirrored images (Chen et al. 2018, DeepLabv3+)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Target
from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.network.backbone import check_weights
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
    """The network of a genotype at several sizes of the image, all with the same weights."""

    def __init__(self, settings: EvaluationSettings, networks: Networks, genotype: Genotype) -> None:
        """Plans the networks.

        Args:
            settings: which views.
            networks: of the training.
            genotype: that is trained.

        Raises:
            UsageError: the task cannot average predictions, or images are too small for the network at some scale.
        """
        networks.task.require(ABILITY, settings.asked)
        self._settings, self._networks = settings, networks
        skeleton, (height, width, channels) = networks.skeleton(genotype), networks.image_shape
        self._plans: list[Plan] = []
        for scale in settings.all_scales:
            shape = (max(1, round(height * scale)), max(1, round(width * scale)), channels)
            try:
                self._plans.append(replace(networks, settings=skeleton, image_shape=shape).plan(genotype))
            except UsageError as error:
                raise UsageError(f"{settings.asked}: at scale {scale:g}, {error}") from error

    def describe(self) -> dict[str, Any]:
        """The views as JSON values."""
        return {"scales": list(self._settings.all_scales), "flip": self._settings.flip}

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
        task, problem, models = self._networks.task, self._networks.problem, []
        for plan in self._plans:
            models.append(PlannedModel(plan))
            check_weights(models[-1], weights, "the trained network")
            models[-1].load(weights)
        objective, metric = task.objective(problem), task.metric(problem)

        def evidence(images: tf.Tensor, targets: Target, counted: tf.Tensor) -> dict[str, tf.Tensor]:
            pixels, views = normalization(images), []
            for model in models:
                resized = tf.image.resize(pixels, model.plan.image_size)
                views.append((model.infer(resized), False))
                if self._settings.flip:
                    views.append((model.infer(tf.reverse(resized, [2])), True))
            return objective.evidence(targets, task.averaged(views, self._networks.image_shape[:2]), counted)

        batch, images = min(map(measured_batch, self._plans)), pipeline.size(split)
        batch, traced = min(batch, images), tf.function(evidence, autograph=False)
        for examples in pipeline.measured(split, batch):
            add_up(metric, traced(*examples))
        return Measured(pipeline.described(split), images, metric.result())
