"""The head of detectors: a neck, and towers that all levels share (Lin et al. 2017, Focal Loss, section 4)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import neck_family
from rl_nas.networks.features import Features, Head
from rl_nas.networks.layer import Layer, Shape
from rl_nas.networks.layers import Conv, FlattenLevels, Pair, Resize, SeparableConv
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.decisions import Genotype
from rl_nas.tasks.detection.head_settings import DetectionHeadSettings

_PRIOR = 0.01
"""Probability of a class at the start: the loss of thousands of anchors without an object is small then."""

_DEVIATION = 0.01
"""Of the initial kernels of the last layers."""

_COORDINATES = 4


def grid_size(image_size: Pair, stride: int) -> Pair:
    """Rows and columns of a level: the sides of the image, divided by its stride and rounded up."""
    height, width = image_size
    return math.ceil(height / stride), math.ceil(width / stride)


@dataclass(frozen=True)
class DetectionHead(Head):
    """Plans `scores` [1, anchors, classes] and `boxes` [1, anchors, 4] of an image.

    Scores are logits of sigmoids, boxes codes relative to anchors. Anchors are those of the levels from the finest to
    the coarsest, row by row (`grid_size`), at a place one after the other.

    Attributes:
        classes: of the data set.
        neck: its genotype.
        settings: of neck and towers.
        anchors: at each place.
    """

    classes: int
    neck: Genotype
    settings: DetectionHeadSettings
    anchors: int
    layers: ClassVar[tuple[str, ...]] = ("neck.", "classes.", "boxes.")

    @property
    def pyramid(self) -> tuple[int, ...]:
        """Strides of the levels that the towers read, from the finest to the coarsest.

        Raises:
            UsageError: the neck is for others than --levels.
        """
        return self.settings.strides(neck_family(self.neck).levels(self.neck))

    @override
    def strides(self, offered: Mapping[int, Shape]) -> tuple[int, ...]:
        pyramid = self.pyramid
        if pyramid[0] not in offered:
            raise UsageError(
                f"the backbone has features of stride {', '.join(map(str, offered))}; expected stride {pyramid[0]}"
                " among them, of the finest level of the detector: give other --levels, or more or fewer --reductions"
            )
        return tuple(stride for stride in pyramid if stride in offered)

    @override
    def plan(self, ops: Ops, features: Features, skeleton: Skeleton, *, training: bool) -> dict[str, Tensor]:
        """Plans neck and towers."""
        plan, settings = ops.plan, self.settings
        strides = self.strides({stride: tensor.shape for stride, tensor in features.levels.items()})
        with plan.scope("head"):
            read = {stride: features.finished(stride) for stride in reversed(strides)}
        with plan.scope("neck"):
            levels = neck_family(self.neck).plan(
                ops,
                self.neck,
                {stride: _fitted(ops, read[stride], grid_size(plan.image_size, stride)) for stride in strides},
                self.pyramid,
                settings.neck_filters,
                settings.neck_repeats,
            )
        scores = self._tower(ops, "classes", levels, self.classes, -math.log((1 - _PRIOR) / _PRIOR))
        return {"scores": scores, "boxes": self._tower(ops, "boxes", levels, _COORDINATES)}

    def _tower(
        self, ops: Ops, name: str, levels: Mapping[int, Tensor], values: int, initial_bias: float = 0.0
    ) -> Tensor:
        """Plans layers with the same weights for all levels, but a normalization for each (Tan et al. 2020)."""
        plan, filters = ops.plan, self.settings.tower_filters
        conv: Layer = Conv(filters, (3, 3), bias=True)
        if self.settings.tower_separable:
            conv = SeparableConv(filters, 3)
        last = Conv(self.anchors * values, (3, 3), bias=True, initial_bias=initial_bias, deviation=_DEVIATION)
        shared: dict[str, Tensor] = {}

        def add(layer: Layer, x: Tensor, scope: str) -> Tensor:
            x = plan.add(layer, x, name="conv", weights_of=shared.get(scope))
            shared.setdefault(scope, x)
            return x

        outputs = []
        with plan.scope(name):
            for stride, level in levels.items():
                x = level
                for number in range(self.settings.tower_layers):
                    with plan.scope(scope := f"layer{number}"):
                        x = ops.relu(plan.add(ops.norm, add(conv, x, scope), name=f"bn_{stride}"))
                with plan.scope("last"):
                    outputs.append(add(last, x, "last"))
            return plan.add(FlattenLevels(values), *outputs, name="all")


def _fitted(ops: Ops, x: Tensor, size: Pair) -> Tensor:
    """Features of another size, such as those of a stem without padding, at that of their level."""
    return x if x.size == size else ops.plan.add(Resize(size, method="nearest"), x, name="fit")
