"""Flags that say what the values of masks mean."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class MaskSettings(Settings):
    """Meaning of the values of masks."""

    title: ClassVar[str] = "Masks"

    classes: str | None = setting(
        None,
        "number of classes, or a file with a line NAME for each, NAME R G B or NAME #rrggbb where masks are colored;"
        " left out: classes.txt in the folder of the images, or the data set's own names",
    )
    ignore_label: str | None = setting(
        None,
        "values of pixels that are neither learned nor measured, separated by commas, such as 0,255; none: there are"
        " none; the classes are the other values from 0 on, in order, with the names of the list or those that the data"
        " set itself gives to these values; left out: 255",
    )
    label_map: str | None = setting(
        None,
        "file with lines VALUE CLASS, CLASS a name, a number or ignore, for masks whose values are not those of the"
        " classes in order; cityscapes_labels.txt comes with rl_nas",
    )
    mask_suffix: str | None = setting(
        None, "what the names of mask files add to those of their images, such as _mask; left out: found"
    )

    def __post_init__(self) -> None:
        for name in ("classes", "ignore_label"):
            given: Any = getattr(self, name)
            if isinstance(given, int) and not isinstance(given, bool):  # one number, from Python
                object.__setattr__(self, name, str(given))
        super().__post_init__()
