"""`rl_nas predict`: predictions for image files, by an exported SavedModel alone."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from rl_nas.commands import cli
from rl_nas.errors import UsageError
from rl_nas.exit_codes import DONE
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.store.json_files import read_text
from rl_nas.tasks.catalog import TASKS, find_task
from rl_nas.tasks.settings import TaskSettings
from rl_nas.workflows.tensorflow_setup import load_tensorflow


@dataclass(frozen=True)
class PredictSettings(Settings):
    """The model."""

    title: ClassVar[str] = "Model"

    model: str | None = setting(None, "needed; a folder of `rl_nas export`, or a SavedModel of it or of a search")
    top: int = setting(3, "likeliest classes to show for each image, if the task has classes", minimum=1)


PREDICT = Command(
    name="rl_nas predict",
    summary="predicts on image files with an exported network.",
    examples=("rl_nas predict --model=exported cat.png dog.jpg", "rl_nas predict --model=exported --json cat.png"),
    groups=(PredictSettings, TaskSettings),
    words="image files (PNG, JPEG, GIF or BMP) of any size",
)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(PREDICT, _run, argv)


def _run(parsed: Parsed) -> int:
    settings = parsed.group(PredictSettings)
    if settings.model is None:
        raise UsageError("--model is missing; give the folder that rl_nas export wrote")
    if not parsed.words:
        raise UsageError("no image; give the files after the flags, such as: rl_nas predict --model=exported cat.png")
    path = _saved_model(Path(settings.model))
    for word in parsed.words:
        if not Path(word).is_file():
            raise UsageError(f"{word}: no such file; expected an image")
    task = find_task(parsed.group(TaskSettings).task or _recorded_task(path))
    load_tensorflow(debug=parsed.group(OutputSettings).debug)
    from rl_nas.workflows.predict import predict_files

    width, found = max(map(len, parsed.words)), {}
    for word, (line, value) in predict_files(task, path, parsed.words, settings.top):
        found[word] = value
        if not parsed.group(OutputSettings).json:
            print(f"{word:{width}}  {line}")
    if parsed.group(OutputSettings).json:
        print(json.dumps(found))
    return DONE


def _saved_model(folder: Path) -> Path:
    for path in (folder, folder / "saved_model", folder / "best" / "saved_model"):
        if (path / "saved_model.pb").is_file():
            return path
    raise UsageError(f"--model={folder} holds no SavedModel; expected the folder that rl_nas export wrote")


def _recorded_task(path: Path) -> str:
    """The task of an exported model: a name of the catalog, never code; networks of 0.1.0 were all classifiers."""
    file = path / "assets.extra" / "task.txt"
    if not file.is_file():
        return next(iter(TASKS))
    name = read_text(file, "export the network again").strip()
    if name not in TASKS:
        raise UsageError(f"{path} is of task {name!r}; give its code with --task=module:NAME if you trust it")
    return name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
