"""`rl_nas export`: a trained network in formats that need no rl_nas, each compared with it in a clean process."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rl_nas.child.data.settings import DataSettings
from rl_nas.commands import cli
from rl_nas.errors import RunError, UsageError, printable, printable_lines
from rl_nas.exit_codes import DONE
from rl_nas.extras import check_installed
from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command, OutputSettings, Parsed, flag_words, parse
from rl_nas.report.model_card import export_text, failed_text, found_text
from rl_nas.settings import Settings, setting
from rl_nas.store.new_folder import new_folder
from rl_nas.tasks.catalog import DATA_SETTINGS
from rl_nas.tasks.settings import TaskSettings
from rl_nas.workflows.devices import device_line
from rl_nas.workflows.export_source import ExportSource
from rl_nas.workflows.tensorflow_setup import load_tensorflow
from rl_nas.workflows.trained_models import search_of
from rl_nas.workflows.trust import TrustSettings

FORMATS = ("saved_model", "tflite", "tflite_float32", "tflite_float16", "tflite_int8", "keras", "onnx")
"""What --format takes; `tflite` stands for the three that follow it."""


@dataclass(frozen=True)
class ExportSettings(Settings):
    """The model and the formats."""

    title: ClassVar[str] = "Export"

    model: str | None = setting(
        None, "needed; the folder of a training, of a search (its best child) or of an export; or a model.keras"
    )
    format: str = setting(
        "saved_model",
        f"some of {', '.join(FORMATS)}, separated by commas; tflite stands for all three of its kind. Those that fail"
        " are told at the end, and the others are kept",
    )
    out: str | None = setting(None, "folder to write; needed")
    images: int = setting(
        256, "real images on which the exported formats are compared with the network", minimum=1, maximum=100_000
    )


EXPORT = Command(
    name="rl_nas export",
    summary=(
        "writes a trained network with its preprocessing, and checks in a process without rl_nas\n"
        "that it computes the same on real images."
    ),
    examples=(
        "rl_nas export --model=runs/final --out=exported",
        "rl_nas export --model=runs/digits --out=exported",
        "rl_nas export --model=runs/final --format=saved_model,tflite,keras,onnx --out=exported",
        "rl_nas export --model=model.keras --dataset=folder:photos --image_size=32 --out=exported",
        "rl_nas export --model=model.keras --task=segmentation --dataset=folder:scans --classes=7 --out=exported",
    ),
    groups=(ExportSettings, TrustSettings, TaskSettings, DataSettings, *DATA_SETTINGS),
)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(EXPORT, _run, argv)


def export(model: str | os.PathLike[str], out: str | os.PathLike[str], **flags: Any) -> dict[str, Any]:
    """Exports a trained network, as `rl_nas export` does.

    Args:
        model: the folder of a training, of a search (its best child) or of an export; or a model.keras.
        out: the folder to write, new or empty.
        **flags: others of `rl_nas export`, such as `format="saved_model,tflite"`.

    Returns:
        The content of metadata.json.

    Raises:
        UsageError: a flag, the model or the folder is invalid.
        RunError: an exported format computes something else than the network; the others are in the folder.
    """
    document = _exported(parse(EXPORT, flag_words({**flags, "model": model, "out": out})))
    _check_whole(document, Path(out))
    return document


def _run(parsed: Parsed) -> int:
    document = _exported(parsed)
    as_json, out = parsed.group(OutputSettings).json, Path(parsed.values["out"])
    print(json.dumps(document) if as_json else printable_lines(export_text(document, out)))
    _check_whole(document, out)
    return DONE


def _check_whole(document: dict[str, Any], out: Path) -> None:
    """Raises `RunError` if formats failed."""
    if failed := document.get("failed"):
        raise RunError(f"{failed_text(failed)}; nothing is left of {', '.join(failed)}, the others are in {out}")


def _exported(parsed: Parsed) -> dict[str, Any]:
    """Checks the flags, exports, returns the content of metadata.json."""
    settings = parsed.group(ExportSettings)
    formats = names_of(settings.format, FORMATS, "format")
    if settings.model is None or settings.out is None:
        missing = "model" if settings.model is None else "out"
        raise UsageError(f"--{missing} is missing; for example --model=runs/final --out=exported")
    if "onnx" in formats:
        check_installed("--format=onnx", "onnx", ["tf2onnx", "onnxruntime"])
    source = ExportSource(settings.model, parsed.values, parsed.given)
    if found := source.model.results.get("found_by"):
        where = (
            f"; rl_nas train --genotype={source.model.folder} trains it in full"
            if search_of(source.model.folder)
            else ""
        )
        print(printable(found_text(found) + where), file=sys.stderr, flush=True)
    with new_folder(Path(settings.out)) as out:
        load_tensorflow(debug=parsed.group(OutputSettings).debug)
        cli.tell(device_line(why_cpu="on which the network and its formats are compared"))
        from rl_nas.workflows.export import export_network

        return export_network(source, formats, out, settings.images)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
