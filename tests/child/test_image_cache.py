"""Images that are decoded once for all processes of a search."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from rl_nas.child.data.image_cache import image_cache, load_image_cache
from rl_nas.child.data.images import ImageData

RNG = np.random.default_rng(0)
DATA = ImageData(
    train_images=RNG.integers(0, 255, (7, 4, 5, 3), np.uint8),
    train_targets=RNG.integers(0, 3, 7),
    valid_images=RNG.integers(0, 255, (2, 4, 5, 3), np.uint8),
    valid_targets=RNG.integers(0, 3, 2),
    class_names=("a", "ü", "c"),
)


def test_kept_images_are_the_images_until_the_search_ends(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    assert load_image_cache(folder) is None
    with image_cache(DATA, folder):
        found = load_image_cache(folder)
        assert found is not None
        for field in dataclasses.fields(ImageData):
            np.testing.assert_array_equal(getattr(found, field.name), getattr(DATA, field.name))
        assert found.class_names == DATA.class_names
        with pytest.raises(ValueError, match="read-only"):
            found.train_images[0] = 0
    assert not folder.exists()


def test_what_a_killed_search_left_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "train_images.npy").write_bytes(b"half")
    assert load_image_cache(folder) is None
    with image_cache(DATA, folder):
        assert load_image_cache(folder) is not None


def test_images_that_find_no_room_are_decoded_by_each_process(tmp_path: Path) -> None:
    with image_cache(DATA, tmp_path / "absent" / "images"):
        assert load_image_cache(tmp_path / "absent" / "images") is None
