"""COCO's average precision (Lin et al. 2014, Microsoft COCO), by the tools that the field compares with."""

import contextlib
import importlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.extras import install_command
from rl_nas.tasks.detection.records import Detections, Truth

MOST = 100
"""Detections of a class in an image that count: those with the highest scores."""

AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Ranges of areas, in pixels of the original image."""

_AT_50, _AT_75 = 0, 5
"""Places of 0.5 and 0.75 among the thresholds 0.5, 0.55, ..., 0.95 of the intersection over union."""

_TOOLS = (
    ("faster_coco_eval", "COCO", "faster_coco_eval", "COCOeval_faster"),
    ("pycocotools.coco", "COCO", "pycocotools.cocoeval", "COCOeval"),
)
"""Packages with the same numbers, the faster one first: module and class of data, module and class of evaluations."""


def check_tools() -> None:
    """Raises `UsageError` if no package that computes COCO's figures is installed."""
    _evaluator()


def average_precisions(
    truths: Sequence[Truth], detections: Sequence[Detections], class_names: Sequence[str]
) -> dict[str, float]:
    """COCO's figures over images; see `averages`.

    Args:
        truths: of each image, in pixels of the original; images without boxes count too.
        detections: of each image, likewise.
        class_names: one for each class.
    """
    return averages(precisions(truths, detections, len(class_names)), class_names)


def precisions(truths: Sequence[Truth], detections: Sequence[Detections], classes: int) -> np.ndarray:
    """Precision, or -1 without true boxes: float [thresholds, recalls, classes, `AREAS`].

    Of equal scores the one of the earlier image, then of the earlier detection, comes first.

    Args:
        truths: as of `average_precisions`.
        detections: likewise.
        classes: how many.
    """
    categories = [{"id": number} for number in range(classes)]
    images = [{"id": number} for number in range(len(truths))]
    true = [one for number, truth in enumerate(truths) for one in _true_annotations(number, truth)]
    found = [one for number, some in enumerate(detections) for one in result_annotations(number, some)]
    return _precision(*({"images": images, "categories": categories, "annotations": a} for a in (true, found)))


def at_half(precision: np.ndarray, number: int) -> tuple[float, ...]:
    """The precision of a class at an intersection over union of 0.5, at each recall; empty without true boxes.

    Args:
        precision: of `precisions`.
        number: of the class.
    """
    curve = precision[_AT_50, :, number, 0]
    return tuple(curve.tolist()) if (curve > -1).all() else ()


def averages(precision: np.ndarray, class_names: Sequence[str]) -> dict[str, float]:
    """COCO's figures; those that COCO calls -1, as there is nothing to find, are left out.

    - `mAP`: mean of the average precisions over classes with true boxes, and over the thresholds 0.5, 0.55, ..., 0.95
      of the intersection over union; `AP50` and `AP75` at one threshold.
    - `AP/small`, `AP/medium`, `AP/large`: the same for boxes below 32x32, up to 96x96, and above, in pixels.
    - `AP/NAME`: of a class; `AP/NUMBER NAME` for all if two have the same name, or one that of a size.

    Args:
        precision: of `precisions`.
        class_names: one for each class.
    """
    sizes = dict(zip(AREAS, np.moveaxis(precision, -1, 0), strict=True))  # each [thresholds, recalls, classes]
    everything = sizes.pop("all")
    means = {
        "mAP": _mean(everything),
        "AP50": _mean(everything[_AT_50]),
        "AP75": _mean(everything[_AT_75]),
        **{f"AP/{size}": _mean(part) for size, part in sizes.items()},
        **{name: _mean(everything[..., number]) for number, name in enumerate(_class_figures(class_names))},
    }
    return {name: value for name, value in means.items() if value is not None}


def coco_boxes(boxes: np.ndarray) -> np.ndarray:
    """Left, top, width and height, [..., 4], of boxes given by top, left, bottom, right."""
    top, left, bottom, right = np.moveaxis(boxes, -1, 0)
    return np.stack([left, top, right - left, bottom - top], axis=-1)


def result_annotations(image_id: int, found: Detections, first_category: int = 0) -> list[dict[str, Any]]:
    """Detections in COCO's format of results.

    Args:
        image_id: COCO's id of the image.
        found: in the image.
        first_category: COCO's id of class 0; the others follow.
    """
    columns = (coco_boxes(found.boxes).tolist(), found.scores.tolist(), found.classes.tolist())
    return [
        {"image_id": image_id, "category_id": first_category + number, "bbox": box, "score": score}
        for box, score, number in zip(*columns, strict=True)
    ]


def _true_annotations(image_id: int, truth: Truth) -> list[dict[str, Any]]:
    columns = (coco_boxes(truth.boxes), truth.labels, truth.ignore, truth.area)
    return [
        {"image_id": image_id, "category_id": label, "bbox": box, "iscrowd": int(ignore), "area": area}
        for box, label, ignore, area in zip(*(column.tolist() for column in columns), strict=True)
    ]


def _precision(true: dict[str, Any], found: dict[str, Any]) -> np.ndarray:
    """Precision, or -1 without true boxes: float [thresholds, recalls, classes, areas]."""
    for number, one in enumerate(true["annotations"], 1):  # 0 would mean that nothing matches
        one["id"] = number
    for number, one in enumerate(found["annotations"], 1):
        one.update(id=number, iscrowd=0, area=one["bbox"][2] * one["bbox"][3])
    data, evaluator = _evaluator()
    with contextlib.redirect_stdout(io.StringIO()):  # they print what they do
        sides = []
        for content in (true, found):
            sides.append(side := data())
            side.dataset = content
            side.createIndex()
        evaluation = evaluator(*sides, "bbox")
        evaluation.params.maxDets = [MOST]
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [list(pair) for pair in AREAS.values()], list(AREAS)
        evaluation.evaluate()
        evaluation.accumulate()
    precision: np.ndarray = evaluation.eval["precision"][..., 0]
    return precision


def _evaluator() -> tuple[Any, Any]:
    """The classes of data and of evaluations of a package that is installed."""
    for data_module, data, module, evaluator in _TOOLS:
        with contextlib.suppress(ImportError, AttributeError):
            return (
                getattr(importlib.import_module(data_module), data),
                getattr(importlib.import_module(module), evaluator),
            )
    raise UsageError(f"--task=detection needs pycocotools for its figures: {install_command('detection')}")


def _class_figures(names: Sequence[str]) -> list[str]:
    unique = len({*names, *AREAS}) == len(names) + len(AREAS)
    return [f"AP/{name}" if unique else f"AP/{number} {name}" for number, name in enumerate(names)]


def _mean(precision: np.ndarray) -> float | None:
    counted = precision[precision > -1]
    return float(counted.mean()) if counted.size else None
