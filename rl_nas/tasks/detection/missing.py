"""Annotations whose images are missing, and images whose annotations are."""

from collections.abc import Sequence
from typing import TypeVar

from rl_nas.errors import UsageError
from rl_nas.tasks.detection.listed import Oddities, shown

Image = TypeVar("Image")


def with_images(found: list[Image], missing: Sequence[str], split: str, where: str, odd: Oddities) -> list[Image]:
    """The images of a split, if all that are annotated are there.

    A split none of whose images is there, such as one that was not downloaded, is left out, and told.

    Args:
        found: images that are there.
        missing: names of those that are not.
        split: its name.
        where: the names stand.
        odd: gets a split that is left out.

    Raises:
        UsageError: images are missing, though others, or those to train on, are needed.
    """
    if missing and (found or split == "train"):
        raise UsageError(
            f"{where} annotates images that are not there: {len(missing)} of {len(missing) + len(found)}, such as"
            f" {missing[0]}; add the images, or remove the annotations"
        )
    if missing:
        odd.add("splits whose images are not there; left out", split)
    return found


def with_annotations(
    names: Sequence[str], missing: Sequence[str], split: str, where: str, odd: Oddities
) -> Sequence[str]:
    """The images of a list, if all are annotated; arguments and errors as in `with_images`."""
    if not missing:
        return names
    if len(missing) < len(names) or split == "train":
        raise UsageError(
            f"{where} has images without an annotation: {len(missing)} of {len(names)}, such as {shown(missing[0])};"
            " add the annotations (empty ones, if nothing is there), or shorten the list"
        )
    odd.add("splits without annotations; left out", split)
    return []
