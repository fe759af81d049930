"""Pictures of detections: what is right, what is false, what was missed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image
from typing_extensions import override

from rl_nas.tasks.detection.drawing import DASHED, DOTTED, SOLID, Outline, draw_boxes
from rl_nas.tasks.detection.outcomes import Outcomes, match
from rl_nas.tasks.detection.records import Detections, Truth, detections, true_boxes
from rl_nas.tasks.display import Display, Key, Outputs, Shown, as_rgb

SHOWN_SCORE = 0.3
"""Least score of a detection that is drawn; average precision also counts those below, of which there are many."""

_SIDE, _SCALE = 800, 2
"""Longer side of a picture in pixels, and the scale of its lines and letters."""

_RIGHT = Key(0, "right", (0, 190, 120))
_FALSE = Key(1, "false positive (dashed)", (230, 80, 0))
_MISSED = Key(2, "missed (dotted)", (240, 228, 66))
_IGNORED = Key(3, "ignored", (170, 170, 170))
_STYLES = {_FALSE: DASHED, _MISSED: DOTTED}


class BoxDisplay(Display):
    """Shows true boxes on an image, and beside it what was found, both by what became of them."""

    @override
    def quality(self, target: Mapping[str, Any], outputs: Outputs) -> float | None:
        """F1 of what is shown of the image."""
        return self._matched(target, outputs)[-1].f1

    @override
    def show(self, image: np.ndarray, target: Mapping[str, Any], outputs: Outputs) -> Shown:
        truth, found, outcomes = self._matched(target, outputs)
        factor, names = _SIDE / max(image.shape[:2]), self.class_names
        true_keys, found_keys = _keys(outcomes.found, outcomes.missed, _MISSED), _keys(*outcomes[:2], _FALSE)
        true = [
            _outline(box * factor, key, names[label])
            for box, label, key in zip(truth.boxes, truth.labels, true_keys, strict=True)
        ]
        guesses = [
            _outline(box * factor, key, f"{names[label]} {score:.2f}")
            for box, score, label, key in zip(*found, found_keys, strict=True)
        ]
        missed = [one for one, lost in zip(true, outcomes.missed, strict=True) if lost]
        enlarged = _resized(as_rgb(image), factor)
        right, false, lost = (int(mask.sum()) for mask in (outcomes.right, outcomes.false, outcomes.missed))
        return Shown(
            f"{right} right, {false} false, {lost} missed",
            {
                "target": draw_boxes(enlarged, true, _SCALE),
                "prediction": draw_boxes(enlarged, [*missed, *guesses[::-1]], _SCALE),  # the surest ones on top
            },
            frozenset(true_keys + found_keys),
            _SCALE,
        )

    def _matched(self, target: Mapping[str, Any], outputs: Outputs) -> tuple[Truth, Detections, Outcomes]:
        truth, found = true_boxes(target), detections(outputs).above(SHOWN_SCORE)
        return truth, found, match(truth, found)


def _keys(right: np.ndarray, wrong: np.ndarray, key: Key) -> list[Key]:
    """What became of each box; those that are neither right nor wrong are ignored."""
    return [_RIGHT if good else key if bad else _IGNORED for good, bad in zip(right, wrong, strict=True)]


def _outline(box: np.ndarray, key: Key, label: str) -> Outline:
    return Outline(box.tolist(), key.color, _STYLES.get(key, SOLID), label)


def _resized(image: np.ndarray, factor: float) -> np.ndarray:
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    picture = PIL.Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((width, height), PIL.Image.Resampling.BICUBIC))
