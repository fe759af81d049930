"""Flags of the part of a segmentation network behind its backbone."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting

OUTPUT_STRIDES, DECODER_STRIDE = (4, 8, 16, 32), 4


@dataclass(frozen=True)
class SegmentationHeadSettings(Settings):
    """The head and the decoder behind it."""

    title: ClassVar[str] = "Segmentation head"

    head: str | None = setting(
        None, "genotype of the head: a published name, a file, or a run's folder; left out: ASPP, unless it is searched"
    )
    head_filters: int = setting(256, "filters of the head's and the decoder's layers", minimum=1, maximum=100_000)
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
    decoder_stride: int | None = setting(
        None,
        f"stride of the low-level features that the decoder reads, below --output_stride; 0: no decoder; left out:"
        f" {DECODER_STRIDE} if the backbone has it",
        minimum=0,
    )
    decoder_filters: int = setting(
        48, "filters that the decoder reduces the low-level features to", minimum=1, maximum=100_000
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        stride: Any = self.output_stride
        if stride is not None and stride not in OUTPUT_STRIDES:
            raise UsageError(f"--output_stride={stride}: expected one of {', '.join(map(str, OUTPUT_STRIDES))}")
        if self.dilated and stride is None:
            raise UsageError("--dilated needs --output_stride, the stride from which the backbone is dilated")

    def decoder_reads(self, offered: Collection[int]) -> int | None:
        """Stride of the features that the decoder reads; None: there is no decoder.

        Args:
            offered: strides of the backbone's feature maps.
        """
        assert self.output_stride is not None
        stride = DECODER_STRIDE if self.decoder_stride is None else self.decoder_stride
        return stride if stride in offered and stride < self.output_stride else None

    def check_decoder(self, offered: Collection[int]) -> None:
        """Raises `UsageError` for settings of a decoder that a network on a backbone does not have.

        Args:
            offered: strides of the backbone's feature maps.
        """
        if self.decoder_reads(offered) is not None:
            return
        finer = ", ".join(str(stride) for stride in sorted(offered) if stride < (self.output_stride or 0))
        if self.decoder_stride:
            raise UsageError(
                f"--decoder_stride={self.decoder_stride}: below --output_stride={self.output_stride} the backbone has"
                f" features of stride {finer or 'none'}; give one of these, or 0 for no decoder"
            )
        if self.decoder_filters != type(self)().decoder_filters:
            raise UsageError(
                f"--decoder_filters={self.decoder_filters} has no effect without a decoder; leave it out, or give a"
                f" --decoder_stride that the backbone has below --output_stride={self.output_stride}: {finer or 'none'}"
            )
