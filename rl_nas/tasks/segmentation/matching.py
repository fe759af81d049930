"""The mask of each image, by the names of their files."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from rl_nas.errors import UsageError

_SEPARATORS = "_-. "


class Matches(NamedTuple):
    """Files that belong together.

    Attributes:
        masks: image -> its mask.
        images_left: images without one.
        masks_left: masks without an image.
    """

    masks: Mapping[str, str]
    images_left: Sequence[str]
    masks_left: Sequence[str]


def match_names(images: Sequence[str], masks: Sequence[str], suffix: str | None = None) -> Matches:
    """Finds the mask of each image.

    A mask is called like its image, in the same subfolder, with one suffix that is the same in all of a data set:
    `_mask` in `a_mask.png` for `a.jpg`. It is empty or begins with `_`, `-`, `.` or a space, and is the one that gives
    a mask to most images; equal names win a tie. An ending that all images share, such as `_leftImg8bit`, is left out
    of their names where that gives more of them a mask.

    Args:
        images: paths of files below a folder.
        masks: likewise, below another.
        suffix: the suffix, if it is known.

    Raises:
        UsageError: two images have the same name, or several suffixes would do.
    """
    image_of = _by_stem(images)
    best: dict[str, str] = {}
    for ending in dict.fromkeys(("", _shared_ending(list(image_of)))):
        bases = {stem.removesuffix(ending): image for stem, image in image_of.items()}
        found = _by_suffix(bases, masks)
        chosen = found.get(_best_suffix(found) if suffix is None else suffix, {})
        if len(chosen) > len(best):
            best = chosen
    used = set(best.values())
    return Matches(
        masks=best,
        images_left=[image for image in images if image not in best],
        masks_left=[mask for mask in masks if mask not in used],
    )


def _by_suffix(bases: Mapping[str, str], masks: Iterable[str]) -> dict[str, dict[str, str]]:
    """Suffix -> image -> mask, for all ways to read the names of masks."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for mask in masks:
        stem = _stem(mask)
        for cut in range(1, len(stem) + 1):
            if (cut == len(stem) or stem[cut] in _SEPARATORS) and stem[:cut] in bases:
                found[stem[cut:]][bases[stem[:cut]]] = mask
    return found


def _best_suffix(found: Mapping[str, Mapping[str, str]]) -> str:
    most = max(map(len, found.values()), default=0)
    best = sorted(suffix for suffix, pairs in found.items() if len(pairs) == most)
    if len(best) > 1 and "" not in best:
        raise UsageError(
            f"masks whose names end in {', '.join(best)} fit {most} images each; say which with --mask_suffix={best[0]}"
        )
    return best[0] if best else ""


def _shared_ending(stems: Sequence[str]) -> str:
    """The last part of a name from a `_` on, if all names have it."""
    first = stems[0].rpartition("/")[2] if stems else ""
    ending = "_" + first.rpartition("_")[2] if "_" in first else ""
    return ending if all(stem.endswith(ending) for stem in stems) else ""


def _by_stem(images: Sequence[str]) -> dict[str, str]:
    image_of: dict[str, str] = {}
    for image in images:
        if image_of.setdefault(_stem(image), image) != image:
            raise UsageError(f"images {image_of[_stem(image)]} and {image} have the same name; rename or remove one")
    return image_of


def _stem(name: str) -> str:
    """A path without the ending of its file type."""
    return name.rpartition(".")[0]
