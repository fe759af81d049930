"""How genotypes become networks: presets, and the flags that change them."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting
from rl_nas.spaces.cells import CellGenotype
from rl_nas.spaces.chain import ChainGenotype
from rl_nas.spaces.genotype import Genotype
from rl_nas.spaces.nasbench101 import ModelSpec
from rl_nas.spaces.nasbench201 import EdgeCell


@dataclass(frozen=True)
class Skeleton:
    """Everything about a network but its genotype, image size and classes.

    Attributes:
        kind: of the genotypes that it is made of.
        cells: normal cells of each stage (N in the papers); modules of a stack.
        filters: of the first stage (F); they double with every reduction.
        reductions: how often cells halve the image; there is one stage more.
        stem: `cifar`, a 3x3 convolution, or `imagenet`, the same with stride 2 and two more reduction cells.
        stem_multiplier: the stem's convolution has this times F (imagenet: times 32) filters.
        output_conv: whether a 1x1 convolution and a normalisation stand behind the last cell, as ENAS has them behind
            every cell; those behind the others are the next cell's first ones.
        skip_reduction_input: whether the cell after a reduction reads what was before the reduction's input.
        dropout: share of the features dropped before the classifier.
        drop_path: probability of keeping the last cell's paths at the end of the training.
        auxiliary: whether the network has an auxiliary head while it is trained.
        zero_padded_pools: whether strided pools read zeros beyond the image, as in keras.applications.
        bn_momentum: of batch normalisation.
        bn_epsilon: of batch normalisation.
        l2: weight of the published L2 term of the loss, half the squared kernels.
        image_size: pixels of the published images.
        classes: of the published data set.
    """

    kind: str
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


_CIFAR = Skeleton(CellGenotype.KIND, cells=2, filters=32, stem_multiplier=3.0, l2=5e-4)
_IMAGENET = Skeleton(
    CellGenotype.KIND,
    stem="imagenet",
    dropout=0.5,
    auxiliary=True,
    bn_momentum=0.9997,
    bn_epsilon=1e-3,
    classes=1000,
)

PRESETS: dict[str, Skeleton] = {
    # Zoph et al. 2018: the search's proxy (section 3), and the networks of their released code.
    "proxy": _CIFAR,
    "cifar": dataclasses.replace(_CIFAR, cells=6, drop_path=0.6, auxiliary=True),
    "imagenet_mobile": dataclasses.replace(_IMAGENET, cells=4, filters=44, l2=4e-5, image_size=224),
    "imagenet_large": dataclasses.replace(
        _IMAGENET,
        cells=6,
        filters=168,
        stem_multiplier=3.0,
        skip_reduction_input=True,
        drop_path=0.7,
        l2=5e-5,
        image_size=331,
    ),
    # Zoph and Le 2017, section 4.1.
    "nas_rl": Skeleton(ChainGenotype.KIND, l2=1e-4),
    # Ying et al. 2019, section 2.2; Dong and Yang 2020, section 2.1.
    "nasbench101": Skeleton(ModelSpec.KIND, cells=3, filters=128, bn_momentum=0.997, l2=1e-4),
    "nasbench201": Skeleton(EdgeCell.KIND, cells=5, filters=16, l2=5e-4),
}

_PRESETS_WORD = "; left out: the preset's"


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """The network around the cells: a preset, and what is to differ from it."""

    title: ClassVar[str] = "Network"

    network: str | None = setting(
        None, "preset; left out: the one that fits the genotype (cells: proxy in searches)", choices=tuple(PRESETS)
    )
    cells: int | None = setting(None, "normal cells in each stage (N in the papers)" + _PRESETS_WORD, minimum=1)
    filters: int | None = setting(
        None, "filters of the first stage (F); double after reductions" + _PRESETS_WORD, minimum=1
    )
    size: str | None = setting(None, "N@P, the papers' notation: N cells a stage, P channels before the classifier")
    target_params: float | None = setting(None, "the most filters with at most this many trainable parameters", above=0)
    target_madds: float | None = setting(None, "the most filters with at most this many multiply-adds", above=0)
    reductions: int | None = setting(None, "halvings of the image by cells; one stage more" + _PRESETS_WORD, minimum=0)
    stem_multiplier: float | None = setting(
        None, "filters of the stem's 3x3 convolution, in F (imagenet: in 32)" + _PRESETS_WORD, above=0
    )
    output_conv: bool | None = setting(
        None,
        "put a 1x1 convolution and a normalisation behind the last cell, so that the head reads the same whatever a"
        " cell concatenates; left out: with --estimator=shared, else the preset's",
    )
    skip_reduction_input: bool | None = setting(
        None, "the cell after a reduction takes as h[i-1] the cell before the reduction's input" + _PRESETS_WORD
    )
    dropout: float | None = setting(
        None, "share of the features dropped before the classifier" + _PRESETS_WORD, minimum=0, maximum=0.99
    )
    drop_path: float | None = setting(
        None,
        "scheduled drop path: final probability of keeping the last cell's paths" + _PRESETS_WORD,
        above=0,
        maximum=1,
    )
    auxiliary: bool | None = setting(None, "train with an auxiliary head" + _PRESETS_WORD)
    zero_padded_pools: bool | None = setting(
        None, "strided pools read zeros beyond the image, as in keras.applications" + _PRESETS_WORD
    )
    bn_momentum: float | None = setting(
        None, "decay of the moving averages of batch normalisation" + _PRESETS_WORD, minimum=0, maximum=1
    )
    bn_epsilon: float | None = setting(None, "added to the variance in batch normalisation" + _PRESETS_WORD, above=0)


def skeleton_of(genotype: Genotype, settings: NetworkSettings, default: str = "proxy") -> Skeleton:
    """The preset with what the settings change.

    Args:
        genotype: what the network is to be made of.
        settings: name and changes.
        default: the preset of cells where the settings name none.

    Raises:
        UsageError: the preset is for genotypes of another kind.
    """
    fitting = [name for name, preset in PRESETS.items() if preset.kind == genotype.KIND]
    name = settings.network or (default if default in fitting else fitting[0])
    if name not in fitting:
        raise UsageError(
            f"--network={name} is made of {PRESETS[name].kind}, the genotype of {genotype.KIND}; expected one of"
            f" {', '.join(fitting)}"
        )
    names = {field.name for field in dataclasses.fields(Skeleton)}
    changes = {key: value for key, value in settings.flags().items() if key in names and value is not None}
    return dataclasses.replace(PRESETS[name], **changes)
