"""Flags of the part of a segmentation network behind its backbone."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting

OUTPUT_STRIDES = (4, 8, 16, 32)


@dataclass(frozen=True)
class SegmentationHeadSettings(Settings):
    """The head and the decoder behind it."""

    title: ClassVar[str] = "Segmentation head"

    head: str | None = setting(
        None, "genotype of the head: a published name, a file, or a run's folder; left out: ASPP, unless it is searched"
    )
    head_filters: int = setting(256, "filters of the head's and the decoder's layers", minimum=1)
    head_dropout: float = setting(0.1, "fraction of the head's features dropped in training", minimum=0, maximum=0.99)
    pyramid_pooling: str = setting(
        "grid",
        "average pooling of the head: one mean for each cell of a grid, as Chen et al. 2018 say; or overlapping windows"
        " at every place, as their released code has it",
        choices=("grid", "released"),
    )
    output_stride: int | None = setting(
        None,
        f"stride of the features that the head reads, where the backbone is cut: {', '.join(map(str, OUTPUT_STRIDES))};"
        " left out: the backbone's coarsest",
    )
    dilated: bool = setting(
        False,
        "keep the backbone's layers beyond --output_stride, with the same weights: dilated instead of strided (Chen et"
        " al. 2017); pools are not dilated",
    )
    decoder_stride: int = setting(
        4, "stride of the low-level features that the decoder reads, if the backbone has them; 0: no decoder", minimum=0
    )
    decoder_filters: int = setting(48, "filters that the low-level features are reduced to", minimum=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        stride: Any = self.output_stride
        if stride is not None and stride not in OUTPUT_STRIDES:
            raise UsageError(f"--output_stride={stride}: expected one of {', '.join(map(str, OUTPUT_STRIDES))}")
        if self.dilated and stride is None:
            raise UsageError("--dilated needs --output_stride, the stride from which the backbone is dilated")
