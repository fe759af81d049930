"""A data set opened for a task."""

import sys
from typing import Any, NamedTuple

from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.source import ImageSource
from rl_nas.child.data.tfds_data import prepared_builder
from rl_nas.errors import UsageError
from rl_nas.tasks.catalog import find_task, task_for
from rl_nas.tasks.task import Task


class Opened(NamedTuple):
    """A data set and its task."""

    task: Task
    source: ImageSource


def open_source(settings: DataSettings, task: str | None = None) -> Opened:
    """Finds a data set, downloads and prepares it if necessary, and splits it.

    Args:
        settings: which data set.
        task: name of the task; None: the first whose targets the data set has.

    Raises:
        UsageError: the data set is unknown, absent, not for the task, or too small for the settings.
    """
    builder = prepared_builder(settings)
    features, supervised = builder.info.features, builder.info.supervised_keys or ()
    chosen = find_task(task) if task else task_for(settings.dataset, features, supervised, _tell)
    annotation = chosen.annotation(features, supervised)
    if annotation is None:
        raise UsageError(
            f"--dataset={settings.dataset} has features {', '.join(features)}; --task={chosen.name} finds no image with"
            " its targets among them"
        )
    return Opened(chosen, ImageSource(settings, builder, annotation))


def _tell(line: Any) -> None:
    print(line, file=sys.stderr, flush=True)
