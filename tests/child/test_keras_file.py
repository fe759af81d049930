"""Files of Keras models: they are read in safe mode, and refused if they hold far more than they weigh."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from rl_nas.child.network.keras_file import load_keras_file
from rl_nas.errors import UsageError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(tmp_path / "model.keras")
    return tmp_path / "model.keras"


def repacked(file: Path, compression: int, **changed: bytes) -> Path:
    """A copy with other contents of some members."""
    copy = file.with_name("copy.keras")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(copy, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, changed.get(name.partition(".")[0], old.read(name)))
    return copy


def weights(**options: object) -> bytes:
    content = io.BytesIO()
    with h5py.File(content, "w") as opened:
        opened.create_dataset("zeros", (100_000_000,), "f4", **options)
    return content.getvalue()


def test_a_model_is_read_whether_it_is_compressed_or_not(file: Path) -> None:
    for path in (file, repacked(file, zipfile.ZIP_DEFLATED)):
        np.testing.assert_array_equal(
            load_keras_file(path).get_weights()[0], keras.models.load_model(file, safe_mode=True).get_weights()[0]
        )


def test_files_that_hold_more_than_they_weigh_are_refused(file: Path) -> None:
    """400 MB of zeros: compressed by the archive, by HDF5, or only declared."""
    packed = repacked(file, zipfile.ZIP_DEFLATED, model=b"\0" * 400_000_000)
    declared = weights()
    filtered = weights(chunks=(10_000_000,), compression="gzip")
    assert packed.stat().st_size < 10**6
    with pytest.raises(UsageError, match="what it holds has 400,"):
        load_keras_file(packed)
    for content in (declared, filtered):
        with pytest.raises(UsageError, match="what it holds has 400,000,000 bytes; expected at most"):
            load_keras_file(repacked(file, zipfile.ZIP_STORED, model=content))


def test_configs_that_describe_more_than_the_file_weighs_are_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keras makes variables before it reads their values."""
    with zipfile.ZipFile(file) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["layers"][-1]["config"]["units"] = 40_000_000
    monkeypatch.setattr(keras.models, "load_model", pytest.fail)
    with pytest.raises(UsageError, match="what it holds has 800,000,000 bytes; expected at most"):
        load_keras_file(repacked(file, zipfile.ZIP_STORED, config=json.dumps(config).encode()))
    keras.layers.Dense(3).build((None, 4))  # nothing is made of what was declared


def changed(model: keras.Model, folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> Path:
    """The file of a model with other layers in its config, of which nothing says for what they are built."""
    model.save(folder / "model.keras")
    with zipfile.ZipFile(folder / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
    layers = config["config"]["layers"]
    for part in (config, *layers):
        part.pop("build_config", None)
    change(layers)
    return repacked(folder / "model.keras", zipfile.ZIP_STORED, config=json.dumps(config).encode())


def test_layers_that_are_no_part_of_the_model_are_counted(tmp_path: Path) -> None:
    """Keras makes the variables of all layers of a config."""
    image = keras.Input((4,))

    def add(layers: list[dict[str, Any]]) -> None:
        beside = {**layers[-1], "name": "beside", "inbound_nodes": []}
        beside["config"] = {**beside["config"], "name": "beside"}
        layers.append({**beside, "build_config": {"input_shape": [None, 2**40]}})

    file = changed(keras.Model(image, keras.layers.Dense(3)(image)), tmp_path, add)
    with pytest.raises(UsageError, match="what it holds has 13,194,139,"):
        load_keras_file(file)


def test_nothing_is_computed_to_learn_the_size(tmp_path: Path) -> None:
    """A normalization computes with its variables when it is built."""
    parts = [keras.layers.RepeatVector(4), keras.layers.Permute((2, 1)), keras.layers.Normalization(axis=-1)]

    def enlarge(layers: list[dict[str, Any]]) -> None:
        (repeat,) = (layer for layer in layers if layer["class_name"] == "RepeatVector")
        repeat["config"]["n"] = 2**40

    file = changed(keras.Sequential([keras.Input((1,)), *parts]), tmp_path, enlarge)
    with pytest.raises(UsageError, match="what it holds has 8,796,093,"):
        load_keras_file(file)


SPREADING = {
    "an image made larger": [keras.layers.UpSampling2D(4096)],
    "a convolution with a large stride": [keras.layers.Conv2DTranspose(2, 1, strides=1000)],
    "inside of a layer": [keras.layers.SeparableConv2D(1, 1, depth_multiplier=2**20)],
    "all together": [keras.layers.UpSampling2D(600), *[keras.layers.ReLU() for _ in range(30)]],
}
"""Layers behind an image of 32x32 pixels."""


@pytest.mark.parametrize("name", SPREADING)
def test_models_that_compute_too_much_are_refused_before_they_are_made(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of some kilobytes would take all memory at its first image."""
    keras.Sequential([keras.Input((32, 32, 1)), *SPREADING[name]]).save(tmp_path / "model.keras")
    monkeypatch.setattr(keras.models, "load_model", pytest.fail)
    with pytest.raises(UsageError, match=r"computes [\d,]+ numbers for one image; expected at most") as caught:
        load_keras_file(tmp_path / "model.keras")
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.keras")
    with pytest.raises(UsageError, match="is a pipe or a device"):
        load_keras_file(tmp_path / "pipe.keras")
    (tmp_path / "cut.keras").write_bytes(b"PK\x05\x06" + b"\xff" * 18)
    with pytest.raises(UsageError, match=r"expected a \.keras file"):
        load_keras_file(tmp_path / "cut.keras")
    old = tmp_path / "old.h5"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]).save(old)
    with pytest.raises(UsageError, match=r"expected a \.keras file"):  # of these Keras' safe mode is none
        load_keras_file(old)
