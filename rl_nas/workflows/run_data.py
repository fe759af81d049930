"""The data of a run: those that it was started with, wherever they are now."""

from collections.abc import Callable
from typing import Any, TypeVar

from rl_nas.child.data.fingerprint import difference
from rl_nas.child.data.images import ImageData, load_images
from rl_nas.child.data.source import ImageSource
from rl_nas.errors import UsageError
from rl_nas.report.first_lines import data_line
from rl_nas.report.heartbeat import working
from rl_nas.store.json_files import check_form
from rl_nas.store.run_folder import RunFolder
from rl_nas.tasks.sources import Opened, Unsplit, open_examples, tell_user
from rl_nas.tasks.task import Task
from rl_nas.workflows.config import SearchConfig, TrainConfig
from rl_nas.workflows.run_config import DATA, DATA_FORM, HELD_OUT
from rl_nas.workflows.sizing import CHILD, FULL, Seen, found_flags

AnyConfig = TypeVar("AnyConfig", SearchConfig, TrainConfig)


def open_data(config: AnyConfig, tell: Callable[[str], None] = tell_user) -> tuple[AnyConfig, Opened]:
    """Opens the data of a config.

    Args:
        config: of a search or a training.
        tell: called with lines on choices that the user may want to change.

    Returns:
        The config with the flags that follow the data (`--auto`), and the data.

    Raises:
        UsageError: as of `open_source`.
    """
    found = open_examples(config.data, config.task.task, config.flags(), tell)
    config = sized(config, found, tell)
    return config, found.split(config.data, tell)


def sized(config: AnyConfig, data: Unsplit, tell: Callable[[str], None]) -> AnyConfig:
    """The config with the flags that follow the data, which are told."""
    if not config.auto.names:
        return config
    seen = Seen(data.examples.sizes, data.image_sizes)
    budget = CHILD if isinstance(config, SearchConfig) else FULL
    found = found_flags(config.auto.names, config.data, seen, budget)
    if found:
        tell(f"--auto, by the data: {' '.join(f'--{name}={value}' for name, value in found.items())}")
    # The record is that of a run to which they were given.
    return type(config).from_flags({**config.flags(), **found, "auto": None})


def checked_data(source: ImageSource, folder: RunFolder, *, resumed: bool) -> dict[str, Any]:
    """The fingerprint of a run's data, the shape of their images, and how many are held out.

    Args:
        source: the data.
        folder: of the run.
        resumed: whether the run is continued; its data must be those that it was started with, if it has recorded them.

    Raises:
        UsageError: they are others.
    """
    found = {**source.fingerprint(), "image": list(source.shape), HELD_OUT: source.images("valid")}
    recorded = folder.read_config().get(DATA) if resumed else None
    if recorded is not None:
        check_form(recorded, DATA_FORM, folder.config)
        other = difference(recorded, found)
        if other is not None:
            raise UsageError(
                f"--dataset={source.settings.dataset} is not the data that {folder.path} was started with: it has"
                f" {other}; give the same data, or start another run"
            )
    return found


def described(source: ImageSource, task: Task) -> str:
    """The data of a run in a line, and its task."""
    counts = source.images("train"), source.images("valid")
    return data_line(source.name, source.class_names, *counts, source.settings.valid_split, source.shape, task.name)


def read_images(source: ImageSource) -> ImageData:
    """The images of a search in memory; says that it reads them if that takes long. Errors as of `load_images`."""
    with working(f"data: reading {source.images('train') + source.images('valid'):,} images"):
        return load_images(source)
