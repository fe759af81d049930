"""Predictions of trained networks for image files."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rl_nas.child.data.broken_images import DAMAGED
from rl_nas.child.data.image_decoding import decode_image
from rl_nas.child.data.image_limits import size_problem
from rl_nas.child.data.orientation import orientation, turned
from rl_nas.errors import UsageError
from rl_nas.store.network_folder import NetworkFolder
from rl_nas.tasks.display import Outputs
from rl_nas.tasks.predictor import ImageFile, Predictor
from rl_nas.tasks.task import Task
from rl_nas.workflows.image_files import problem_in
from rl_nas.workflows.network_files import read_network


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


class Served(NamedTuple):
    """A network that serves images.

    Attributes:
        serve: from images, uint8 [batch, height, width, channels] of any size, to outputs by name.
        channels: of the images.
    """

    serve: Callable[[tf.Tensor], Mapping[str, tf.Tensor]]
    channels: int


def rebuilt(folder: NetworkFolder, document: Mapping[str, Any], task: Task) -> Served:
    """A network from the files of `write_network`; arguments and errors as in `read_network`."""
    serving = read_network(folder, document, task)
    channels = serving.image_shape[2]
    images = tf.TensorSpec([None, None, None, channels], tf.uint8)
    return Served(tf.function(serving.serve, input_signature=[images], autograph=False), channels)


def opened(path: Path) -> Served:
    """A SavedModel, whose graph may do anything on this machine."""
    loaded = tf.saved_model.load(path)
    serve = loaded.signatures["serving_default"]
    # The lambda keeps `loaded` alive, and so its variables.
    return Served(
        lambda images: loaded.signatures["serving_default"](images=images),
        serve.structured_input_signature[1]["images"].shape[-1],
    )


def predict_files(
    task: Task,
    served: Served,
    class_names: Sequence[str],
    predictor: Predictor,
    files: Sequence[ImageFile],
    top: int,
    problems: dict[str, str],
) -> Iterator[Prediction]:
    """Yields the prediction for each file that can be decoded, and whose target can be read.

    Args:
        task: of the network.
        served: the network.
        class_names: one for each class.
        predictor: of the task.
        files: images.
        top: most classes in a line.
        problems: takes what is wrong with each of the others, after its name.
    """

    def outputs_of(image: np.ndarray) -> Mapping[str, np.ndarray]:
        return {name: output[0].numpy() for name, output in served.serve(tf.constant(image[np.newaxis])).items()}

    for file in files:
        try:
            image, turn = _decoded(file.path, served.channels)
            outputs = predictor.outputs(outputs_of, image)
            predictor.measure(file, outputs, turn)
        except UsageError as error:
            problems[str(file.path)] = problem_in(file, error)
            continue
        except tf.errors.ResourceExhaustedError:
            problems[str(file.path)] = "takes more memory than there is; give it smaller, or in tiles if there are any"
            continue
        yield Prediction(file, image, outputs, *task.prediction(outputs, class_names, top))


def _decoded(path: Path, channels: int) -> tuple[np.ndarray, int]:
    """An image, upright, and the orientation that it is stored in."""
    content = tf.io.read_file(os.fsencode(path))
    problem = size_problem(content).numpy().decode()  # by the decoder's own reading, and of the file as it is now
    if problem:
        raise UsageError(f"{path} {problem}")
    try:
        image = decode_image(content, channels)
    except tf.errors.InvalidArgumentError as error:
        raise UsageError(f"{path} {DAMAGED}") from error
    turn = orientation(content)
    return np.asarray(turned(image, turn)), int(turn)
