"""The picture of a trained network's predictions for held-out images."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Annotation
from rl_nas.child.data.images import selected
from rl_nas.child.export.serving import Serving
from rl_nas.evaluation.examples import EXAMINED, find_examples
from rl_nas.report.example_picture import draw_examples
from rl_nas.report.optional_picture import optional_picture
from rl_nas.tasks.sources import tell_user
from rl_nas.tasks.task import Task

_PIXELS = 2**20
_BATCH = 16


def write_examples(
    task: Task,
    annotation: Annotation,
    serving: Serving,
    batches: Iterable[tuple[np.ndarray, Any]],
    count: int,
    seed: int,
    path: Path,
    title: str,
    *,
    among: int | None = None,
) -> None:
    """Draws some images with their targets and predictions, if the task does.

    Args:
        task: of the network.
        annotation: of the targets.
        serving: of the network.
        batches: images, uint8 of the network's size, and their targets.
        count: images in all batches.
        seed: of the choice.
        path: of the picture.
        title: of the picture.
        among: images that the worst ones in the batches are the worst of; None: those in the batches.

    Raises:
        StorageError: the picture cannot be written.
    """

    def serve(images: np.ndarray) -> Mapping[str, np.ndarray]:
        return {name: np.asarray(values) for name, values in serving.serve(tf.constant(images)).items()}

    with optional_picture("examples", tell_user):
        display = task.display(serving.class_names, annotation.extras)
        listed = ((images, _listed(targets)) for images, targets in batches)
        examples = find_examples(display, serve, listed, count, seed, among)
        if examples is not None:
            draw_examples(examples, path, title)


def examined(images: int) -> int:
    """How many of a number of held-out images are looked at."""
    return min(images, EXAMINED)


def examined_places(images: int, seed: int, worst: Sequence[int] = ()) -> np.ndarray:
    """Which of the held-out images are looked at, int [places], in order: some at random, and those known as the worst.

    Args:
        images: how many there are.
        seed: of the choice.
        worst: places of the worst ones, as far as they are known; a stranger's may be none.
    """
    some = np.random.default_rng(seed).permutation(images)[: examined(images)]
    return np.union1d(some, np.array([place for place in worst if place < images], some.dtype))


def batch_size(image_shape: Sequence[int]) -> int:
    """Images of a batch: few if they are large, as their probabilities are larger."""
    return max(1, min(_BATCH, _PIXELS // (image_shape[0] * image_shape[1])))


def _listed(targets: Any) -> list[Any]:
    """The targets of a batch, one by one."""
    count = len(tf.nest.flatten(targets)[0])
    return [selected(targets, number) for number in range(count)]
