"""Exports a trained child as a TF SavedModel and proves that it computes the same."""

import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from rl_nas.child.data import ImageData
from rl_nas.errors import RunError, StorageError

TOLERANCE = 1e-4
"""Largest allowed difference between a probability of the child and of the reloaded SavedModel."""


def export_saved_model(model: keras.Model, data: ImageData, path: Path, *, check_images: int = 64) -> float:
    """Exports `model` with its preprocessing: uint8 images in, class probabilities out.

    The folder appears only after it was loaded back and gave the same outputs on real images.

    Args:
        model: from whitened images to logits.
        data: the images the model was trained on; gives the whitening, and held-out images to check with.
        path: the folder to write; an earlier one is replaced.
        check_images: how many held-out images are compared.

    Returns:
        The largest difference of a probability.

    Raises:
        RunError: the reloaded model computes something else.
        StorageError: the folder cannot be written.
    """
    mean, deviation = data.channel_statistics()
    image = keras.Input(data.image_shape, dtype="uint8", name="image")
    whitened = keras.layers.Normalization(mean=mean, variance=deviation**2, name="whiten")(image)
    probabilities = keras.layers.Softmax(name="probabilities")(model(whitened))
    temporary = path.with_name(f".{path.name}.new")
    _write(keras.Model(image, probabilities), temporary)
    images = data.valid_images[:check_images]
    expected = tf.nn.softmax(model((images - mean) / deviation, training=False))
    reloaded = tf.saved_model.load(temporary)
    difference = float(np.max(np.abs(reloaded.serve(images) - expected)))
    if not difference <= TOLERANCE:
        raise RunError(
            f"the exported SavedModel differs from the child by {difference:.1e} on {len(images)} images;"
            f" expected at most {TOLERANCE:.0e} (left in {temporary})"
        )
    shutil.rmtree(path, ignore_errors=True)
    temporary.rename(path)
    return difference


def _write(model: keras.Model, path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    try:
        model.export(path, format="tf_saved_model", verbose=False)
    except tf.errors.OpError as error:
        shutil.rmtree(path, ignore_errors=True)
        reason = error.message.rpartition("; ")[2]  # TensorFlow puts the path before it
        raise StorageError(f"cannot write {path}: {reason}") from error
