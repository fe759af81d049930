"""Results of classes: exact counts, a file of bounded size, and refusals of what is none."""

import json
from pathlib import Path

import numpy as np
import pytest
from page_runs import confused_images, found_boxes

from rl_nas.errors import UsageError
from rl_nas.store import class_results
from rl_nas.store.class_results import confusion_results, parse_class_results, write_class_results


def test_a_matrix_is_kept_without_its_empty_cells() -> None:
    matrix = np.array([[5, 0, 2], [1, 0, 3], [0, 0, 7]])
    actual, predicted = np.nonzero(matrix)
    found = confusion_results("pixels", "abc", actual, predicted, matrix[actual, predicted])
    assert [(one.actual, one.predicted, one.right) for one in found.classes] == [(7, 6, 5), (4, 0, 0), (7, 12, 7)]
    assert found.confused == ((1, 2, 3), (0, 2, 2), (1, 0, 1))
    assert found.left_out == 0


def test_of_very_many_confusions_the_most_frequent_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(class_results, "MOST_CONFUSED", 2)
    cells = np.array([0, 0, 1, 1]), np.array([1, 2, 0, 1]), np.array([3, 1, 4, 9])
    found = confusion_results("images", "abc", *cells)
    assert (found.confused, found.left_out) == (((1, 0, 4), (0, 1, 3)), 1)
    assert found.classes[0].actual == 4


def test_a_file_has_them_all(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    images, boxes = confused_images(7), found_boxes(3)
    write_class_results(path, {"valid": images, "final_test": None, "other": boxes})
    assert parse_class_results(path.read_text(), path) == {"valid": images, "other": boxes}


def test_a_thousand_classes_take_little_room(tmp_path: Path) -> None:
    path = tmp_path / "classes.json"
    write_class_results(path, {"valid": confused_images(1000)})
    assert path.stat().st_size < 500_000


@pytest.mark.parametrize(
    "changes",
    [
        {"left_out": -1},
        {"left_out": 1.5},
        {"worst": [-1]},
        {"worst": list(range(9))},
        {"confused": [[0, 1]]},
        {"confused": [[0, 3, 1]]},
        {"confused": [[-1, 1, 1]]},
        {"confused": [[1, 1, 1]]},
        {"confused": [[0, 1, 10**30]]},
        {"classes": [{"name": "a", "actual": 1, "predicted": 1, "right": 2, "precision": []}]},
        {"classes": [{"name": "a", "actual": -1, "predicted": 1, "right": -1, "precision": []}]},
        {"classes": [{"name": "a", "actual": 1, "predicted": 1, "right": 1, "precision": [1.5]}]},
        {"classes": [{"name": "a", "actual": 1, "predicted": 1, "right": 1, "precision": [float("nan")]}]},
        {"classes": [{"name": "a", "actual": 1, "predicted": 1, "right": 1, "precision": [0.5] * 2000}]},
        {"classes": [{"name": 3, "actual": 1, "predicted": 1, "right": 1, "precision": []}]},
        {"classes": "many"},
    ],
)
def test_what_is_no_count_of_classes_is_refused_in_one_line(changes: dict[str, object]) -> None:
    document = {"valid": {**confused_images(3).document(), **changes}}
    with pytest.raises(UsageError, match=r"x/classes\.json") as refused:
        parse_class_results(json.dumps(document), Path("x/classes.json"))
    assert "\n" not in str(refused.value)
    assert "delete the file" in str(refused.value)
