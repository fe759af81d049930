"""`rl_nas export`: a trained network in formats that need no rl_nas, each compared with the network elsewhere."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from rl_nas.child.export.reload import LOADERS
from rl_nas.child.settings import DataSettings, InputPipelineSettings
from rl_nas.commands import cli
from rl_nas.errors import UsageError, first_line
from rl_nas.flags.parsing import Command, OutputSettings, Parsed, flag_words, parse
from rl_nas.report.model_card import export_text, model_card
from rl_nas.settings import Settings, setting
from rl_nas.store.files import storage_errors, write_text
from rl_nas.store.run_folder import TrainingFolder

if TYPE_CHECKING:
    from rl_nas.child.data.input_pipeline import InputPipeline
    from rl_nas.child.export.serving import Classifier

_RANGE_IMAGES = 200
"""Training images on which the ranges of whole-number arithmetic are measured."""


@dataclass(frozen=True)
class ExportSettings(Settings):
    """What is exported, as what, and where to."""

    title: ClassVar[str] = "Export"

    model: str | None = setting(None, "needed; the folder of a training, or its model.keras")
    format: str = setting("saved_model", f"some of {', '.join(LOADERS)}, with commas between")
    out: str | None = setting(None, "folder to write; needed")
    images: int = setting(256, "real images on which what was exported is compared with the network", minimum=1)


EXPORT = Command(
    name="rl_nas export",
    summary=(
        "writes a trained network with its preprocessing, and proves in a process without rl_nas\n"
        "that it computes the same on real images."
    ),
    examples=(
        "rl_nas export --model=runs/final --out=exported",
        "rl_nas export --model=runs/final --format=saved_model,tflite,keras,onnx --out=exported",
        "rl_nas export --model=model.keras --dataset=folder:photos --image_size=32 --out=exported",
    ),
    groups=(ExportSettings, DataSettings),
)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(EXPORT, _run, argv)


def export(model: str | os.PathLike[str], out: str | os.PathLike[str], **flags: Any) -> dict[str, Any]:
    """Exports a trained network, as `rl_nas export` does.

    Args:
        model: the folder of a training, or its model.keras.
        out: the folder to write.
        **flags: others of `rl_nas export`, such as `format="saved_model,tflite"`.

    Returns:
        The content of metadata.json.

    Raises:
        UsageError: a flag, the model or the folder is not what it must be.
        RunError: what was written computes something else than the network.
    """
    return _exported(parse(EXPORT, flag_words({**flags, "model": model, "out": out})))


def _run(parsed: Parsed) -> int:
    document = _exported(parsed)
    as_json = parsed.group(OutputSettings).json
    print(json.dumps(document) if as_json else export_text(document, Path(parsed.values["out"])))
    return cli.DONE


def _exported(parsed: Parsed) -> dict[str, Any]:
    """Checks the flags, exports, returns the content of metadata.json."""
    settings = parsed.group(ExportSettings)
    formats = [name.strip() for name in settings.format.split(",")]
    for name in formats:
        if name not in LOADERS:
            raise UsageError(f"--format={name}: expected some of {', '.join(LOADERS)}, with commas between")
    if settings.model is None or settings.out is None:
        missing = "model" if settings.model is None else "out"
        raise UsageError(f"--{missing} is missing; for example --model=runs/final --out=exported")
    source = _Source(settings.model, parsed)
    out = Path(settings.out)
    with storage_errors(out):
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"--out={out} holds other files; give a new or an empty folder")
        out.mkdir(parents=True, exist_ok=True)
    cli.load_tensorflow(debug=parsed.group(OutputSettings).debug)
    return _export(source, formats, out, settings.images)


class _Source:
    """The model's file and what its training's folder tells of it, which a lone file lacks."""

    def __init__(self, model: str, parsed: Parsed) -> None:
        path = Path(model)
        self.file = path / "model.keras" if path.is_dir() else path
        if not self.file.exists():
            hint = "a search: train its best cell first (rl_nas train)" if (path / "best").is_dir() else "no training"
            raise UsageError(f"--model={model}: no {self.file}; {'it is ' + hint if path.is_dir() else 'no such file'}")
        folder = TrainingFolder(self.file.parent)
        self.results: dict[str, Any] = {}
        flags: dict[str, Any] = {}
        if folder.config.exists() and folder.results.exists():
            self.results = json.loads(folder.results.read_text(encoding="utf-8"))
            flags = folder.read_config()["flags"]
        elif "dataset" not in parsed.given:
            raise UsageError(f"--model={model} is in no training's folder: give the data set it is for with --dataset")
        values = {**parsed.values, **flags, **{name: parsed.values[name] for name in parsed.given}}
        self.flags = flags
        self.data = DataSettings.from_flags(values)
        self.pipeline = InputPipelineSettings.from_flags({**InputPipelineSettings().flags(), **flags})


def _export(source: _Source, formats: list[str], out: Path, images: int) -> dict[str, Any]:
    """Writes, compares and describes all formats; returns the content of metadata.json."""
    import tensorflow as tf

    from rl_nas.child.data.input_pipeline import InputPipeline
    from rl_nas.child.data.source import ImageSource
    from rl_nas.child.export.verification import verify

    data = ImageSource(source.data)
    classifier = _classifier(source, data.class_names)
    if classifier.image_shape != data.shape:
        raise UsageError(
            f"the model reads images of {'x'.join(map(str, classifier.image_shape))}; those of {data.name} are"
            f" {'x'.join(map(str, data.shape))}: give the data set that it was trained on, or --image_size"
        )
    pipeline = InputPipeline(data, source.pipeline, seed=0)
    split = "valid" if pipeline.size("valid") else data.test_split
    count = min(images, pipeline.size(split))
    pixels, labels = _first(pipeline.measured(split, count))
    with tf.device("CPU:0"):  # a GPU drops 13 of the 23 bits of float32 in convolutions
        expected = np.asarray(classifier.probabilities(tf.constant(pixels)))
    verified: dict[str, dict[str, Any]] = {}
    for one in _writers(classifier, formats, out, pipeline):
        print(f"writing and comparing {one.path}", file=sys.stderr, flush=True)
        with cli.captured_stderr():  # converters talk
            one.write(one.path)
        compared = verify(one.kind, one.path, pixels, labels, expected, one.arithmetic)
        name = one.kind if one.kind != "tflite" else f"tflite_{one.arithmetic}"
        verified[name] = {"file": one.path.name, **compared._asdict()}
    document = {
        "network": source.results.get("genotype_name"),
        "genotype": source.results.get("genotype"),
        "counts": source.results.get("network"),
        "classes": list(data.class_names),
        "image": list(classifier.image_shape),
        **classifier.normalization._asdict(),
        "dataset": data.name,
        "valid": source.results.get("valid"),
        "final_test": source.results.get("final_test"),
        "recipe": source.flags,
        "compared_on": {"split": split, "images": len(labels)},
        "formats": verified,
    }
    _describe(document, out)
    return document


class _Writer(NamedTuple):
    """One file or folder to export: how it is loaded, how it computes, and what writes it."""

    kind: str
    path: Path
    write: Callable[[Path], None]
    arithmetic: str = "float32"


def _writers(classifier: "Classifier", formats: list[str], out: Path, pipeline: "InputPipeline") -> Iterator[_Writer]:
    from rl_nas.child.export import writers as export

    if "saved_model" in formats:
        yield _Writer("saved_model", out / "saved_model", lambda path: export.write_saved_model(classifier, path))
    if "keras" in formats:
        yield _Writer("keras", out / "model.keras", classifier.keras_model().save)
    if "tflite" in formats:
        ranges, _ = _first(pipeline.train(0, min(_RANGE_IMAGES, pipeline.train_images)))
        for kind in export.LITE_TYPES:
            write = partial(export.write_lite, classifier, kind=kind, images=ranges)
            yield _Writer("tflite", out / f"model_{kind}.tflite", write, kind)
    if "onnx" in formats:
        yield _Writer("onnx", out / "model.onnx", lambda path: export.write_onnx(classifier, path))


def _classifier(source: _Source, class_names: Sequence[str]) -> "Classifier":
    import keras

    from rl_nas.child.export.serving import Classifier

    try:
        model = keras.models.load_model(source.file, compile=False, safe_mode=True)
    except (ValueError, OSError, TypeError) as error:
        raise UsageError(f"--model={source.file} is no Keras model: {first_line(error)}") from error
    return Classifier.from_keras_model(model, class_names, middle=source.pipeline.inception_crop)


def _first(batches: Any) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of a pipeline's first batch."""
    images, labels, *_ = next(batches.as_numpy_iterator())
    return images, labels


def _describe(document: dict[str, Any], out: Path) -> None:
    """Labels, metadata and model card, in the folder and inside the SavedModel."""
    files = {
        "labels.txt": "\n".join(document["classes"]) + "\n",
        "metadata.json": json.dumps(document, indent=2) + "\n",
        "model_card.md": model_card(document),
    }
    for place in (out, out / "saved_model" / "assets.extra"):
        if place.is_dir():
            for name, text in files.items():
                write_text(place / name, text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
