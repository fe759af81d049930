"""Settings of search with shared weights; TensorFlow-free."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class EstimatorSettings(Settings):
    """How networks are measured for the strategy."""

    title: ClassVar[str] = "Estimator"

    estimator: str = setting(
        "trained",
        "trained: train each network as a child; shared: train weights that all networks share, measure networks with"
        " these, and train --trials of a sample alone: the best, and random ones to tell how well the weights rank"
        " (ENAS; Pham et al. 2018)",
        choices=("trained", "shared"),
    )
    shared_epochs: int = setting(
        150, "passes of the shared weights over the training images", minimum=1, maximum=1_000_000
    )
    shared_warmup: int = setting(
        0, "of these, epochs before the first update of the strategy", minimum=0, maximum=1_000_000
    )
    shared_updates: int = setting(
        30,
        "updates of the strategy after every epoch, each from --update_every networks measured on a batch of held-out"
        " images",
        minimum=0,
        maximum=1_000_000,
    )
    shared_samples: int = setting(
        100, "networks drawn at the end and ranked on all held-out images", minimum=2, maximum=1_000_000
    )
