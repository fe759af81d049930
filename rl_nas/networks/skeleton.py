"""Everything about a network except its genotype, image size and classes."""

from dataclasses import dataclass
from typing import Literal

from rl_nas.settings import setting


@dataclass(frozen=True)
class Skeleton:
    """A preset, or a preset changed by flags; a family of genotypes and a head read parts of it.

    `setting` declares the fields that flags change, with their help texts. The others:

    Attributes:
        squeeze_first: whether the first cell brings the stem's output to its filters as h[i-1], too (Liu et al. 2019).
        stem: `cifar`, a 3x3 convolution, or `imagenet`, the same with stride 2 and two more reduction cells.
        l2: weight of the published L2 term of the loss, half the squared kernels.
        image_size: pixels of the published images.
        classes: of the published data set.
    """

    cells: int = setting(
        1, "normal cells in each stage (N in the papers), or modules of a stack", minimum=1, maximum=1000
    )
    filters: int = setting(1, "filters of the first stage (F); double after reductions", minimum=1, maximum=100_000)
    reductions: int = setting(2, "halvings of the image by cells; one stage more", minimum=0, maximum=16)
    stem_multiplier: float = setting(
        1.0, "filters of the stem's 3x3 convolution, in F (imagenet: in 32)", above=0, maximum=1000
    )
    output_conv: bool = setting(
        False,
        "add a 1x1 convolution and a normalization behind the last cell, so that the head reads the same channels"
        " whatever a cell concatenates (ENAS has them behind every cell; on with --estimator=shared)",
    )
    skip_reduction_input: bool = setting(
        False, "the cell after a reduction reads the reduction's own h[i-1] as its h[i-1]"
    )
    dropout: float = setting(
        0.0, "fraction of the features dropped before the head's last layer", minimum=0, maximum=0.99
    )
    drop_path: float = setting(
        1.0, "scheduled drop path: final probability of keeping the last cell's paths", above=0, maximum=1
    )
    auxiliary: bool = setting(False, "train with an auxiliary head")
    zero_padded_pools: bool = setting(False, "strided pools pad the image with zeros, as in keras.applications")
    bn_momentum: float = setting(0.9, "decay of the moving averages of batch normalization", minimum=0, maximum=1)
    bn_epsilon: float = setting(1e-5, "added to the variance in batch normalization", above=0)
    squeeze_first: bool = False
    stem: Literal["cifar", "imagenet"] = "cifar"
    l2: float = 0.0
    image_size: int = 32
    classes: int = 10
