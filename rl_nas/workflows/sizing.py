"""Flags that follow the data (`--auto`): which, and by what rules. No TensorFlow."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

from rl_nas.child.data.image_sizes import proposed_side
from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.splits import VALIDATION_SPLITS, test_split, wanted
from rl_nas.flags.lists import names_of
from rl_nas.settings import Settings, setting

AUTO = (
    *("image_size", "valid_fraction", "test_fraction", "train_images"),
    *("batch_size", "epochs", "filters", "reductions", "crop_margin"),
)
"""Flags that may follow the data."""

UNITS: tuple[frozenset[str], ...] = tuple(
    map(
        frozenset,
        (
            ("valid_fraction", "valid_images", "valid_split"),
            ("group_by", "group_size"),
            ("backbone", "backbone_weights", "backbone_pixels"),
            ("classes", "ignore_label", "label_map"),
            ("loss", "focal_gamma"),
            ("filters", "size", "target_params", "target_madds"),
            ("cells", "size"),
        ),
    )
)
"""Flags of which one says what another would: where a call gives one, none of the others is found or taken."""

_LARGEST_SIDE, _SMALLEST_MAP = 64, 8
"""Pixels of an image's side, and of its last feature map's, at most."""
_MEASURED, _LEAST, _MOST = 500, 0.1, 0.25
"""Images to measure on, and the least and greatest fraction that they may be."""
_STEPS, _SMALLEST_BATCH, _LARGEST_BATCH = 16, 8, 64
"""Least train steps of an epoch, and the bounds of a batch; those of the batch win."""
_MARGINS = 16
"""Margins of a random crop in the side of an image."""
_MANY = 5000
"""Images to train on from which a fully trained network is wider."""


class Budget(NamedTuple):
    """What a training may take.

    Attributes:
        images: to train on, at most; None: all.
        seen: images that are seen in all epochs together.
        epochs: at least and at most.
        filters: of few and of many images.
    """

    images: int | None
    seen: int
    epochs: tuple[int, int]
    filters: tuple[int, int]


CHILD, FULL = Budget(4000, 10_000, (3, 30), (8, 8)), Budget(None, 20_000, (10, 60), (16, 32))


class Seen(NamedTuple):
    """What is known of a data set without reading it.

    Attributes:
        splits: number of examples of each.
        sizes: height and width -> how many images have them; none: they are not known.
    """

    splits: Mapping[str, int]
    sizes: Mapping[tuple[int, int], int]


@dataclass(frozen=True)
class AutoSettings(Settings):
    """Flags that follow the data."""

    title: ClassVar[str] = "Sized by the data"

    auto: str | None = setting(
        None,
        f"flags that follow the data where they are not given, some of {', '.join(AUTO)}, separated by commas;"
        " docs/own_images.md has the rules, and what is found is told and recorded",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.names is not None  # raises for unknown ones

    @property
    def names(self) -> list[str]:
        """Names of the flags."""
        return [] if self.auto is None else names_of(self.auto, AUTO, "auto")


def without_given(values: Mapping[str, Any], given: Collection[str]) -> dict[str, Any]:
    """Flags whose `auto` names none that is given, nor one that another which is given says too."""
    said = set(given).union(*(unit for unit in UNITS if unit & set(given)))
    left = [name for name in AutoSettings(values["auto"]).names if name not in said]
    return {**values, "auto": ",".join(left) or None}


def found_flags(names: Collection[str], data: DataSettings, seen: Seen, budget: Budget) -> dict[str, Any]:
    """The values of flags that follow the data; without those that the data leave no need for.

    Args:
        names: of the flags, of `AUTO`.
        data: the settings of the data set.
        seen: what is known of it.
        budget: of a training.
    """
    total = seen.splits.get("train", 0)
    if not total:  # which is refused elsewhere
        return {}
    found: dict[str, Any] = {}
    if "image_size" in names and (size := _image_size(seen.sizes)):
        found["image_size"] = size
    fraction = round(min(max(_MEASURED / total, _LEAST), _MOST), 2)
    if "valid_fraction" in names:
        found |= _held_out(data, seen.splits, fraction)
    data = replace(data, **found)
    if "test_fraction" in names and data.test_fraction is None and test_split("", seen.splits, data) is None:
        found["test_fraction"] = fraction
        data = replace(data, test_fraction=fraction)
    images = max(1, total - sum(wanted(data, total)))
    if "train_images" in names and budget.images is not None and images > budget.images:
        found["train_images"] = images = budget.images
    images = min(images, data.train_images or images)
    side = _side(data, seen.sizes)
    rules = {
        "batch_size": min(max(_power_below(images / _STEPS), _SMALLEST_BATCH), _LARGEST_BATCH),
        "epochs": min(max(round(budget.seen / images), budget.epochs[0]), budget.epochs[1]),
        "filters": budget.filters[images >= _MANY],
        **({} if side is None else {"reductions": _reductions(side), "crop_margin": round(side / _MARGINS)}),
    }
    return found | {name: value for name, value in rules.items() if name in names}


def _image_size(sizes: Mapping[tuple[int, int], int]) -> str | None:
    """The images' own size if they share a small one, or a square with their median side, if that is not too large."""
    if len(sizes) == 1 and max(only := next(iter(sizes))) <= _LARGEST_SIDE:
        return "x".join(map(str, only))
    return str(min(_LARGEST_SIDE, proposed_side(sizes))) if sizes else None


def _held_out(data: DataSettings, splits: Mapping[str, int], fraction: float) -> dict[str, Any]:
    """The validation split if there is a test split, too, and no groups are to be held out; otherwise a fraction."""
    named = [name for name in VALIDATION_SPLITS if splits.get(name)]
    if splits.get("test") and len(named) == 1 and not data.grouped:
        return {"valid_split": named[0]}
    return {"valid_fraction": fraction}


def _side(data: DataSettings, sizes: Mapping[tuple[int, int], int]) -> int | None:
    """The shorter side of the images that networks get; None: it is not known."""
    size = data.size or (next(iter(sizes)) if len(sizes) == 1 else None)
    return None if size is None else min(size)


def _reductions(side: int) -> int:
    """Halvings until a side is small: at least one if the image allows it."""
    return min(max(1, math.ceil(math.log2(side / _SMALLEST_MAP))), int(math.log2(side)))


def _power_below(number: float) -> int:
    """The largest power of two that a number reaches; at least 1."""
    return 1 << max(0, math.floor(math.log2(max(1.0, number))))
