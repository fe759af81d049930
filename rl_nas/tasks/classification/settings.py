"""Flags of image classification."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class ClassificationSettings(Settings):
    """Loss and quality of classification."""

    title: ClassVar[str] = "Classification"

    label_smoothing: float = setting(
        0.0, "fraction of every label that is spread over all classes", minimum=0, maximum=0.9
    )
    class_weights: str = setting(
        "none",
        "weights of the classes in the loss: none; auto, the inverse of their part of the training images; or a file"
        " with a line NAME WEIGHT for every class",
    )
    metric: str = setting(
        "accuracy",
        "the quality, which rewards are computed from: accuracy; or, where classes are uneven, balanced_accuracy (mean"
        " recall of the classes) or macro_f1 (mean F1 of the classes)",
        choices=("accuracy", "balanced_accuracy", "macro_f1"),
    )
    auxiliary_weight: float = setting(0.4, "weight of the auxiliary head's loss, where there is one", minimum=0)
