"""How genotypes become networks: presets, and the flags that change them."""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import PRESETS, family_of
from rl_nas.networks.skeleton import Skeleton
from rl_nas.settings import Settings, setting
from rl_nas.spaces.decisions import Genotype

_OFF: dict[str, float] = {"dropout": 0.0, "drop_path": 1.0}
"""Values that switch something off; so does false."""

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
    size: str | None = setting(None, "N@P, the papers' notation: N cells a stage, P channels before the head")
    target_params: float | None = setting(None, "the most filters with at most this many trainable parameters", above=0)
    target_madds: float | None = setting(None, "the most filters with at most this many multiply-adds", above=0)
    reductions: int | None = setting(None, "halvings of the image by cells; one stage more" + _PRESETS_WORD, minimum=0)
    stem_multiplier: float | None = setting(
        None, "filters of the stem's 3x3 convolution, in F (imagenet: in 32)" + _PRESETS_WORD, above=0
    )
    output_conv: bool | None = setting(
        None,
        "put a 1x1 convolution and a normalization behind the last cell, so that the head reads the same whatever a"
        " cell concatenates; left out: with --estimator=shared, else the preset's",
    )
    skip_reduction_input: bool | None = setting(
        None, "the cell after a reduction takes as h[i-1] the cell before the reduction's input" + _PRESETS_WORD
    )
    dropout: float | None = setting(
        None, "fraction of the features dropped before the head's last layer" + _PRESETS_WORD, minimum=0, maximum=0.99
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
        None, "decay of the moving averages of batch normalization" + _PRESETS_WORD, minimum=0, maximum=1
    )
    bn_epsilon: float | None = setting(None, "added to the variance in batch normalization" + _PRESETS_WORD, above=0)


def skeleton_of(
    genotype: Genotype, settings: NetworkSettings, head_reads: Collection[str] = (), default: str = "proxy"
) -> Skeleton:
    """The preset with what the settings change.

    Args:
        genotype: what the network is to be made of.
        settings: name and changes.
        head_reads: settings that the head of the network reads.
        default: the preset of cells where the settings name none.

    Raises:
        UsageError: the preset is for genotypes of another kind, or a setting has no effect.
    """
    fitting = family_of(genotype).presets
    name = settings.network or (default if default in fitting else next(iter(fitting)))
    if name not in fitting:
        raise UsageError(
            f"--network={name} is not for genotypes of kind {genotype.KIND}; expected one of {', '.join(fitting)}"
        )
    for unread in unread_settings(genotype, settings, head_reads):
        raise UsageError(
            f"--{unread}={getattr(settings, unread)} has no effect on a network of {genotype.KIND}; leave it out"
        )
    names = {field.name for field in dataclasses.fields(Skeleton)}
    changes = {key: value for key, value in settings.flags().items() if key in names and value is not None}
    return dataclasses.replace(fitting[name], **changes)


def unread_settings(genotype: Genotype, settings: NetworkSettings, head_reads: Collection[str]) -> list[str]:
    """Names of the settings that were given, switch something on and have no effect."""
    reads = {*family_of(genotype).reads, *head_reads}
    given = {name: value for name, value in settings.flags().items() if value is not None and name not in reads}
    return [name for name, value in given.items() if value is not False and value != _OFF.get(name)]
