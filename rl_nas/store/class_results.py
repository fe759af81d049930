"""What a network makes of each class of a split: counts and confusions, or precision over recall, as a JSON file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.store.files import write_text
from rl_nas.store.json_files import OTHERS, blaming, parse_json

MOST_CONFUSED = 10_000
"""Pairs of classes that are kept: all of 100 classes, of more those that are confused most often."""
MOST_WORST = 4
"""Images with the highest loss that are kept."""
MOST_BYTES = 32 * 2**20
"""Of a file that is read."""

_MOST_CLASSES, _MOST_RECALLS = 100_000, 1_000
_LARGEST = 10**15
_HINT = "delete the file, which only pictures need"
_CLASS = {"name": str, "actual": int, "predicted": int, "right": int, "precision": [float]}
_FORM = {OTHERS: (None, {"unit": str, "classes": [_CLASS], "confused": [[int]], "left_out": int, "worst": [int]})}


@dataclass(frozen=True)
class ClassCounts:
    """A class of a split.

    Attributes:
        name: of the class.
        actual: how many there are.
        predicted: how many are taken for it; 0 of boxes, which have scores.
        right: how many of both; 0 of boxes.
        precision: of boxes, the precision at recalls in equal distances from 0 to 1; empty without true boxes.
    """

    name: str
    actual: int
    predicted: int = 0
    right: int = 0
    precision: tuple[float, ...] = ()


@dataclass(frozen=True)
class ClassResults:
    """The classes of a split.

    Attributes:
        unit: what is counted: `images`, `pixels` or `boxes`.
        classes: by their numbers.
        confused: numbers of the actual and the predicted class, which differ, and how often; the most frequent first.
        left_out: how many confusions are not among these.
        worst: places, among the measured images, of those with the highest loss, the worst first; empty: not told.
    """

    unit: str
    classes: tuple[ClassCounts, ...]
    confused: tuple[tuple[int, int, int], ...] = ()
    left_out: int = 0
    worst: tuple[int, ...] = ()

    def document(self) -> dict[str, Any]:
        """The results as JSON values."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The results of a document, which has the form but perhaps not the sense of one.

        Raises:
            UsageError: it holds numbers that are none of counts.
        """
        known = ({name: one[name] for name in _CLASS} for one in document["classes"])
        classes = tuple(ClassCounts(**{**one, "precision": tuple(one["precision"])}) for one in known)
        confused, worst = tuple(map(tuple, document["confused"])), tuple(document["worst"])
        places_fit = len(worst) <= MOST_WORST and all(0 <= place <= _LARGEST for place in worst)
        left_out = document["left_out"]
        if not (
            _are_classes(classes) and _are_confused(confused, len(classes)) and 0 <= left_out <= _LARGEST and places_fit
        ):
            raise UsageError("it holds counts that are none of classes")
        return cls(document["unit"], classes, confused, left_out, worst)


def confusion_results(
    unit: str, names: Sequence[str], actual: np.ndarray, predicted: np.ndarray, counts: np.ndarray
) -> ClassResults:
    """The results of a confusion matrix, of which only the cells that are not 0 are given.

    Args:
        unit: what is counted.
        names: one for each class.
        actual: classes of the cells, int [cells].
        predicted: likewise.
        counts: of each cell, int [cells].
    """
    sums = [np.zeros(len(names), np.int64) for _ in range(3)]
    same = actual == predicted
    for total, classes, values in zip(
        sums, (actual, predicted, actual[same]), (counts, counts, counts[same]), strict=True
    ):
        np.add.at(total, classes, values)
    wrong = np.flatnonzero(~same)
    wrong = wrong[np.argsort(-counts[wrong], kind="stable")]
    kept, others = wrong[:MOST_CONFUSED], wrong[MOST_CONFUSED:]
    columns = (part[kept].tolist() for part in (actual, predicted, counts))
    classes = (ClassCounts(*one) for one in zip(names, *(total.tolist() for total in sums), strict=True))
    return ClassResults(unit, tuple(classes), tuple(zip(*columns, strict=True)), int(counts[others].sum()))


def write_class_results(path: Path, splits: Mapping[str, ClassResults | None]) -> None:
    """Writes the results of splits, by their names; None: not measured, or the task counts no classes.

    Raises:
        StorageError: the disk is full or read-only.
    """
    document = {name: results and results.document() for name, results in splits.items()}
    write_text(path, json.dumps(document, separators=(",", ":")) + "\n")


def parse_class_results(text: str, path: Path) -> dict[str, ClassResults]:
    """The results of the splits that have some, by their names.

    Args:
        text: of the file.
        path: of the file, for messages.

    Raises:
        UsageError: it is broken, or holds numbers that are none of counts.
    """
    document: dict[str, Any] = parse_json(text, _FORM, path, _HINT)
    with blaming(path, _HINT):
        return {name: ClassResults.of(one) for name, one in document.items() if one is not None}


def _are_classes(classes: Sequence[ClassCounts]) -> bool:
    return len(classes) <= _MOST_CLASSES and all(
        0 <= one.right <= min(one.actual, one.predicted)
        and max(one.actual, one.predicted) <= _LARGEST
        and len(one.precision) <= _MOST_RECALLS
        and all(0 <= value <= 1 for value in one.precision)
        for one in classes
    )


def _are_confused(confused: Sequence[tuple[int, ...]], classes: int) -> bool:
    return len(confused) <= MOST_CONFUSED and all(
        len(one) == 3 and one[0] != one[1] and 0 <= min(one[:2]) <= max(one[:2]) < classes and 0 < one[2] <= _LARGEST
        for one in confused
    )
