"""Flags of detection in `rl_nas predict`, and what an exported network says about the same."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting
from rl_nas.tasks.detection.data_settings import AUTO, BoxFormatSettings

SUPPRESSION = "suppression.json"
"""File in an exported network with the values of its detections."""


@dataclass(frozen=True)
class Suppression(Settings):
    """What detections of a network are left, as an export records it."""

    title: ClassVar[str] = "Detections (detection)"

    score_threshold: float = setting(0.05, "least score of a detection", minimum=0, maximum=1)
    nms_iou: float = setting(
        0.5,
        "intersection over union above which the less sure one of two detections of a class is left out",
        minimum=0,
        maximum=1,
    )
    max_detections: int = setting(
        100, "most detections of an image, those with the highest scores", minimum=1, maximum=100_000
    )


@dataclass(frozen=True)
class DetectionPredictSettings(Settings):
    """Which detections are left."""

    title: ClassVar[str] = "Detections (detection)"

    score_threshold: float | None = setting(
        None,
        "least score of a detection; left out: the one of the exported network, and 0.3 for pictures and counts",
        minimum=0,
        maximum=1,
    )
    nms_iou: float | None = setting(
        None,
        "intersection over union above which the less sure one of two detections of a class is left out; left out: that"
        " of the exported network",
        minimum=0,
        maximum=1,
    )
    max_detections: int | None = setting(
        None, "most detections of an image; left out: as many as the exported network gives", minimum=1, maximum=100_000
    )

    def check(self, exported: Suppression) -> None:
        """Raises `UsageError` for a flag that asks for detections which the exported network leaves out."""
        limits, bound = exported.flags(), {"score_threshold": "least", "nms_iou": "most", "max_detections": "most"}
        for name, value in self.flags().items():
            limit = limits[name]
            if value is not None and (value < limit if bound[name] == "least" else value > limit):
                raise UsageError(
                    f"--{name}={value}: the network was exported with {limit}; expected at {bound[name]} that, or"
                    f" export it again with --{name}={value}"
                )


@dataclass(frozen=True)
class TrueBoxSettings(BoxFormatSettings):
    """Boxes to compare with."""

    title: ClassVar[str] = "Boxes to compare with (detection)"

    boxes: str | None = setting(
        None,
        "JSON file in COCO's format with the true boxes of every image, by the names of files: the metrics over all"
        " images are shown too; folders in a layout of the task bring theirs",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.boxes is not None and self.box_format != AUTO:
            raise UsageError(f"--box_format={self.box_format} is of folders with boxes; leave it out beside --boxes")


def suppression_text(suppression: Suppression) -> str:
    """The content of the file of an exported network."""
    return json.dumps(suppression.flags(), indent=2) + "\n"


def parse_suppression(text: str, where: str = SUPPRESSION) -> Suppression:
    """What the file of an exported network says; a stranger may have written it.

    Raises:
        UsageError: it says something else.
    """
    names = Suppression().flags().keys()
    try:
        values: Any = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict) or values.keys() != names:
        raise UsageError(f"{where} is not JSON with {', '.join(names)}; export the network again")
    try:
        return Suppression(**values)
    except UsageError as error:
        raise UsageError(f"{where}: {str(error).removeprefix('--')}; export the network again") from error
