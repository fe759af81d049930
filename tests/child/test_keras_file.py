"""Files of Keras models: they are read in safe mode, and refused if they hold far more than they weigh."""

import io
import json
import os
import zipfile
from pathlib import Path

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
