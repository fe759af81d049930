"""Features of a frozen backbone: computed once, found again, never half-made."""

import errno
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.data import feature_cache
from rl_nas.child.data.annotation import Annotation
from rl_nas.child.data.feature_cache import CachedFeatures, cached_features, default_root
from rl_nas.child.data.feature_data import FeatureData, check_augmentation
from rl_nas.child.data.geometry import warp_masks
from rl_nas.child.data.images import ImageData
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.errors import StorageError, UsageError
from rl_nas.networks.features import FeatureMaps, feature_name
from rl_nas.networks.layer import Cost

SIZE = (6, 8)
NORMALIZATION = Normalization((10.0, 20.0, 30.0), (2.0, 3.0, 4.0))
ANNOTATION = Annotation("image", (), lambda example: example, warp=lambda m, geometry: warp_masks(m, geometry, 255))


class Blocks:
    """A backbone whose features are means of blocks of pixels."""

    def __init__(self, *strides: int, name: str = "blocks") -> None:
        shapes = {stride: (SIZE[0] // stride, SIZE[1] // stride, 3) for stride in strides}
        self.maps, self.name, self.calls = FeatureMaps(shapes, SIZE), name, 0
        self.normalization, self.weights, self.cost = None, dict[str, np.ndarray](), Cost()

    def __call__(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        self.calls += len(images)
        return {feature_name(s): tf.nn.avg_pool2d(images, s, s, "VALID") for s in self.maps.shapes}

    def fingerprint(self) -> str:
        return self.name


@pytest.fixture
def data() -> ImageData:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (70, *SIZE, 3)).astype(np.uint8)
    masks = rng.integers(0, 4, (70, *SIZE)).astype(np.uint8)
    return ImageData(images[:50], masks[:50], images[50:], masks[50:], tuple("abcd"))


class Made(NamedTuple):
    features: CachedFeatures
    told: list[str]


def made(backbone: Blocks, data: ImageData, root: Path, *, mirrored: bool = True, **changes: Normalization) -> Made:
    told: list[str] = []
    normalization = changes.get("normalization", NORMALIZATION)
    return Made(cached_features(backbone, data, normalization, root, mirrored=mirrored, tell=told.append), told)


def test_they_are_what_the_backbone_computes(data: ImageData, tmp_path: Path) -> None:
    backbone = Blocks(1, 2)
    features, told = made(backbone, data, tmp_path)
    expected = backbone(NORMALIZATION(data.train_images)), backbone(NORMALIZATION(data.train_images[:, :, ::-1]))
    for name, values in features.train.items():
        for copy, wanted in zip(values, expected, strict=True):
            np.testing.assert_allclose(copy, wanted[name], rtol=1e-5)
    for name, wanted in backbone(NORMALIZATION(data.valid_images)).items():
        np.testing.assert_allclose(features.valid[name], wanted, rtol=1e-5)
    assert re.match(r"features: computing those of 120 images once, 0\.1 MiB in ", told[0])


def test_they_are_computed_once_for_all_runs(data: ImageData, tmp_path: Path) -> None:
    first, again = Blocks(2), Blocks(2)
    before, _ = made(first, data, tmp_path)
    after, told = made(again, data, tmp_path)
    assert (first.calls, again.calls, told) == (120, 0, [])
    assert before.folder == after.folder
    assert isinstance(after.train["features_2"], np.memmap)


@pytest.mark.parametrize("change", ["backbone", "strides", "normalization", "mirrored", "images", "held out"])
def test_whatever_changes_them_has_a_folder_of_its_own(change: str, data: ImageData, tmp_path: Path) -> None:
    base, _ = made(Blocks(2), data, tmp_path)
    backbone, mirrored, changes = Blocks(2), True, {}
    if change == "backbone":
        backbone = Blocks(2, name="other weights")
    if change == "strides":
        backbone = Blocks(1, 2)
    if change == "normalization":
        changes = {"normalization": Normalization.unit(3)}
    if change == "mirrored":
        mirrored = False
    if change == "images":
        data.train_images[3, 2, 1, 0] ^= 1
    if change == "held out":
        data = ImageData(data.train_images[:49], data.train_targets[:49], *held_out_with_one_more(data))
    other, told = made(backbone, data, tmp_path, mirrored=mirrored, **changes)
    assert other.folder != base.folder
    assert len(told) == 1


def held_out_with_one_more(data: ImageData) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    images = np.concatenate([data.train_images[49:], data.valid_images])
    return images, np.concatenate([data.train_targets[49:], data.valid_targets]), data.class_names


@pytest.mark.parametrize("damage", ["missing", "short", "other shape", "pickle", "index"])
def test_a_broken_folder_is_computed_again(damage: str, data: ImageData, tmp_path: Path) -> None:
    features, _ = made(Blocks(2), data, tmp_path)
    wanted, file = np.array(features.train["features_2"]), features.folder / "train.features_2.npy"
    if damage == "missing":
        file.unlink()
    if damage == "short":
        os.truncate(file, 200)
    if damage == "other shape":
        np.save(file, np.zeros((2, 50, 1, 1, 3), np.float32))
    if damage == "pickle":
        np.save(file, np.array([{"a": 1}]), allow_pickle=True)
    if damage == "index":
        (features.folder / "index.json").unlink()
    again, told = made(Blocks(2), data, tmp_path)
    assert len(told) == 1
    np.testing.assert_array_equal(again.train["features_2"], wanted)


def test_what_would_not_fit_is_one_line_and_leaves_nothing(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 100))
    backbone = Blocks(2)
    with pytest.raises(UsageError, match=r"of 120 images take 0\.0 MiB, but .* has 0\.0 MiB left: give another"):
        made(backbone, data, tmp_path)
    assert backbone.calls == 0
    assert not list(tmp_path.iterdir())


def test_a_computation_that_ends_early_leaves_nothing(data: ImageData, tmp_path: Path) -> None:
    class Broken(Blocks):
        def __call__(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            if self.calls:
                raise KeyboardInterrupt
            return super().__call__(images)

    with pytest.raises(KeyboardInterrupt):
        made(Broken(2), data, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_removed(data: ImageData, tmp_path: Path) -> None:
    other = tmp_path / ".other.machine.1"
    other.mkdir()
    features, _ = made(Blocks(2), data, tmp_path)
    dead = features.folder.with_name(f".{features.folder.name}.{platform.node()}.{dead_process()}")
    features.folder.rename(dead)
    again, _ = made(Blocks(2), data, tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([other, again.folder])


def test_what_killed_runs_with_other_features_left_is_removed_before_space_is_counted(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / f".another.{platform.node()}.{dead_process()}"
    left.mkdir()
    at_work = tmp_path / f".another.{platform.node()}.{os.getpid()}"
    at_work.mkdir()
    free = {True: 0, False: 2**40}
    usage = lambda path: shutil._ntuple_diskusage(0, 0, free[left.exists()])  # noqa: E731
    monkeypatch.setattr(feature_cache.shutil, "disk_usage", usage)
    features, _ = made(Blocks(2), data, tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([at_work, features.folder])


def test_a_disk_that_somebody_else_fills_is_one_line_and_no_signal(
    data: ImageData, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_cache.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 2**40))
    with pytest.raises(StorageError, match=f"cannot write {small_disk}: No space left on device"):
        made(Blocks(1), data, small_disk)
    assert not list(small_disk.iterdir())


def dead_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_mirrored_features_come_with_mirrored_masks(data: ImageData, tmp_path: Path) -> None:
    """Of a backbone that keeps its image, features show which way it was."""
    features, _ = made(Blocks(1), data, tmp_path)
    examples = FeatureData(features, data, ANNOTATION)
    indices = np.arange(50)
    read = examples.read(indices, np.array([3, 4]))
    spec = examples.signature(50)
    tf.nest.map_structure(lambda tensor, one: one.is_compatible_with(tensor) or pytest.fail(str(one)), read, spec)
    inputs, targets = examples.batch(read, tf.constant([3, 4]), AugmentSettings(flip=True))
    pixels = np.asarray(NORMALIZATION(data.train_images))
    plain = np.isclose(inputs["features_1"], pixels).all((1, 2, 3))
    mirrored = np.isclose(inputs["features_1"], pixels[:, :, ::-1]).all((1, 2, 3))
    assert 10 < plain.sum() < 40
    np.testing.assert_array_equal(plain, ~mirrored)
    expected = np.where(plain[:, None, None], data.train_targets, data.train_targets[:, :, ::-1])
    np.testing.assert_array_equal(targets, expected)


def test_held_out_examples_are_whole(data: ImageData, tmp_path: Path) -> None:
    features, _ = made(Blocks(2), data, tmp_path, mirrored=False)
    examples = FeatureData(features, data, ANNOTATION)
    inputs, targets = examples.held_out(5, 12)
    np.testing.assert_array_equal(inputs["features_2"], features.valid["features_2"][5:12])
    np.testing.assert_array_equal(targets, data.valid_targets[5:12])
    inputs, targets = examples.first(4)
    np.testing.assert_array_equal(inputs["features_2"], features.train["features_2"][0, :4])
    np.testing.assert_array_equal(targets, data.train_targets[:4])
    assert (examples.train_examples, examples.valid_examples) == (50, 20)


def test_only_mirroring_is_possible_with_them() -> None:
    check_augmentation(AugmentSettings(flip=True))
    for changes in ({"crop_margin": 2}, {"cutout": 3}, {"scale_min": 0.5}):
        with pytest.raises(UsageError, match="changes images, but their features are computed once: only --flip"):
            check_augmentation(AugmentSettings(**changes))  # type: ignore[arg-type]


def test_their_place_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "rl_nas" / "features"


def test_a_file_system_that_reserves_no_space_is_no_full_disk(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*unused: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", refuse, raising=False)
    assert made(Blocks(2), data, tmp_path).features


def test_a_file_system_that_maps_no_files_is_told_as_such(
    data: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*unused: object) -> None:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    monkeypatch.setattr(np.lib.format, "open_memmap", refuse)
    with pytest.raises(StorageError, match=r"its file system cannot map files.* give a --feature_dir on another"):
        made(Blocks(2), data, tmp_path)
