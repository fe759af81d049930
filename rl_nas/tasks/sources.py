"""A data set opened for a task."""

import os
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import tensorflow as tf

from rl_nas.child.data.annotation import Annotation
from rl_nas.child.data.examples import Examples
from rl_nas.child.data.prepared_folder import INFO
from rl_nas.child.data.settings import FOLDER, PREPARED, DataSettings
from rl_nas.child.data.source import ImageSource
from rl_nas.child.data.tfds_data import open_tfds
from rl_nas.errors import UsageError, printable
from rl_nas.tasks.catalog import TASKS, find_task, task_for
from rl_nas.tasks.task import Task


def tell_user(line: str) -> None:
    """Prints a line that is no result."""
    print(printable(line), file=sys.stderr, flush=True)


class Opened(NamedTuple):
    """A data set and its task."""

    task: Task
    source: ImageSource


class Unsplit(NamedTuple):
    """A data set whose training split is not divided yet, and its task."""

    task: Task
    examples: Examples
    annotation: Annotation

    @property
    def image_sizes(self) -> Mapping[tuple[int, int], int]:
        """Height and width of images -> how many have them; none: they are not known."""
        height, width = self.examples.features[self.annotation.image].shape[:2]
        if height is None or width is None:
            return self.examples.image_sizes
        return {(height, width): sum(self.examples.sizes.values())}

    def split(self, settings: DataSettings, tell: Callable[[str], None] = tell_user) -> Opened:
        """Divides the training split; arguments and errors as of `open_source`."""
        source = ImageSource(settings, self.examples, self.annotation)
        for line in source.remarks:
            tell(line)
        return Opened(self.task, source)


def open_source(
    settings: DataSettings,
    task: str | None = None,
    flags: Mapping[str, Any] = MappingProxyType({}),
    tell: Callable[[str], None] = tell_user,
) -> Opened:
    """Finds a data set, downloads and prepares it if necessary, and splits it.

    Args:
        settings: which data set.
        task: name of the task; None: the first whose targets the data set has.
        flags: values of the task's flags, others may be among them.
        tell: called with lines on choices that the user may want to change.

    Raises:
        UsageError: the data set is unknown, absent, not for the task, or too small for the settings.
    """
    return open_examples(settings, task, flags, tell).split(settings, tell)


def open_examples(
    settings: DataSettings,
    task: str | None = None,
    flags: Mapping[str, Any] = MappingProxyType({}),
    tell: Callable[[str], None] = tell_user,
) -> Unsplit:
    """Finds a data set as `open_source` does, with the same arguments and errors."""
    dataset, given = settings.required_dataset(), find_task(task) if task else None
    examples = _open_folder(dataset, given, flags, tell) if dataset.startswith(FOLDER) else open_tfds(settings)
    features, supervised = examples.features, examples.supervised
    chosen = given or task_for(dataset, features, supervised, tell)
    annotation = chosen.annotation(features, supervised, flags)
    if annotation is None:
        raise UsageError(
            f"--dataset={dataset} has features {', '.join(features)}; --task={chosen.name} finds no image with"
            " its targets among them"
        )
    for line in examples.remarks:
        tell(line)
    return Unsplit(chosen, examples, annotation)


def _open_folder(dataset: str, given: Task | None, flags: Mapping[str, Any], tell: Callable[[str], None]) -> Examples:
    """The examples of `folder:PATH`: by the given task, or by the first that knows its layout, which is told.

    Classification comes last: folders of images and of masks look like those of two classes.
    """
    path = os.path.expanduser(dataset.removeprefix(FOLDER)).rstrip("/")
    if not tf.io.gfile.isdir(path):  # also in a bucket
        met = f"{path} is a file" if tf.io.gfile.exists(path) else f"no folder {path}"
        raise UsageError(f"--dataset={dataset}: {met}; expected a folder of images")
    first, *others = TASKS.values()
    tasks = [*([given] if given else []), *others, first]
    for number, task in enumerate(tasks):
        examples = task.folder(path, flags)
        if examples is None:
            continue
        also = [one.name for one in tasks[number + 1 : -1] if given is None and _fits(one, path, flags)]
        if also:
            tell(f"task: {task.name}; {dataset} also fits {', '.join(f'--task={name}' for name in also)}")
        return examples
    if tf.io.gfile.exists(f"{path}/{INFO}"):
        raise UsageError(f"--dataset={dataset} was prepared by TFDS; give --dataset={PREPARED}{path}")
    layouts = "; ".join(dict.fromkeys(f"{task.name}: {task.layouts}" for task in tasks if task.layouts))
    raise UsageError(f"--dataset={dataset} is in no known layout; expected one of: {layouts}")


def _fits(task: Task, path: str, flags: Mapping[str, Any]) -> bool:
    """Whether a folder is in a layout of a task."""
    try:
        return task.folder(path, flags) is not None
    except UsageError:
        return True
