"""Settings of the filter of children; TensorFlow-free."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting

SCORE_NAMES = ("parameters", "gradient_norm", "synflow", "naswot")
"""Names of `rl_nas.evaluation.zero_cost.SCORES`, whose module imports TensorFlow."""


@dataclass(frozen=True)
class FilterSettings(Settings):
    """Filter of children by a score of their untrained networks."""

    title: ClassVar[str] = "Filter of children"

    filter: str | None = setting(
        None,
        "score of the untrained network; children with a low one are `invalid`",
        choices=SCORE_NAMES,
    )
    filter_fraction: float = setting(
        0.5, "fraction of random networks of the space that pass the filter", above=0, maximum=1
    )
    filter_sample: int = setting(50, "random networks that the threshold is computed from", minimum=2)
    filter_images: int = setting(32, "training images that a score is computed on", minimum=2)
