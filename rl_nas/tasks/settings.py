"""Settings of the task."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting
from rl_nas.tasks.catalog import LAYOUTS, TASKS


@dataclass(frozen=True)
class TaskSettings(Settings):
    """The task."""

    title: ClassVar[str] = "Task"

    task: str | None = setting(
        None,
        f"task of the networks: {', '.join(TASKS)}; or module:NAME, an rl_nas.Task of your own; left out: the first"
        f" whose targets the data set has. Layouts of --dataset=folder:PATH for {LAYOUTS}",
    )


@dataclass(frozen=True)
class PartSettings(Settings):
    """The part of networks that all tasks have."""

    title: ClassVar[str] = "Backbone"

    backbone: str | None = setting(
        None,
        "backbone of networks whose genotype describes another part: the folder of a training (its weights too), a"
        " published name, a genotype file, or a search's folder",
    )
