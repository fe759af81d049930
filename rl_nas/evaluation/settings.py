"""Settings of estimators, and of what is refused before it is trained; TensorFlow-free."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting

SCORES = ("parameters", "gradient_norm", "synflow", "naswot")
"""The functions of `rl_nas.evaluation.zero_cost`, which imports TensorFlow, that score networks."""


@dataclass(frozen=True)
class EstimatorSettings(Settings):
    """How the strategy gets to know what a network is worth."""

    title: ClassVar[str] = "Estimator"

    estimator: str = setting(
        "trained",
        "train each network as a child of its own; or (shared) train weights that all have in common, measure networks"
        " with these, and train --trials of a sample alone: the best, and some of chance that tell how well that ranks"
        " (ENAS; Pham et al. 2018)",
        choices=("trained", "shared"),
    )
    shared_epochs: int = setting(150, "passes of the shared weights over the training images", minimum=1)
    shared_warmup: int = setting(0, "of these, epochs before the first update of the strategy", minimum=0)
    shared_updates: int = setting(
        30,
        "updates of the strategy after every epoch, each from --update_every networks that are measured on a batch of"
        " held-out images",
        minimum=0,
    )
    shared_samples: int = setting(
        100, "networks that are drawn at the end and ranked on all held-out images", minimum=2
    )


@dataclass(frozen=True)
class FilterSettings(Settings):
    """Children that are not trained, as a score of the untrained network is too low."""

    title: ClassVar[str] = "Filter of children"

    filter: str | None = setting(
        None,
        "score of the untrained network; children that are low in it are `invalid`",
        choices=SCORES,
    )
    filter_fraction: float = setting(
        0.5, "fraction of random networks of the space that would be trained", above=0, maximum=1
    )
    filter_sample: int = setting(50, "random networks that settle the threshold", minimum=2)
    filter_images: int = setting(32, "training images that a score looks at", minimum=2)
