"""Flags of detection."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting
from rl_nas.tasks.detection.anchors import parse_ratios, parse_sizes


@dataclass(frozen=True)
class DetectionSettings(Settings):
    """Anchors and loss of detection."""

    title: ClassVar[str] = "Detection"

    anchor_sizes: str = setting(
        "auto",
        "side of the smallest anchor of each level in pixels of the network's image, such as 16,32,64; two more follow,"
        " a third of an octave apart; auto: sides that fit the training boxes",
    )
    anchor_ratios: str = setting("1", "widths over heights of the anchors, such as 0.5,1,2")
    box_loss_weight: float = setting(1.0, "weight of the boxes' loss beside that of the scores", minimum=0)
    box_loss_beta: float = setting(
        1.0, "error of a box's code at which its loss turns from a square to an absolute value", above=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_sizes(self.anchor_sizes)
        parse_ratios(self.anchor_ratios)
