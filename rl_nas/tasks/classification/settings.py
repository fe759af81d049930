"""Flags of image classification."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting

CROSS_ENTROPY = "cross_entropy"
QUALITY_NAMES = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True)
class ClassificationSettings(Settings):
    """Loss and quality of classification."""

    title: ClassVar[str] = "Classification"

    label_smoothing: float = setting(
        0.0, "fraction of every label that is spread over all classes", minimum=0, maximum=0.9
    )
    loss: str = setting(
        CROSS_ENTROPY,
        "loss that is trained; of classifiers: cross_entropy, or module:NAME, a function of your own of one-hot targets"
        " and probabilities",
    )
    class_weights: str = setting(
        "none",
        "weights of the classes in the loss: none; auto, the inverse of their part of the training images; or a file"
        " with a line NAME WEIGHT for every class",
    )
    metric: str = setting(
        "accuracy",
        "the quality, which rewards are computed from: accuracy; or, where classes are uneven, balanced_accuracy (mean"
        " recall of the classes) or macro_f1 (mean F1 of the classes); or module:NAME, a function of your own of labels"
        " and probabilities",
    )
    auxiliary_weight: float = setting(0.4, "weight of the auxiliary head's loss, where there is one", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.metric not in QUALITY_NAMES and ":" not in self.metric:
            raise UsageError(
                f"--metric={self.metric}: expected one of {', '.join(QUALITY_NAMES)}, or module:NAME of your own"
            )
