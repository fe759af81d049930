"""Writes a trained network in formats that can be used without rl_nas."""

import importlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rl_nas.child.export.serving import Serving
from rl_nas.errors import RunError, StorageError, UsageError, first_line
from rl_nas.extras import install_command
from rl_nas.store.files import remove_folder, storage_errors
from rl_nas.store.network_folder import CLASSES, EXTRA, TASK

LITE_TYPES = ("float32", "float16", "int8")


class DifferingExportError(RunError):
    """A model that was written computes something else than its network.

    Attributes:
        complaint: how much they differ.
    """

    def __init__(self, path: Path, complaint: str) -> None:
        super().__init__(f"{path} {complaint}; it is left there for inspection: do not use it")
        self.complaint = complaint


_BATCH = 16
"""Images of a call when a SavedModel is compared with its network."""


def check_converters(formats: Sequence[str]) -> None:
    """Raises `UsageError` for a format whose converter cannot be imported."""
    if "onnx" in formats:
        try:
            importlib.import_module("rl_nas.child.export.onnx")
        except Exception as error:  # of other versions than it was made for
            raise UsageError(
                f"--format=onnx: tf2onnx cannot be imported ({first_line(error)}): {install_command('onnx')}"
            ) from error


def write_saved_model(serving: Serving, path: Path, extras: Mapping[str, str] = MappingProxyType({})) -> None:
    """Writes a TF SavedModel with two signatures, whatever the number of images.

    `serving_default`: `images`, uint8 [batch, height, width, channels] of any size, to the task's predictions and their
    names; `normalized`: `images`, normalized floats of the network's size, to predictions and the
    network's outputs.

    Args:
        serving: the network.
        path: the folder.
        extras: text files for its users beside those of the network, content by name.

    Raises:
        StorageError: the folder cannot be written.
    """
    archive = keras.export.ExportArchive()
    archive.track(serving.network)
    channels = serving.image_shape[2]
    uint8 = tf.TensorSpec([None, None, None, channels], tf.uint8, name="images")
    floats = tf.TensorSpec([None, *serving.image_shape], tf.float32, name="images")
    archive.add_endpoint("serve", serving.serve, [uint8])
    archive.add_endpoint("normalized", serving.serve_normalized, [floats])
    shutil.rmtree(path, ignore_errors=True)
    try:
        archive.write_out(path, verbose=False)
    except tf.errors.OpError as error:
        shutil.rmtree(path, ignore_errors=True)
        reason = error.message.rpartition("; ")[2]  # TensorFlow puts the path before it
        raise StorageError(f"cannot write {path}: {reason}") from error
    with storage_errors(path):
        (path / EXTRA).mkdir()
        (path / EXTRA / CLASSES).write_text("".join(f"{name}\n" for name in serving.class_names), encoding="utf-8")
        for name, text in {TASK: f"{serving.task}\n", **serving.extras, **extras}.items():
            (path / EXTRA / name).write_text(text, encoding="utf-8")


def write_checked_saved_model(
    serving: Serving, images: np.ndarray, targets: Any, path: Path, extras: Mapping[str, str] = MappingProxyType({})
) -> dict[str, float]:
    """Writes a SavedModel that appears only after it was loaded back and its predictions agreed with the network's.

    Args:
        serving: the network; its task says what agrees.
        images: uint8, to compare on.
        targets: of the images.
        path: the folder to write; an earlier one is replaced.
        extras: as in `write_saved_model`.

    Returns:
        The figures of the agreement.

    Raises:
        DifferingExportError: the reloaded model computes something else; it is left beside its place.
        StorageError: the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.new")
    write_saved_model(serving, temporary, extras)
    with tf.device("CPU:0"):  # a GPU rounds convolutions in a graph differently from eager ones
        expected = in_batches(lambda part: serving.predictions(serving.pixels(part)), images)
        reloaded = tf.saved_model.load(temporary)  # its variables live as long as it does
        found = in_batches(reloaded.serve, images)
    agreement = serving.compare(found, expected, targets, "float32")
    if agreement.complaint is not None:
        raise DifferingExportError(temporary, agreement.complaint)
    remove_folder(path)
    temporary.rename(path)
    return agreement.figures


def in_batches(predict: Callable[[tf.Tensor], dict[str, tf.Tensor]], images: np.ndarray) -> dict[str, np.ndarray]:
    """Predictions for all images, which are computed in batches: their outputs may be large."""
    parts = [predict(tf.constant(images[start : start + _BATCH])) for start in range(0, len(images), _BATCH)]
    return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}


def write_lite(serving: Serving, path: Path, kind: str, images: np.ndarray) -> None:
    """Writes a TFLite model: `image`, pixels of 0 to 255 of the network's size, to predictions.

    Args:
        serving: the network.
        path: the file.
        kind: `float32`; `float16`, which halves the file; `int8`, all arithmetic in integers, uint8 pixels in.
        images: uint8, to measure the ranges of `int8` on.
    """
    scratch = path.with_name(f".{path.name}.saved_model")
    archive = keras.export.ExportArchive()
    archive.track(serving.network)
    spec = tf.TensorSpec([None, *serving.image_shape], tf.float32, name="image")
    archive.add_endpoint("serve", serving.predictions, [spec])
    try:
        archive.write_out(scratch, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(scratch))
        if kind != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if kind == "int8":
            converter.representative_dataset = _one_by_one(images)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
        with storage_errors(path):
            path.write_bytes(converter.convert())
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_onnx(serving: Serving, path: Path) -> None:
    """Writes an ONNX model: `image`, float pixels of 0 to 255 of the network's size, to predictions."""
    from rl_nas.child.export.onnx import converted  # imports tf2onnx

    spec = tf.TensorSpec([None, *serving.image_shape], tf.float32, name="image")
    model = converted(tf.function(serving.predictions, autograph=False).get_concrete_function(spec))
    with storage_errors(path):
        path.write_bytes(model)


def _one_by_one(images: np.ndarray) -> Callable[[], Iterator[list[np.ndarray]]]:
    return lambda: ([image[np.newaxis].astype(np.float32)] for image in images)
