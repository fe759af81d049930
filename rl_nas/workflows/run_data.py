"""The data of a run: those that it was started with, wherever they are now."""

from typing import Any

from rl_nas.child.data.fingerprint import difference
from rl_nas.child.data.images import ImageData, load_images
from rl_nas.child.data.source import ImageSource
from rl_nas.errors import UsageError
from rl_nas.report.first_lines import data_line
from rl_nas.report.heartbeat import working
from rl_nas.store.json_files import check_form
from rl_nas.store.run_folder import RunFolder
from rl_nas.tasks.task import Task
from rl_nas.workflows.run_config import DATA, DATA_FORM


def checked_data(source: ImageSource, folder: RunFolder, *, resumed: bool) -> dict[str, Any]:
    """The fingerprint of a run's data, the shape of their images, and how many are trained and measured on.

    Args:
        source: the data.
        folder: of the run.
        resumed: whether the run is continued; its data must be those that it was started with, if it has recorded them.

    Raises:
        UsageError: they are others.
    """
    images = {part: source.images(part) for part in ("train", "valid")}
    found = {**source.fingerprint(), "image": list(source.shape), "images": images}
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
