"""The first lines of long work: on what, with what and how large, each told as soon as it is known."""

from collections.abc import Sequence

from rl_nas.networks.layer import Cost, Shape
from rl_nas.report.tables import counted

_SHOWN = 5
"""Most classes that are named."""


def data_line(
    name: str,
    class_names: Sequence[str],
    train: int,
    valid: int,
    valid_split: str | None,
    shape: Shape,
    task: str,
) -> str:
    """The data: `data: digits: 10 classes (0, 1, ...), 1,137 images to train on, 300 held out, 8x8x1; task ...`.

    Args:
        name: of the data set.
        class_names: one for each class; none if the task has no classes.
        train: images to train on.
        valid: images that are held out.
        valid_split: the split that these are; None: a part of the training split.
        shape: height, width, channels.
        task: name of the task.
    """
    parts = []
    if class_names:
        more = ", ..." if len(class_names) > _SHOWN else ""
        parts.append(f"{counted(len(class_names), 'class', 'classes')} ({', '.join(class_names[:_SHOWN])}{more})")
    parts.append(f"{counted(train, 'image')} to train on")
    if valid:
        parts.append(f"{valid:,} held out{'' if valid_split is None else f' (split {valid_split})'}")
    else:
        parts.append("none held out")
    return f"data: {name}: {', '.join(parts)}, {'x'.join(map(str, shape))}; task {task}"


def network_line(cost: Cost, what: str) -> str:
    """The size of a network, `network: 39,074 parameters, 957,056 multiply-adds`, and what else is to be said."""
    return f"network: {cost.trainable:,} parameters, {cost.madds:,} multiply-adds{what}"


def small_data_line(batch_size: int, images: int) -> str:
    """What a training tells whose batches would be larger than its data."""
    return f"--batch_size={batch_size}: there are {counted(images, 'image')} to train on, and one train step an epoch"
