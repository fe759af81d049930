"""What the numbers of images of classes mean for a measurement: lines for the user."""

from collections.abc import Mapping, Sequence

import numpy as np

from rl_nas.child.data.splits import TEST, TRAIN, UNUSED, VALID
from rl_nas.errors import UsageError
from rl_nas.names import shown_names

FEW = 100
"""Held-out images below which differences of accuracies are mostly chance."""

_SHOWN = 5


def check_classes(dataset: str, class_names: Sequence[str]) -> None:
    """Raises `UsageError` for classes that leave nothing to tell apart."""
    if len(class_names) < 2:
        found = f"has one class alone, {class_names[0]}" if class_names else "has no classes"
        raise UsageError(f"--dataset={dataset} {found}; expected at least two")


def check_labels(dataset: str, labels: np.ndarray, roles: np.ndarray) -> None:
    """Raises `UsageError` for examples that are learned from, or measured on, but have no class.

    Args:
        dataset: its name.
        labels: classes of the examples of the training split, int [examples], -1 where one has none.
        roles: of these examples.
    """
    missing = int(np.count_nonzero((labels < 0) & (roles != UNUSED)))
    if missing:
        raise UsageError(
            f"{missing:,} of {len(labels):,} training examples of {dataset} have no class (label -1); remove them"
        )


def class_remarks(
    class_names: Sequence[str],
    labels: Mapping[str, np.ndarray],
    roles: Mapping[str, np.ndarray],
    test: str | None,
) -> list[str]:
    """Lines on classes that are not learned or not measured, and on few held-out images.

    Args:
        class_names: one per class.
        labels: classes of the examples of each split that is known, the training split's among them, int [examples], -1
            where one is not.
        roles: of the examples of the splits that are divided or held out.
        test: split for the final measurement; None: there is none.
    """
    parts = {TRAIN: roles["train"] == TRAIN, TEST: roles["train"] == TEST}
    found = {role: labels["train"][which] for role, which in parts.items()}
    tested = found[TEST] if len(found[TEST]) else labels.get(test or "", found[TEST])
    held_out = np.concatenate([labels[split][one == VALID] for split, one in roles.items() if split in labels])
    lines = []
    single = np.flatnonzero(_counts(labels["train"], class_names) == 1)
    if len(single):
        lines.append(f"classes with one image: {_some(class_names, single)}; add images, or leave them out")
    for images, what, outcome in (
        (found[TRAIN], "an image to train on", "never predicted"),
        (held_out, "a held-out image", "the accuracy says nothing about them"),
        (tested, "an image for the final test", "its accuracy says nothing about them"),
    ):
        counts = _counts(images, class_names)
        absent = np.setdiff1d(np.flatnonzero(counts == 0), single)
        if counts.any() and len(absent):
            lines.append(f"classes without {what}: {_some(class_names, absent)}; {outcome}")
    number = sum(int(np.count_nonzero(one == VALID)) for one in roles.values())
    if 0 < number < FEW:
        lines.append(
            f"few held-out images: {number}; small differences of accuracies are chance: hold out more"
            " (--valid_fraction), or a split (--valid_split)"
        )
    return lines


def _counts(labels: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    """Examples of each class."""
    counts: np.ndarray = np.bincount(labels[labels >= 0], minlength=len(class_names))
    return counts


def _some(class_names: Sequence[str], numbers: np.ndarray) -> str:
    """How many classes of all, and the names of the first ones."""
    shown = shown_names([class_names[number] for number in numbers], _SHOWN)
    return f"{len(numbers):,} of {len(class_names):,}, {shown}"
