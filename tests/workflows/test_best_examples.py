"""Which held-out images the picture of a search's best child is made from."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rl_nas.store.best_child import VALID, classes_of
from rl_nas.store.class_results import ClassCounts, ClassResults, write_class_results
from rl_nas.store.search_folder import SearchFolder
from rl_nas.trial import Measurement, Trial, TrialState
from rl_nas.workflows import best_files

BEST = Trial(3, (0,), TrialState.OK, 0.5, Measurement(0.5))
IMAGES = 500


def looked_at(folder: SearchFolder, monkeypatch: pytest.MonkeyPatch) -> tuple[list[int], Any]:
    """The places of the images, which are their targets, and how many the worst are told to be the worst of."""
    seen: list[Any] = []

    def write(task: Any, annotation: Any, serving: Any, batches: Any, *others: Any, among: int) -> None:
        seen.extend(([int(target) for _, targets in batches for target in targets], among))

    monkeypatch.setattr(best_files, "write_examples", write)
    places = np.arange(IMAGES)
    images = SimpleNamespace(valid_images=np.zeros([IMAGES, 2, 2, 1]), valid_targets=places, image_shape=(2, 2, 1))
    config = SimpleNamespace(run=SimpleNamespace(seed=0))
    setup = SimpleNamespace(annotation=None)
    parts: Any = SimpleNamespace(images=images, config=config, setup=setup, task=None, folder=folder)
    best_files._write_examples(parts, best_files._worst(parts, BEST), None, "title")  # type: ignore[arg-type]
    return seen[0], seen[1]


def test_the_worst_of_all_are_among_them_where_they_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SearchFolder(tmp_path)
    folder.children.mkdir()
    some, among = looked_at(folder, monkeypatch)
    assert (len(some), among) == (96, 96)
    worst = [place for place in range(IMAGES) if place not in some][:3]
    classes = (ClassCounts("all", IMAGES),)
    write_class_results(classes_of(folder, 3), {VALID: ClassResults("images", classes, worst=(*worst, IMAGES))})
    found, among = looked_at(folder, monkeypatch)
    assert found == sorted([*some, *worst])
    assert among == IMAGES


def test_a_broken_file_is_told_and_ends_no_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = SearchFolder(tmp_path)
    folder.children.mkdir()
    classes_of(folder, 3).write_text("{")
    some, among = looked_at(folder, monkeypatch)
    assert (len(some), among) == (96, 96)
    (line,) = capsys.readouterr().err.splitlines()
    assert "3.classes.json is not JSON" in line
