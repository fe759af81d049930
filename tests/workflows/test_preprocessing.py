"""Layers of Keras that stand for flags, and those that do not."""

from typing import Any

import keras
import numpy as np
import pytest

from rl_nas.errors import UsageError
from rl_nas.workflows.preprocessing import preprocessing_flags

layers = keras.layers


def adapted() -> Any:
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).random((4, 5, 5, 3)))
    return layer


def test_layers_become_flags_and_needless_ones_are_told() -> None:
    told: list[str] = []
    found = preprocessing_flags(
        [keras.Sequential([layers.Rescaling(1 / 255), layers.RandomFlip("horizontal")]), layers.Resizing(20, 30)],
        told.append,
    )
    assert found == {"flip": True, "image_size": "20x30"}
    assert told == ["preprocessing: Rescaling change nothing, as networks normalize each channel themselves"]
    assert preprocessing_flags(adapted(), told.append) == {}
    assert preprocessing_flags(layers.Normalization(mean=[0.5], variance=[0.1]), told.append) == {}
    assert not preprocessing_flags([], told.append)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (layers.RandomFlip(), r"RandomFlip\('horizontal_and_vertical'\) has no flag; expected mode='horizontal'"),
        (layers.RandomCrop(4, 4), "RandomCrop cannot be passed on; give crop_margin=PIXELS"),
        (layers.RandomZoom(0.1), "RandomZoom cannot be passed on; give scale_min="),
        (layers.Lambda(abs), "Lambda cannot be passed on; expected Rescaling, Normalization"),
        (layers.Rescaling(-1), "Rescaling cannot be passed on"),
        (layers.Normalization(axis=(1, 2, 3)), "Normalization cannot be passed on"),
        (layers.Resizing(4, 4, interpolation="nearest"), "Resizing with interpolation=nearest has no flag"),
        (layers.Resizing(4, 4, crop_to_aspect_ratio=True), "Resizing with crop_to_aspect_ratio=True has no flag"),
        ([layers.Resizing(4, 4), layers.Resizing(8, 8)], "preprocessing has several layers for image_size"),
        (np.sqrt, "preprocessing has an object of ufunc; expected layers of Keras"),
    ],
)
def test_what_cannot_be_passed_on_is_refused(given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        preprocessing_flags(given, lambda line: None)
