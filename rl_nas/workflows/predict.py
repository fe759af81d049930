"""Predictions of exported SavedModels for image files."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rl_nas.child.data.orientation import orientation, turned
from rl_nas.errors import UsageError
from rl_nas.tasks.display import Outputs
from rl_nas.tasks.predictor import ImageFile, Predictor
from rl_nas.tasks.task import Task


class Prediction(NamedTuple):
    """A prediction for a file.

    Attributes:
        file: the image's.
        image: upright, uint8 [height, width, channels].
        outputs: of the network.
        line: of text.
        value: for JSON.
    """

    file: ImageFile
    image: np.ndarray
    outputs: Outputs
    line: str
    value: Any


def predict_files(
    task: Task, path: Path, class_names: Sequence[str], predictor: Predictor, files: Sequence[ImageFile], top: int
) -> Iterator[Prediction]:
    """Yields the prediction for each file.

    Args:
        task: of the network.
        path: of its SavedModel.
        class_names: one for each class.
        predictor: of the task.
        files: images.
        top: most classes in a line.

    Raises:
        UsageError: a file cannot be decoded.
    """
    serve = (loaded := tf.saved_model.load(path)).signatures["serving_default"]
    channels = serve.structured_input_signature[1]["images"].shape[-1]

    def outputs_of(image: np.ndarray) -> Mapping[str, np.ndarray]:
        return {name: output[0].numpy() for name, output in serve(images=tf.constant(image[np.newaxis])).items()}

    for file in files:
        image, turn = _decoded(file.path, channels)
        outputs = predictor.outputs(outputs_of, image)
        predictor.measure(file, outputs, turn)
        yield Prediction(file, image, outputs, *task.prediction(outputs, class_names, top))
    del loaded  # its variables live as long as it does


def _decoded(path: Path, channels: int) -> tuple[np.ndarray, int]:
    """An image, upright, and the orientation that it is stored in."""
    content = tf.io.read_file(str(path))
    try:
        image = tf.io.decode_image(content, channels=channels, expand_animations=False)
    except tf.errors.InvalidArgumentError as error:
        raise UsageError(f"{path} cannot be decoded; expected a PNG, JPEG, GIF or BMP image") from error
    turn = orientation(content)
    return np.asarray(turned(image, turn)), int(turn)
