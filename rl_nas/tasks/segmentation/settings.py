"""Flags of segmentation."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting

LOSSES = ("cross_entropy", "focal", "dice")


@dataclass(frozen=True)
class SegmentationSettings(Settings):
    """Loss of segmentation."""

    title: ClassVar[str] = "Segmentation"

    loss: str = setting("cross_entropy", "loss that is trained; of masks: cross_entropy, focal or dice")
    focal_gamma: float = setting(2.0, "exponent of the focal loss; 0 is the cross-entropy", minimum=0)
    class_weights: str = setting(
        "none",
        "weights of the classes in the loss: none; auto, median frequency balancing; or a file with a line NAME WEIGHT"
        " for every class",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss not in LOSSES and ":" not in self.loss:  # as a classifier's own loss is named
            raise UsageError(f"--loss={self.loss}: expected one of {', '.join(LOSSES)}, or module:NAME of your own")
        if self.focal_gamma != type(self).focal_gamma and self.loss != "focal":
            raise UsageError(f"--focal_gamma={self.focal_gamma:g} has no effect with --loss={self.loss}; leave it out")
