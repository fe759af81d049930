"""Flags that say what the boxes of a data set are."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rl_nas.settings import Settings, setting

AUTO = "auto"
FORMATS = ("coco", "voc", "yolo")
"""Formats of boxes in folders."""

LAYOUTS = (
    "COCO's JSON in annotations/ or beside images, with images in images/, SPLIT/ or images/SPLIT/; PASCAL VOC's"
    " JPEGImages, Annotations and ImageSets/Main; or YOLO's images/ and labels/ with data.yaml, both within or above"
    " folders train, val and test"
)
"""The layouts in words."""


@dataclass(frozen=True)
class BoxFormatSettings(Settings):
    """Format of boxes."""

    box_format: str = setting(AUTO, "format of the boxes in a folder, where it has several", choices=(AUTO, *FORMATS))


@dataclass(frozen=True)
class DetectionDataSettings(BoxFormatSettings):
    """Boxes of data sets."""

    title: ClassVar[str] = "Boxes (detection)"

    classes: str | None = setting(
        None,
        "file with the name of a class in each line: these are learned, in this order, and boxes of others are left"
        " out; or a number, where the data set has no names; left out: the data set's own",
    )
    max_boxes: int | None = setting(
        None,
        "most boxes of an image; an image with more is refused; left out: as many as a folder of yours has, 100 for"
        " data sets of TFDS",
        minimum=1,
        maximum=100_000,
    )

    def __post_init__(self) -> None:
        given: Any = self.classes
        if isinstance(given, int) and not isinstance(given, bool):  # one number, from Python
            object.__setattr__(self, "classes", str(given))
        super().__post_init__()
