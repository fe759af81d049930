"""Classes that training masks do not hold."""

from collections.abc import Sequence

import numpy as np


def absent_classes(pixels: np.ndarray, class_names: Sequence[str]) -> str | None:
    """A line that names the classes without a pixel; None: each has some.

    Args:
        pixels: int [classes], those of each class in the training masks.
        class_names: of the data set.
    """
    absent = [name for name, count in zip(class_names, pixels, strict=True) if not count]
    if not absent:
        return None
    noun = f"class {absent[0]} has" if len(absent) == 1 else f"{len(absent)} classes have"
    others = "" if len(absent) == 1 else f" ({', '.join(absent[:5])}{', ...' if len(absent) > 5 else ''})"
    return (
        f"{noun} no pixel in the training masks{others}; --classes, --ignore_label and --label_map say what values mean"
    )
