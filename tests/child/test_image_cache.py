"""Images that are decoded once for all processes of a search."""

import dataclasses
import os
import shutil
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

LARGE = dataclasses.replace(DATA, valid_images=np.zeros((50, 64, 64, 3), np.uint8))


def test_kept_images_are_the_images_until_the_search_ends(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    assert load_image_cache(folder) is None
    with image_cache(DATA, folder, pytest.fail):
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
    with image_cache(DATA, folder, pytest.fail):
        assert load_image_cache(folder) is not None


def test_what_a_full_disk_has_taken_of_them_is_deleted_at_once(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else fills it meanwhile: more was free than there is."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 2**40))
    folder, told, used = small_disk / "images", list[str](), os.statvfs(small_disk).f_bfree
    with image_cache(LARGE, folder, told.append):
        assert load_image_cache(folder) is None
        assert os.statvfs(small_disk).f_bfree == used
    (line,) = told
    assert line.startswith(f"decoded images cannot be kept: {folder}: ")


def test_images_that_would_find_no_room_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = 1.05 * sum(array.nbytes for array in vars(DATA).values() if isinstance(array, np.ndarray))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, round(free)))
    told: list[str] = []
    with image_cache(DATA, tmp_path / "images", told.append):
        assert not any(tmp_path.iterdir())
    line = f"decoded images take 0.0 MiB, but {tmp_path} has 0.0 MiB left; every worker decodes its own"
    assert told == [line]


def test_images_whose_folder_cannot_be_made_are_decoded_by_each_process(tmp_path: Path) -> None:
    told: list[str] = []
    with image_cache(DATA, tmp_path / "absent" / "images", told.append):
        assert load_image_cache(tmp_path / "absent" / "images") is None
    assert len(told) == 1
