"""The head of segmentation networks: a searched cell, and the decoder of DeepLabv3+ (Chen et al. 2018, ECCV)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import head_family
from rl_nas.networks.features import Features, Head
from rl_nas.networks.layer import Shape
from rl_nas.networks.layers import Concat, Conv, CropImage, DepthwiseConv, Dropout, Resize
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.decisions import Genotype
from rl_nas.tasks.segmentation.head_settings import SegmentationHeadSettings

_REFINEMENTS = 2
"""Convolutions of the decoder."""


@dataclass(frozen=True)
class SegmentationHead(Head):
    """Plans `logits` [height, width, classes], of the size of the image without its padding.

    Attributes:
        classes: of the data set.
        cell: genotype of the head.
        settings: of head and decoder; the output stride is known.
    """

    classes: int
    cell: Genotype
    settings: SegmentationHeadSettings
    layers: ClassVar[tuple[str, ...]] = ("head.branch", "head.projection.", "decoder.")

    @property
    def output_stride(self) -> int:
        """Stride of the features that the cell reads."""
        assert self.settings.output_stride is not None
        return self.settings.output_stride

    @property
    @override
    def image_multiple(self) -> int:
        return self.output_stride

    @property
    @override
    def max_stride(self) -> int | None:
        return self.output_stride if self.settings.dilated else None

    @override
    def strides(self, offered: Mapping[int, Shape]) -> tuple[int, ...]:
        finer = self.settings.decoder_reads(offered)
        return (self.output_stride,) if finer is None else (finer, self.output_stride)

    @override
    def plan(self, ops: Ops, features: Features, skeleton: Skeleton, *, training: bool) -> dict[str, Tensor]:
        """Plans cell, dropout, projection, decoder, logits, and their interpolation to the image.

        Raises:
            UsageError: the image is smaller than the output stride.
        """
        if min(ops.plan.image_size) < self.output_stride:
            height, width = ops.plan.image_size
            raise UsageError(
                f"images of {height}x{width} pixels are smaller than the output stride, {self.output_stride}; give"
                " another --output_stride or a larger --image_size"
            )
        plan, filters = ops.plan, self.settings.head_filters
        strides = self.strides({stride: tensor.shape for stride, tensor in features.levels.items()})
        with plan.scope("head"):
            read = {stride: features.finished(stride) for stride in reversed(strides)}
            x = read[self.output_stride]
            padded = (x.size[0] * self.output_stride, x.size[1] * self.output_stride)
            x = head_family(self.cell).plan(ops, self.cell, x, filters, self.settings.pyramid_pooling)
            if self.settings.head_dropout:
                x = plan.add(Dropout(self.settings.head_dropout), x, name="dropout")
            with plan.scope("projection"):
                x = ops.relu(ops.conv_bn(x, filters))
        with plan.scope("decoder"):
            for stride in strides[:-1]:
                x = self._refined(ops, x, read[stride])
            logits = plan.add(Conv(self.classes, (1, 1), bias=True), x, name="logits")
            logits = plan.add(Resize(padded), logits, name="resize")
            if padded != plan.image_size:
                logits = plan.add(CropImage(plan.image_size), logits, name="crop")
        return {"logits": logits}

    def _refined(self, ops: Ops, x: Tensor, low_level: Tensor) -> Tensor:
        """Joins upsampled features with low-level ones, then convolves."""
        plan = ops.plan
        with plan.scope("low_level"):
            low_level = ops.relu(ops.conv_bn(low_level, self.settings.decoder_filters))
        x = plan.add(Concat(), plan.add(Resize(low_level.size), x, name="upsample"), low_level, name="concat")
        for number in range(_REFINEMENTS):
            with plan.scope(f"refine{number}"):
                with plan.scope("depthwise"):
                    x = ops.relu(plan.add(ops.norm, plan.add(DepthwiseConv(3), x, name="conv"), name="bn"))
                with plan.scope("pointwise"):
                    x = ops.relu(ops.conv_bn(x, self.settings.head_filters))
        return x
