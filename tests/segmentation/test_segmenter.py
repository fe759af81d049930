"""Comparison of exported segmentation networks with the network."""

import json

import keras
import numpy as np
import pytest

from rl_nas.child.data.normalization import Normalization
from rl_nas.tasks.segmentation.masks import IGNORE
from rl_nas.tasks.segmentation.serving import Segmenter


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    image = keras.Input((2, 3, 3))
    network = keras.Model(image, {"logits": keras.layers.Conv2D(2, 1)(image)})
    return Segmenter("segmentation", network, Normalization((0.0,) * 3, (1.0,) * 3), ("road", "sky"))


def probabilities(classes: np.ndarray) -> dict[str, np.ndarray]:
    return {"probabilities": np.eye(2, dtype=np.float32)[classes]}


def test_accuracies_are_of_labeled_pixels(segmenter: Segmenter) -> None:
    found, expected = np.array([[[0, 1], [1, 1]]]), np.array([[[0, 1], [1, 0]]])
    targets = np.array([[[0, IGNORE], [1, 0]]], np.uint8)
    agreement = segmenter.compare(probabilities(found), probabilities(expected), targets, "int8")
    figures = {"max_difference": 1, "pixel_agreement": 3 / 4, "pixel_accuracy": 2 / 3, "network_pixel_accuracy": 1}
    assert agreement.figures == pytest.approx(figures)
    assert agreement.complaint is not None
    assert segmenter.compare(probabilities(found), probabilities(found), targets, "float32").complaint is None


@pytest.mark.filterwarnings("error")
def test_without_a_labeled_pixel_there_is_no_accuracy(segmenter: Segmenter) -> None:
    classes = np.array([[[0, 1], [1, 0]]])
    agreement = segmenter.compare(*[probabilities(classes)] * 2, np.full([1, 2, 2], IGNORE, np.uint8), "float32")
    assert agreement.figures == {"max_difference": 0, "pixel_agreement": 1}
    json.dumps(agreement.figures, allow_nan=False)
