"""What predictions write: COCO's format, and the metric where boxes are known."""

import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from box_files import write, write_image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from test_average_precision import NAMES, SIZE, measured, random_evidence

from rl_nas.errors import UsageError
from rl_nas.tasks.detection.coco import coco_boxes
from rl_nas.tasks.detection.listing import listed
from rl_nas.tasks.detection.predict_settings import (
    DetectionPredictSettings,
    Suppression,
    TrueBoxSettings,
    parse_suppression,
    suppression_text,
)
from rl_nas.tasks.detection.predictor import DetectionPredictor
from rl_nas.tasks.predictor import ImageFile
from rl_nas.workflows.prediction_folder import PredictionFolder, table

IMAGE = np.zeros([240, 320, 3], np.uint8)
ALL = Suppression(score_threshold=0.0, nms_iou=1.0)


def predictor(exported: Suppression = ALL, **flags: Any) -> DetectionPredictor:
    defaults = {**DetectionPredictSettings().flags(), **TrueBoxSettings().flags()}
    return DetectionPredictor(NAMES, exported, {**defaults, **flags})


def annotations(targets: Mapping[str, Mapping[str, np.ndarray]]) -> list[dict[str, Any]]:
    """True boxes in COCO's format, written in another way."""
    return [
        {"image_id": 1 + n, "category_id": int(label) + 1, "bbox": coco_boxes(box).tolist(), "area": float(area)}
        | {"iscrowd": int(ignore), "id": 1 + 100 * n + m}
        for n, target in enumerate(targets.values())
        for m, (box, label, ignore, area) in enumerate(zip(*target.values(), strict=True))
        if label >= 0
    ]


def split(seed: int, images: int) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """Evidence of images of the network's size, outputs and targets by name."""
    evidence = random_evidence(seed, images, ties=False)
    evidence["size"][:] = IMAGE.shape[:2]
    outputs = [{k: evidence[k][n] for k in ("boxes", "scores", "classes", "count")} for n in range(images)]
    names = {"boxes": "true_boxes", "labels": "true_labels", "ignore": "ignore", "area": "area"}
    targets = {f"sub/{n}.jpg": {k: evidence[name][n] for k, name in names.items()} for n in range(images)}
    return evidence, outputs, targets


def test_the_file_is_read_by_cocos_tools_and_gives_the_same_figures(tmp_path: Path) -> None:
    evidence, outputs, targets = split(5, 20)
    images = [{"id": n, "file_name": name, "height": 240, "width": 320} for n, name in enumerate(targets, 1)]
    categories = [{"id": n, "name": name} for n, name in enumerate(NAMES, 1)]
    content = {"images": images, "annotations": annotations(targets), "categories": categories}
    write(tmp_path / "true.json", json.dumps(content))
    one = predictor(boxes=str(tmp_path / "true.json"))
    given_files = [ImageFile(name, write_image(tmp_path / name, SIZE)) for name in targets]
    files = one.with_targets(given_files, print)
    for file, given in zip(files, outputs, strict=True):
        one.measure(file, one.outputs(lambda _, given=given: given, IMAGE))  # type: ignore[misc]
    figures = measured(evidence)
    assert one.figures() == pytest.approx({name: value for name, value in figures.items() if name != "loss"})
    path = tmp_path / "detections.json"
    path.write_text(one.documents()[path.name])
    with contextlib.redirect_stdout(io.StringIO()):
        found = COCO(str(path))
        true = COCO()
        true.dataset = {**found.dataset, "annotations": annotations(targets)}
        true.createIndex()
        for results in (found, true.loadRes(json.loads(path.read_text())["annotations"])):
            evaluation = COCOeval(true, results, "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            assert evaluation.stats[0] == pytest.approx(figures["mAP"], abs=1e-9)
    assert [found.imgs[1][key] for key in ("file_name", "height", "width")] == ["sub/0.jpg", 240, 320]
    assert [category["name"] for category in found.dataset["categories"]] == list(NAMES)


def test_images_without_true_boxes_are_written_and_not_measured() -> None:
    one = predictor()
    for number, given in enumerate(split(6, 3)[1]):
        one.measure(ImageFile(f"{number}.png", Path(f"{number}.png")), one.outputs(lambda _, g=given: g, IMAGE))  # type: ignore[misc]
    assert one.figures() == {}
    assert len(json.loads(one.documents()["detections.json"])["images"]) == 3
    assert json.loads(predictor().documents()["detections.json"])["annotations"] == []


def test_flags_leave_fewer_detections() -> None:
    given = split(7, 1)[1][0] | {"count": np.int32(30)}
    given["scores"], given["classes"] = np.linspace(0.9, 0.1, 30, dtype=np.float32), np.arange(30) % 4
    given["boxes"][15:] = given["boxes"][:15]

    def scores(**flags: Any) -> list[float]:
        outputs = predictor(**flags).outputs(lambda _: given, IMAGE)
        assert len(outputs["boxes"]) == outputs["count"] == len(outputs["classes"])
        return [float(score) for score in outputs["scores"]]

    assert len(scores()) == 30
    assert min(scores(score_threshold=0.5)) >= 0.5
    assert scores(max_detections=4) == scores()[:4]
    assert scores(nms_iou=1.0) == scores()
    assert set(scores(nms_iou=0.5)) < set(scores())


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"score_threshold": 0.01}, "exported with 0.05; expected at least that, or export it again with --score"),
        ({"nms_iou": 0.7}, "exported with 0.5; expected at most that, or export it again with --nms_iou=0.7"),
        ({"max_detections": 101}, "exported with 100; expected at most that, or export it again"),
    ],
)
def test_flags_cannot_bring_back_what_the_export_left_out(flags: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        predictor(Suppression(), **flags)
    predictor(Suppression(0.0, 0.9, 200), **flags)


def test_what_an_export_records_is_read_again() -> None:
    one = Suppression(0.125, 0.75, 7)
    assert parse_suppression(suppression_text(one)) == one
    for text in ("", "{}", "[1]", "[" * 10**5, '{"score_threshold": 0.1}', suppression_text(one).replace("7", '"7"')):
        with pytest.raises(UsageError, match=r"^suppression\.json[^\n]*; export the network again$"):
            parse_suppression(text)
    for value in ("NaN", "-1", "true", "2"):
        with pytest.raises(UsageError, match=r"^suppression\.json: score_threshold="):
            parse_suppression(suppression_text(one).replace("0.125", value))


def test_the_sure_ones_are_listed_and_drawn() -> None:
    outputs = {
        "boxes": np.array([[1, 2, 30, 40.26], [5, 5, 9, 9], [50, 60, 70, 80]], np.float32),
        "scores": np.array([0.91, 0.5, 0.1], np.float32),
        "classes": np.array([1, 1, 0]),
        "count": np.int32(3),
    }
    line, value = listed(predictor().outputs(lambda _: outputs, IMAGE), NAMES, 3)
    assert line == "2 white"
    assert value["count"] == {"red": 0, "white": 2, "tiny": 0, "absent": 0}
    first = {"class": "white", "score": 0.91, "top": 1.0, "left": 2.0, "bottom": 30.0, "right": 40.3}
    assert value["detections"][0] == first
    low = predictor(score_threshold=0.0).outputs(lambda _: outputs, IMAGE)
    assert listed(low, NAMES, 3)[0] == "2 white  1 red"
    assert listed(low, NAMES, 1)[0] == "2 white"
    assert listed({**low, "count": np.int32(0)}, NAMES, 3)[0] == "nothing"
    assert predictor().files(IMAGE, low).keys() == {"overlays"}
    header = table({"a.png": value}).splitlines()[0].split(",")
    assert header[:5] == ["image", "count/red", "count/white", "count/tiny", "count/absent"]
    assert header[5:7] == ["detections/1/class", "detections/1/score"]


def test_documents_are_in_the_folder(tmp_path: Path) -> None:
    PredictionFolder(tmp_path).finish({}, {"images": 1.0}, predictor().documents(), as_json=False)
    assert {path.name for path in tmp_path.iterdir()} == {
        "detections.json",
        "metrics.json",
        "predictions.csv",
    }
