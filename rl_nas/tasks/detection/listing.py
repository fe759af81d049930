"""Detections of an image as a line of text and as JSON."""

from collections.abc import Sequence
from typing import Any

from rl_nas.tasks.detection.display import SHOWN_SCORE
from rl_nas.tasks.detection.overlay import class_counts
from rl_nas.tasks.detection.records import detections
from rl_nas.tasks.display import Outputs

_EDGES = ("top", "left", "bottom", "right")
SHOWN = "least_shown"
"""Output that a predictor adds: least score of a detection that is shown."""


def listed(outputs: Outputs, class_names: Sequence[str], top: int) -> tuple[str, Any]:
    """The printed prediction: `3 cat  1 dog`, and all that is shown.

    Args:
        outputs: of the network for an image.
        class_names: one for each class.
        top: most classes in the line.

    Returns:
        The line; and `count` by class, `detections` with class, score, top, left, bottom and right in pixels.
    """
    found = detections(outputs).above(float(outputs.get(SHOWN, SHOWN_SCORE)))
    counts = dict(class_counts(found.classes))
    line = "  ".join(f"{count} {class_names[number]}" for number, count in [*counts.items()][:top])
    shown = [
        {
            "class": class_names[number],
            "score": round(float(score), 4),
            **{edge: round(place, 1) for edge, place in zip(_EDGES, box, strict=True)},
        }
        for box, score, number in zip(found.boxes.tolist(), found.scores, found.classes, strict=True)
    ]
    return line or "nothing", {
        "count": {name: counts.get(n, 0) for n, name in enumerate(class_names)},
        "detections": shown,
    }
