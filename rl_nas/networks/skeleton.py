"""Everything about a network but its genotype, image size and classes."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Skeleton:
    """A preset, or a preset with what the flags change; a family of genotypes and a head read parts of it.

    Attributes:
        cells: normal cells of each stage (N in the papers); modules of a stack.
        filters: of the first stage (F); they double with every reduction.
        reductions: how often cells halve the image; there is one stage more.
        stem: `cifar`, a 3x3 convolution, or `imagenet`, the same with stride 2 and two more reduction cells.
        stem_multiplier: the stem's convolution has this times F (imagenet: times 32) filters.
        output_conv: whether a 1x1 convolution and a normalization stand behind the last cell, as ENAS has them behind
            every cell; those behind the others are the next cell's first ones.
        skip_reduction_input: whether the cell after a reduction reads what was before the reduction's input.
        dropout: fraction of the features dropped before the head's last layer.
        drop_path: probability of keeping the last cell's paths at the end of the training.
        auxiliary: whether the network has an auxiliary head while it is trained.
        zero_padded_pools: whether strided pools read zeros beyond the image, as in keras.applications.
        bn_momentum: of batch normalization.
        bn_epsilon: of batch normalization.
        l2: weight of the published L2 term of the loss, half the squared kernels.
        image_size: pixels of the published images.
        classes: of the published data set.
    """

    cells: int = 1
    filters: int = 1
    reductions: int = 2
    stem: Literal["cifar", "imagenet"] = "cifar"
    stem_multiplier: float = 1.0
    output_conv: bool = False
    skip_reduction_input: bool = False
    dropout: float = 0.0
    drop_path: float = 1.0
    auxiliary: bool = False
    zero_padded_pools: bool = False
    bn_momentum: float = 0.9
    bn_epsilon: float = 1e-5
    l2: float = 0.0
    image_size: int = 32
    classes: int = 10
