"""The folder that `rl_nas predict` writes. No TensorFlow."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.report.tables import csv_cell
from rl_nas.store.files import storage_errors
from rl_nas.tasks.predictor import ImageFile

PREDICTIONS, METRICS = "predictions", "metrics.json"


def check_names(files: Sequence[ImageFile]) -> None:
    """Raises `UsageError` if two files have one name."""
    seen: dict[str, ImageFile] = {}
    for file in files:
        other = seen.setdefault(_stem(file), file)
        if other is not file:
            raise UsageError(
                f"{other.path} and {file.path} would both be written to {_stem(file)}.png; give a folder above both, or"
                " predict on one of them at a time"
            )


class PredictionFolder:
    """Writes predictions into a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, file: ImageFile, contents: Mapping[str, bytes]) -> None:
        """Writes the pictures of a prediction: folder -> content."""
        for folder, content in contents.items():
            path = self._path / folder / f"{_stem(file)}.png"
            with storage_errors(self._path):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)

    def finish(
        self,
        values: Mapping[str, Any],
        metrics: Mapping[str, float],
        documents: Mapping[str, str] = MappingProxyType({}),
        cells: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
        *,
        as_json: bool,
    ) -> None:
        """Writes the predictions as a table or as JSON, the metrics if there are any, and what else the task says.

        Args:
            values: JSON values by image.
            metrics: by name.
            documents: further files, content by name.
            cells: further ones of the table, by image and column.
            as_json: not as a table.
        """
        name = f"{PREDICTIONS}.json" if as_json else f"{PREDICTIONS}.csv"
        text = json.dumps(values, indent=2) + "\n" if as_json else table(values, cells)
        contents = {name: text, **documents}
        if metrics:
            contents[METRICS] = json.dumps(metrics, indent=2) + "\n"
        with storage_errors(self._path):
            for file, content in contents.items():
                (self._path / file).write_text(content, encoding="utf-8")


def table(values: Mapping[str, Any], cells: Mapping[str, Mapping[str, str]] = MappingProxyType({})) -> str:
    """JSON values as CSV with a row for each image; columns of nested values have paths as names, such as `1/class`.

    Further cells, by image and column, stand before them.

    Names of files and classes are a stranger's: they are no formulas.
    """
    found = ({"image": image, **cells.get(image, {}), **flattened(value)} for image, value in values.items())
    rows = [
        {csv_cell(name): csv_cell(one) if isinstance(one, str) else one for name, one in row.items()} for row in found
    ]
    first = ("image", *(csv_cell(name) for one in cells.values() for name in one))
    columns = dict.fromkeys((*first, *(name for row in rows for name in row)))
    file = io.StringIO()
    writer = csv.DictWriter(file, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def flattened(value: Any) -> dict[str, Any]:
    """A JSON value without nesting; places in lists count from 1."""
    if isinstance(value, Mapping):
        parts = [(str(name), part) for name, part in value.items()]
    elif isinstance(value, list):
        parts = [(str(number), part) for number, part in enumerate(value, 1)]
    else:
        return {"": value}
    found = [(name, inner, one) for name, part in parts for inner, one in flattened(part).items()]
    return {f"{name}/{inner}" if inner else name: one for name, inner, one in found}


def _stem(file: ImageFile) -> str:
    """The name of an image's pictures, without the ending of its type."""
    return PurePath(file.name).with_suffix("").as_posix()
