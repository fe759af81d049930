"""Predictions of exported SavedModels for image files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from rl_nas.child.data.orientation import orientation, turned
from rl_nas.child.export.writers import CLASSES, EXTRA
from rl_nas.errors import UsageError
from rl_nas.store.json_files import read_text
from rl_nas.tasks.task import Task


def predict_files(task: Task, path: Path, files: Sequence[str], top: int) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Yields each file with its prediction: a line of text, and a JSON value.

    Raises:
        UsageError: a file is not an image.
    """
    serve = (loaded := tf.saved_model.load(path)).signatures["serving_default"]
    channels = serve.structured_input_signature[1]["images"].shape[-1]
    names = read_text(path / EXTRA / CLASSES, "export the network again").splitlines()
    for file in files:
        try:
            content = tf.io.read_file(file)
            image = tf.io.decode_image(content, channels=channels, expand_animations=False)
        except tf.errors.InvalidArgumentError as error:
            raise UsageError(f"{file} cannot be decoded; expected a PNG, JPEG, GIF or BMP image") from error
        upright = turned(image, orientation(content))
        outputs = {name: output[0].numpy() for name, output in serve(images=upright[tf.newaxis]).items()}
        yield file, task.prediction(outputs, names, top)
    del loaded  # its variables live as long as it does
