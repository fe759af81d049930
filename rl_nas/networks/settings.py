"""Settings of networks around genotypes: presets, and flags that change them."""

from collections.abc import Collection
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import PRESETS, backbone_family
from rl_nas.networks.families.family import NORM
from rl_nas.networks.features import FeatureMaps
from rl_nas.networks.skeleton import Skeleton
from rl_nas.settings import Changes, setting
from rl_nas.spaces.decisions import Genotype

_OFF: dict[str, float] = {"dropout": 0.0, "drop_path": 1.0}
"""Values that switch a part off, as false does."""


class NetworkSettings(Changes, of=Skeleton, hint="; left out: the preset's"):
    """The network around a genotype: a preset, and changes of it."""

    title: ClassVar[str] = "Network"

    network: str | None = setting(
        None, "preset; left out: the one for the kind of genotype (cells: proxy in searches)", choices=tuple(PRESETS)
    )
    size: str | None = setting(None, "N@P, the papers' notation: N cells a stage, P channels before the head")
    target_params: float | None = setting(
        None, "the most filters with at most this many trainable parameters", above=0, maximum=1e15
    )
    target_madds: float | None = setting(
        None, "the most filters with at most this many multiply-adds", above=0, maximum=1e18
    )


def skeleton_of(
    backbone: Genotype | FeatureMaps,
    settings: NetworkSettings,
    head_reads: Collection[str] = (),
    default: str = "proxy",
) -> Skeleton:
    """The preset with the changes of the settings.

    Args:
        backbone: of the network.
        settings: name of the preset, and changes.
        head_reads: settings that the head of the network reads.
        default: the preset of cells if the settings name none.

    Raises:
        UsageError: the preset is for genotypes of another kind, or a setting has no effect.
    """
    fitting = {"": Skeleton()} if isinstance(backbone, FeatureMaps) else backbone_family(backbone).presets
    name = settings.network or (default if default in fitting else next(iter(fitting)))
    if name not in fitting and not isinstance(backbone, FeatureMaps):
        raise UsageError(
            f"--network={name} is not for genotypes of kind {backbone.KIND}; expected one of {', '.join(fitting)}"
        )
    for unread in unread_settings(backbone, settings, head_reads):
        raise UsageError(
            f"--{unread}={getattr(settings, unread)} has no effect on a network of {backbone.KIND}; leave it out"
        )
    return settings.applied_to(fitting[name])


def unread_settings(
    backbone: Genotype | FeatureMaps, settings: NetworkSettings, head_reads: Collection[str]
) -> list[str]:
    """Names of given settings that switch a part on but have no effect."""
    of_backbone = NORM - {"network"} if isinstance(backbone, FeatureMaps) else backbone_family(backbone).reads
    reads = {*of_backbone, *head_reads}
    given = {name: value for name, value in settings.flags().items() if value is not None and name not in reads}
    return [name for name, value in given.items() if value is not False and value != _OFF.get(name)]
