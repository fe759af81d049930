"""Class labels of TFDS data sets."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds

from rl_nas.child.data.annotation import Annotation, names_of_classes


def labels_of(features: Mapping[str, Any], supervised: Sequence[str]) -> Annotation | None:
    """The image and its class label; of several, those that the data set names as supervised."""
    images = [key for key, value in features.items() if isinstance(value, tfds.features.Image)]
    labels = [key for key, value in features.items() if isinstance(value, tfds.features.ClassLabel)]
    for key in reversed(supervised):
        images.sort(key=lambda k: k != key)
        labels.sort(key=lambda k: k != key)
    if not images or not labels:
        return None
    label = labels[0]
    names = names_of_classes(features[label])
    return Annotation(
        image=images[0],
        class_names=names,
        read=lambda example: example[label],
        is_given=lambda target: bool(target >= 0),
        label=label,
    )
