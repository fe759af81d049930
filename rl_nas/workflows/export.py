"""Export of a trained network in several formats, each compared with the network in a clean process."""

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.source import ImageSource
from rl_nas.child.export import writers
from rl_nas.child.export.serving import Serving, parts_of
from rl_nas.child.export.verification import Verified, verify
from rl_nas.child.network.keras_file import load_keras_file
from rl_nas.errors import RunError, StorageError, UsageError, first_line
from rl_nas.report.model_card import failed_text, model_card
from rl_nas.store.files import write_text
from rl_nas.store.network_folder import CLASSES, EXTRA, NETWORK, NetworkFolder
from rl_nas.tasks.catalog import check_unread
from rl_nas.tasks.sources import open_source
from rl_nas.tasks.task import Task
from rl_nas.workflows.export_source import ExportSource
from rl_nas.workflows.network_files import plan_of, read_network, write_network
from rl_nas.workflows.tensorflow_setup import captured_stderr
from rl_nas.workflows.trained_models import METADATA
from rl_nas.workflows.trust import FILES

_RANGE_IMAGES = 200
"""Training images on which the ranges of integer arithmetic are measured."""
_SHOWN = 3
"""Classes that a message names."""


def export_network(source: ExportSource, formats: Sequence[str], out: Path, images: int) -> dict[str, Any]:
    """Writes, compares and describes a network in all formats.

    Args:
        source: of the network.
        formats: of `rl_nas.commands.export.FORMATS`.
        out: an empty folder.
        images: most real images on which the formats are compared with the network.

    Returns:
        The content of metadata.json; `failed` has the formats that could not be written, or that compute something else
        than the network, with what was met. Nothing is left of them.

    Raises:
        UsageError: the model, the data set and the task do not fit together, or a format's converter is broken.
        RunError: all formats failed.
    """
    writers.check_converters(formats)
    flags = {name: value for group in source.of_tasks for name, value in group.flags().items()}
    task, data = open_source(source.data, source.task, {**source.flags, **flags, "trust": source.trust})
    check_unread(task, source.of_tasks)
    trained = _read(task, source, data)
    serving = trained.serving
    if serving.image_shape != data.shape:
        raise UsageError(
            f"the model reads images of {'x'.join(map(str, serving.image_shape))}; those of {data.name} are"
            f" {'x'.join(map(str, data.shape))}: give the data set that it was trained on, or --image_size"
        )
    pipeline = InputPipeline(data, source.pipeline, seed=0)
    split = "valid" if pipeline.size("valid") else data.test_split or "train"
    pixels, targets = _first(pipeline.measured(split, min(images, pipeline.size(split))))
    with tf.device("CPU:0"):  # a GPU drops 13 of the 23 bits of float32 in convolutions
        expected = writers.in_batches(serving.predictions, pixels)
    trained.write(NetworkFolder(out / NETWORK))
    compare = partial(verify, images=pixels, targets=targets, expected=expected, compare=serving.compare)
    verified, failed = _write_all(_writers(serving, formats, out, pipeline, trained.extras), compare)
    document = {
        **_facts(source, task, serving),
        "valid": _measured(source, data),
        "dataset": data.name,
        "compared_on": {"split": data.described(split), "images": len(pixels)},
        "formats": verified,
        **({"failed": failed} if failed else {}),
    }
    _describe(document, out)
    return document


def _write_all(
    formats: Iterable["_Writer"], compare: Callable[..., Verified]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Writes and compares formats; one that fails does not end the others.

    Args:
        formats: to write.
        compare: `verify` for one network.

    Returns:
        What was found of those that are the network, and what was met with the others, by name.

    Raises:
        RunError: all failed.
    """
    verified: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for one in formats:
        print(f"writing and comparing {one.path.name}", file=sys.stderr, flush=True)
        try:
            with captured_stderr():  # converters print
                one.write(one.path)
            compared = compare(one.kind, one.path, arithmetic=one.arithmetic)
        except (StorageError, UsageError):
            raise
        except Exception as error:  # of converters, which raise anything
            failed[one.name] = first_line(error).replace(str(one.path), one.path.name)
            _remove(one.path)
        else:
            verified[one.name] = {"file": one.path.name, **compared.document()}
    if not verified:
        raise RunError(failed_text(failed))
    return verified, failed


class _Trained(NamedTuple):
    """A trained network in memory, the text files for its users, and the function that writes it as data."""

    serving: Serving
    extras: Mapping[str, str]
    write: Callable[[NetworkFolder], None]


def _read(task: Task, source: ExportSource, data: ImageSource) -> _Trained:
    """The network; raises `UsageError` if its files are broken, or it is not for the classes of the data."""
    if source.model.network is not None:
        return _from_data(task, source, source.model.network, data)
    assert source.model.file is not None
    return _from_keras(task, source, source.model.file, data)


def _from_data(task: Task, source: ExportSource, network: NetworkFolder, data: ImageSource) -> _Trained:
    """The network with the settings of its task that this call gives."""
    document = network.read()
    if document["task"] != task.name:
        raise UsageError(f"{network.path} is of task {document['task']!r}; {data.name} is read for {task.name}")
    if document["classes"] != list(data.class_names):
        known, other = (", ".join(names[:_SHOWN]) for names in (document["classes"], data.class_names))
        raise UsageError(
            f"the model knows the {len(document['classes'])} classes {known}; those of {data.name} are"
            f" {len(data.class_names)}, {other}: give the data set that it was trained on"
        )
    document["settings"] |= {name: value for name, value in source.given_of_tasks.items() if name not in FILES}
    serving, extras = read_network(network, document, task), data.annotation.extras
    whole = {**document, "extras": {**serving.extras, **extras}}
    return _Trained(serving, extras, lambda folder: folder.write(whole, network.read_arrays(document)))


def _from_keras(task: Task, source: ExportSource, file: Path, data: ImageSource) -> _Trained:
    try:
        model = load_keras_file(file)
    except UsageError as error:
        raise UsageError(f"--model={file} is not a Keras model: {first_line(error)}") from error
    network, normalization = parts_of(model)
    flags = {**source.flags, **{name: value for group in source.of_tasks for name, value in group.flags().items()}}
    problem = task.of_model(task.problem(data.class_names, flags), model)
    serving = task.serving(problem, network, normalization, middle=source.pipeline.inception_crop)
    serving.check()
    extras, plan = data.annotation.extras, plan_of(NetworkFolder(file.parent / NETWORK))
    return _Trained(serving, extras, lambda folder: write_network(folder, serving, problem, plan, extras))


def _facts(source: ExportSource, task: Task, serving: Serving) -> dict[str, Any]:
    """The part of metadata.json that is known before the export."""
    results, config = source.model.results, source.model.config or {}
    return {
        "task": task.name,
        "noun": task.noun,
        "returns": serving.returns,
        "network": results.get("genotype_name"),
        "genotype": results.get("genotype"),
        "found_by": results.get("found_by"),
        "counts": results.get("network"),
        "classes": list(serving.class_names),
        "image": list(serving.image_shape),
        **serving.normalization._asdict(),
        "final_test": results.get("final_test"),
        "recipe": source.flags,
        "signature": config.get("signature"),
    }


def _measured(source: ExportSource, data: ImageSource) -> dict[str, Any] | None:
    """What is known of the held-out images; a search records its figures alone, which are of its own data."""
    valid: dict[str, Any] | None = source.model.results.get("valid")
    if valid is None or "images" in valid:
        return valid
    return {"split": data.described("valid"), "images": data.images("valid"), **valid} if source.own_data else None


class _Writer(NamedTuple):
    """One file or folder to export: its loader, its arithmetic, and the function that writes it."""

    kind: str
    path: Path
    write: Callable[[Path], None]
    arithmetic: str = "float32"

    @property
    def name(self) -> str:
        """Of the format, in metadata.json."""
        return self.kind if self.kind != "tflite" else f"tflite_{self.arithmetic}"


def _writers(
    serving: Serving, formats: Sequence[str], out: Path, pipeline: InputPipeline, extras: Mapping[str, str]
) -> Iterator[_Writer]:
    if "saved_model" in formats:
        write = partial(writers.write_saved_model, serving, extras=extras)
        yield _Writer("saved_model", out / "saved_model", write)
    if "keras" in formats:
        yield _Writer("keras", out / "model.keras", lambda path: serving.keras_model().save(path))
    for kind in writers.LITE_TYPES:
        if "tflite" in formats or f"tflite_{kind}" in formats:
            write = partial(_write_lite, serving, kind, pipeline)
            yield _Writer("tflite", out / f"model_{kind}.tflite", write, kind)
    if "onnx" in formats:
        yield _Writer("onnx", out / "model.onnx", lambda path: writers.write_onnx(serving, path))


def _write_lite(serving: Serving, kind: str, pipeline: InputPipeline, path: Path) -> None:
    ranges, _ = _first(pipeline.train(0, min(_RANGE_IMAGES, pipeline.train_images)))
    writers.write_lite(serving, path, kind, ranges)


def _remove(path: Path) -> None:
    """Deletes what a format has left: nobody is to use it."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _first(batches: Any) -> tuple[np.ndarray, Any]:
    """The images and targets of a pipeline's first batch."""
    images, targets, *_ = next(batches.as_numpy_iterator())
    return images, targets


def _describe(document: Mapping[str, Any], out: Path) -> None:
    """Writes class names, metadata and model card, in the folder and inside the SavedModel."""
    files = {
        CLASSES: "".join(f"{name}\n" for name in document["classes"]),
        METADATA: json.dumps(document, indent=2) + "\n",
        "model_card.md": model_card(dict(document)),
    }
    for place in (out, out / "saved_model" / EXTRA):
        if place.is_dir():
            for name, text in files.items():
                write_text(place / name, text)
