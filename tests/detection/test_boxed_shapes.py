"""The drawn pictures with boxes."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.shapes import CLASSES, IMAGES, draw_shapes
from rl_nas.child.data.tfds_data import prepared_builder
from rl_nas.tasks.sources import open_source


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> DataSettings:
    return DataSettings(dataset="boxed_shapes", data_dir=str(tmp_path_factory.mktemp("tfds")))


def test_boxes_end_where_their_shapes_do(settings: DataSettings) -> None:
    """Drawn again, and looked at one row and one column of pixels at a time."""
    drawn = {}
    for number in range(IMAGES["test"]):
        image, on_top, kinds = draw_shapes(np.random.default_rng([1, number]))
        drawn[image.tobytes()] = on_top, kinds
    boxes = 0
    for example in tfds.as_numpy(prepared_builder(settings).as_dataset(split="test")):
        on_top, kinds = drawn.pop(example["image"].tobytes())
        shapes = [shape for shape in range(1, len(kinds)) if (on_top == shape).sum() >= 24]
        assert example["objects"]["label"].tolist() == [kinds[shape] - 1 for shape in shapes]
        for shape, box in zip(shapes, example["objects"]["bbox"], strict=True):
            top, left, bottom, right = np.rint(box * [48, 64, 48, 64]).astype(int)
            inside = on_top[top:bottom, left:right] == shape
            assert inside.sum() == (on_top == shape).sum()
            for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
                assert edge.any()
            boxes += 1
    assert not drawn
    assert boxes > 200


def test_it_is_known_as_a_data_set_for_detection(settings: DataSettings) -> None:
    task, source = open_source(settings)
    assert task.name == "detection"
    assert source.class_names == CLASSES[1:]
    assert source.shape == (48, 64, 3)
