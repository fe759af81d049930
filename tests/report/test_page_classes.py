"""Results of classes on the page, against plain counts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_runs import confused_images, found_boxes, sampled_trials, write_run
from test_page import ATTACK, Elements, data_of

from rl_nas.report.page.classes import MOST_IN_MATRIX, class_chart, class_tables
from rl_nas.report.page.facts import tables
from rl_nas.report.page.page import page_html
from rl_nas.report.page.run import MeasuredClasses, PageRun
from rl_nas.store.best_child import VALID, classes_of
from rl_nas.store.class_results import ClassCounts, ClassResults, write_class_results
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.trial import Measurement, Trial, TrialState
from rl_nas.workflows.page_runs import page_run


def columns(chart: Any, name: str) -> list[Any]:
    """The columns of the marks that have one of this name."""
    return [mark.data_source.data for mark in chart.renderers if name in mark.data_source.data]


def test_every_count_of_the_matrix_is_drawn_and_its_shares_add_up() -> None:
    results = confused_images(6)
    chart = class_chart(results)
    (cells,) = columns(chart, "count")
    names = [one.name for one in results.classes]
    drawn = {
        (names.index(actual), names.index(predicted)): count
        for actual, predicted, count in zip(cells["actual"], cells["predicted"], cells["count"], strict=True)
    }
    expected = {(actual, predicted): count for actual, predicted, count in results.confused}
    expected |= {(place, place): one.right for place, one in enumerate(results.classes)}
    assert drawn == expected
    for name in names:
        shares = [share for share, actual in zip(cells["share"], cells["actual"], strict=True) if actual == name]
        assert sum(shares) == pytest.approx(1)
    (texts,) = columns(chart, "text")
    assert texts["text"] == [f"{count}" for count in cells["count"]]


@pytest.mark.parametrize(("unit", "last"), [("images", "F1"), ("pixels", "IoU")])
def test_the_table_has_accuracy_precision_and_overlap(unit: str, last: str) -> None:
    classes = (ClassCounts("cat", 10, 8, 6), ClassCounts("dog", 20, 22, 18), ClassCounts("none", 0))
    results = ClassResults(unit, classes, ((0, 1, 4), (1, 0, 2)))
    (table,) = class_tables(MeasuredClasses("trial 1", results))
    assert list(table.heads) == ["class", unit, "accuracy", "precision", last, "most often taken for"]
    overlap = {"F1": 12 / 18, "IoU": 6 / 12}[last]
    assert [cell.value for cell in table.rows[0]] == [None, 10, 0.6, 0.75, overlap, None]
    assert [row[-1].text for row in table.rows] == ["dog (40.0%)", "cat (10.0%)", "-"]
    assert [cell.text for cell in table.rows[2]] == ["none", "0", "-", "-", "-", "-"]


def test_of_many_classes_the_worst_and_the_most_frequent_confusions_are_listed() -> None:
    results = confused_images(1000)
    classes, pairs = class_tables(MeasuredClasses("trial 1", results))
    accuracies = [one.right / one.actual for one in results.classes]
    assert [row[2].value for row in classes.rows] == sorted(accuracies)[:200]
    assert classes.notes[-1] == "Of 1,000 classes the 200 with the lowest accuracy are shown."
    assert [row[2].value for row in pairs.rows] == [count for *_, count in results.confused[:50]]
    assert class_chart(results) is None
    assert class_chart(confused_images(MOST_IN_MATRIX)) is not None


def test_boxes_have_precision_over_recall() -> None:
    results = found_boxes(4)
    (table,) = class_tables(MeasuredClasses("trial 1", results))
    assert [row[1].value for row in table.rows] == [10, 11, 12, 0]
    assert [row[2].value for row in table.rows] == [
        *(pytest.approx(np.mean(one.precision)) for one in results.classes[:3]),
        None,
    ]
    lines = columns(class_chart(results), "name")
    assert {line["name"][0]: tuple(line["y"]) for line in lines} == {
        one.name: one.precision for one in results.classes[:3]
    }
    assert lines[0]["x"][50] == 0.5
    assert class_chart(replace(results, classes=results.classes[3:])) is None
    many = class_chart(found_boxes(300))
    assert len(columns(many, "name")) == 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", sampled_trials(20))


def best_of(folder: Path) -> int:
    best = page_run(folder).best
    assert best is not None
    return best.index


def test_the_page_has_those_of_the_best_trial_and_of_the_full_training(folder: Path) -> None:
    best, search = best_of(folder), SearchFolder(folder)
    search.children.mkdir()
    write_class_results(classes_of(search, best), {VALID: confused_images(5, 1)})
    write_class_results(classes_of(search, best + 1), {VALID: confused_images(5, 2)})  # of another trial
    full = TrainingFolder(folder / f"then/trial{best}/full")
    full.path.mkdir(parents=True)
    write_class_results(full.classes, {VALID: confused_images(5, 3), "final_test": confused_images(5, 4)})
    document = {"name": f"trial{best}", "folder": f"then/trial{best}/full", "results": None}
    (folder / "then/then.json").write_text(json.dumps({"compared": [], "full": document}))
    run = page_run(folder)
    assert [one.results for one in run.classes] == [confused_images(5, 1), confused_images(5, 4)]
    assert run.notes == []
    html = page_html([run])
    assert {"classes-0", "classes-1"} <= set(data_of(html)["charts"])
    values = {float(str(found["value"])) for found in Elements(html).of("data")}
    for seed in (1, 4):
        assert {one.right / one.actual for one in confused_images(5, seed).classes} <= values
    assert f"Classes of full training of trial{best} on the test images" in html


@pytest.mark.parametrize("place", ["../elsewhere", "then/../../elsewhere", "then/a/b/full"])
def test_a_full_training_elsewhere_is_not_read(folder: Path, place: str, tmp_path: Path) -> None:
    for path in (tmp_path / "elsewhere", folder / "then/a/b/full"):
        path.mkdir(parents=True)
        write_class_results(path / "classes.json", {VALID: confused_images(3)})
    full = {"name": "a/b", "folder": place, "results": None}
    (folder / "then/then.json").write_text(json.dumps({"compared": [], "full": full}))
    assert list(page_run(folder).classes) == []


@pytest.mark.parametrize("text", ["{", '{"valid": {"unit": "images"}}', "[]"])
def test_a_broken_file_is_told_and_left_out(folder: Path, text: str) -> None:
    search, best = SearchFolder(folder), best_of(folder)
    search.children.mkdir()
    classes_of(search, best).write_text(text)
    run = page_run(folder)
    assert list(run.classes) == []
    (note,) = run.notes
    assert note.startswith("Classes of the best trial are left out: ")


def test_means_of_several_trainings_are_told_apart_from_the_classes_of_one(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", sampled_trials(5), reward_seeds=3)
    search, best = SearchFolder(folder), best_of(folder)
    search.children.mkdir()
    write_class_results(classes_of(search, best), {VALID: confused_images(3)})
    (found,) = page_run(folder).classes
    assert found.of.endswith("after the best of its trainings")


def test_names_of_strangers_stay_texts_and_their_counts_break_nothing() -> None:
    classes = tuple(ClassCounts(f"{ATTACK}{n}", 0, 10**15, 0) for n in range(3))
    results = ClassResults("images", classes, ((0, 1, 10**15), (1, 0, 1)))
    boxes = ClassResults("boxes", tuple(ClassCounts(ATTACK, 1, precision=(1.0,)) for _ in range(2)))
    measured = [MeasuredClasses(ATTACK, one) for one in (results, boxes, replace(results, unit=ATTACK))]
    html = page_html([PageRun("r", sampled_trials(3), {}, classes=measured)])
    assert ATTACK not in html
    assert any(ATTACK in text for text in Elements(html).texts)


def test_masks_are_in_one_table() -> None:
    trial = Trial(0, (0,), TrialState.OK, 0.5, Measurement(0.5, {"mIoU": 0.5, "IoU/sky": 0.5}))
    run = PageRun("r", [trial], {})
    assert any("by class" in table.title for table in tables(run))
    masks = [MeasuredClasses("trial 0", replace(confused_images(3), unit="pixels"))]
    titles = [table.title for table in tables(replace(run, classes=masks))]
    assert [title for title in titles if "lass" in title] == ["Classes of trial 0"]
