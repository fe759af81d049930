"""Flags of image classification."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class ClassificationSettings(Settings):
    """Loss of classification."""

    title: ClassVar[str] = "Classification"

    label_smoothing: float = setting(
        0.0, "fraction of every label that is spread over all classes", minimum=0, maximum=0.9
    )
    auxiliary_weight: float = setting(0.4, "weight of the auxiliary head's loss, where there is one", minimum=0)
