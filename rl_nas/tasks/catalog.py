"""Tasks by name, in the order in which they are tried on a data set."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.plugins import check_call, check_returns, load_plugin
from rl_nas.settings import Settings
from rl_nas.tasks.classification.task import Classification
from rl_nas.tasks.detection.task import Detection
from rl_nas.tasks.segmentation.task import Segmentation
from rl_nas.tasks.task import Task

TASKS: dict[str, Task] = {task.name: task for task in (Classification(), Detection(), Segmentation())}

TASK_SETTINGS: tuple[type[Settings], ...] = tuple(group for task in TASKS.values() for group in task.settings)
"""Groups of flags that tasks bring."""

DATA_SETTINGS: tuple[type[Settings], ...] = tuple(group for task in TASKS.values() for group in task.data_settings)
"""Those of them that say what the targets of a data set are."""

PREDICT_SETTINGS: tuple[type[Settings], ...] = tuple(
    group for task in TASKS.values() for group in task.predict_settings
)
"""Groups of flags that tasks bring to `rl_nas predict`."""

LAYOUTS: str = "; ".join(f"{task.name}: {task.layouts}" for task in TASKS.values() if task.layouts)
"""Layouts of folders of the user's, for messages and help texts."""


def find_task(name: str) -> Task:
    """The task of a name; `module:NAME` is the user's own: a `Task`, or a class of it.

    Raises:
        UsageError: there is none.
    """
    if name in TASKS:
        return TASKS[name]
    task = load_plugin("task", name, TASKS)
    if isinstance(task, type):
        expected = "an rl_nas.Task or a class of it, made without arguments"
        check_returns("task", name, task, Task, expected)
        check_call("task", name, task, expected=expected)
        task = task()
    if not isinstance(task, Task):
        raise UsageError(f"--task={name} is {type(task).__name__}; expected an rl_nas.Task or a class of it")
    return task


def task_for(dataset: str, features: Mapping[str, Any], supervised: Sequence[str], tell: Callable[[str], None]) -> Task:
    """The first task whose targets a data set has.

    Args:
        dataset: its name.
        features: of TFDS, by name.
        supervised: names of the features that the data set calls input and target.
        tell: called with a line on the choice if there are several.

    Raises:
        UsageError: there is none.
    """
    fitting = [task for task in TASKS.values() if task.fits(features, supervised)]
    if not fitting:
        raise UsageError(
            f"--dataset={dataset} has features {', '.join(features)}; expected an image and what one of the tasks"
            f" {', '.join(TASKS)} needs, or a --task=module:NAME of your own"
        )
    if len(fitting) > 1:
        others = ", ".join(f"--task={task.name}" for task in fitting[1:])
        tell(f"task: {fitting[0].name}; {dataset} also fits {others}")
    return fitting[0]


def check_unread(
    task: Task, groups: Sequence[Settings], read: Sequence[str] = (), own: Sequence[type[Settings]] | None = None
) -> None:
    """Raises `UsageError` for a setting of another task that is not the default, as it would have no effect.

    Args:
        task: that is used.
        groups: settings of all tasks.
        read: names of settings that have an effect with all tasks.
        own: groups that the task reads; left out: its `settings`.
    """
    own = task.settings if own is None else own
    names = {name for group in own for name in group().flags()}.union(read)
    for group in groups:
        if not isinstance(group, tuple(own)):
            defaults = type(group)().flags()
            for name, value in group.flags().items():
                if value != defaults[name] and name not in names:
                    raise UsageError(f"--{name}={value} has no effect with --task={task.name}; leave it out")
