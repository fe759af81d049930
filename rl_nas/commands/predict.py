"""`rl_nas predict`: predictions for image files, by the files of an exported network alone."""

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rl_nas.child.data.broken_images import refusal_of
from rl_nas.commands import cli
from rl_nas.errors import RunError, UsageError, printable, printable_lines
from rl_nas.exit_codes import DONE
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.report.prediction_text import metrics_text
from rl_nas.settings import Settings, setting
from rl_nas.store.new_folder import new_folder
from rl_nas.tasks.catalog import PREDICT_SETTINGS, check_unread
from rl_nas.tasks.settings import TaskSettings
from rl_nas.workflows.devices import device_line
from rl_nas.workflows.image_files import find_images, readable_files
from rl_nas.workflows.predict_source import PredictSource
from rl_nas.workflows.prediction_folder import PredictionFolder, check_names
from rl_nas.workflows.tensorflow_setup import load_tensorflow
from rl_nas.workflows.trust import TrustSettings


@dataclass(frozen=True)
class PredictSettings(Settings):
    """The model."""

    title: ClassVar[str] = "Model"

    model: str | None = setting(
        None,
        "needed; the folder of an export, of a training or of a search (its best child); or, with --trust, a SavedModel"
        " without that",
    )
    top: int = setting(3, "likeliest classes to show for each image, if the task has classes", minimum=1)
    out: str | None = setting(
        None,
        "folder to write, new or empty: predictions.csv, with true classes where they are known (with --json:"
        " predictions.json), the metrics if there are true classes, masks or boxes, and but for classification"
        " pictures: overlays/NAME.png, for segmentation also masks/NAME.png, whose values are the numbers"
        " of the classes; for detection also detections.json, in COCO's format",
    )


PREDICT = Command(
    name="rl_nas predict",
    summary=(
        "predicts on image files with a trained network, and measures it where folders of images are named\n"
        "as its classes, or true masks or boxes are given."
    ),
    examples=(
        "rl_nas predict --model=exported cat.png dog.jpg",
        "rl_nas predict --model=runs/first --out=predicted photos/test",
        "rl_nas predict --model=exported --json cat.png",
        "rl_nas predict --model=exported --out=predicted --masks=photos_masks photos",
        "rl_nas predict --model=exported --out=predicted --boxes=instances_val2017.json val2017",
        "rl_nas predict --model=exported --out=predicted --tile=513 --overlap=128 aerial.png",
    ),
    groups=(PredictSettings, TrustSettings, TaskSettings, *PREDICT_SETTINGS),
    words="image files (JPEG, PNG, BMP, GIF, WebP, TIFF or PNM) of any size, and folders of them",
)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(PREDICT, _run, argv, only_prints=lambda parsed: parsed.group(PredictSettings).out is None)


def _run(parsed: Parsed) -> int:
    settings, as_json = parsed.group(PredictSettings), parsed.group(OutputSettings).json
    if settings.model is None:
        raise UsageError("--model is missing; give the folder of a search, a training or an export")
    if not parsed.words:
        raise UsageError("no image; give the files after the flags, such as: rl_nas predict --model=exported cat.png")
    trust = parsed.group(TrustSettings).trust
    source = PredictSource(settings.model, parsed.group(TaskSettings).task, trust=trust)
    task, names = source.task, source.class_names
    groups = [group.from_flags(parsed.values) for group in PREDICT_SETTINGS]
    check_unread(task, groups, own=task.predict_settings)
    predictor = task.predictor(names, source.extras, parsed.values)
    problems: dict[str, str] = {}
    files = readable_files(find_images(parsed.words, predictor, cli.tell, trust=trust), predictor, problems)
    if settings.out is not None and predictor.draws:
        check_names(files)
    if problems:
        cli.tell(f"left out: {refusal_of(problems)}")
    with nullcontext() if settings.out is None else new_folder(Path(settings.out)) as out:
        load_tensorflow(debug=parsed.group(OutputSettings).debug)
        cli.tell(device_line())
        from rl_nas.workflows.predict import predict_files

        folder = None if out is None else PredictionFolder(out)
        predictions = predict_files(task, source.load(), names, predictor, files, settings.top, problems)
        width, done, found, measured = max(len(file.shown) for file in files), [], dict[str, Any](), dict[str, float]()
        for one in predictions:
            done.append(one.file)
            found[one.file.shown] = one.value
            if not as_json:
                print(f"{printable(one.file.shown):{width}}  {printable(one.line)}")
            if folder is not None:
                folder.add(one.file, predictor.files(one.image, one.outputs))
        if not done:
            raise refusal_of(problems)
        if figures := predictor.figures():
            measured = {"images": sum(file.target is not None for file in done), **figures}
        if folder is not None:
            cells = {file.shown: predictor.cells(file) for file in done}
            folder.finish(found, measured, predictor.documents(), cells, as_json=as_json)
    _print_end(found, measured, as_json=as_json)
    if problems:
        raise RunError(f"{refusal_of(problems)}; predicted on the other {len(done):,}")
    return DONE


def _print_end(found: Mapping[str, Any], measured: Mapping[str, float], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"images": found, "metrics": measured} if measured else found))
    elif measured:
        print(printable_lines(metrics_text(measured)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
