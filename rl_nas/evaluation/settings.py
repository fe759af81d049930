"""Settings of estimators and rewards, and of what is refused before it is trained."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class RewardSettings(Settings):
    """The reward, which is maximised."""

    title: ClassVar[str] = "Reward"

    reward: str = setting(
        "accuracy",
        "what is maximised; the last three weigh a cost against the accuracy",
        choices=("accuracy", "accuracy_cubed", "mnasnet_soft", "mnasnet_hard", "tunas_absolute"),
    )
    cost: str = setting(
        "madds",
        "what a reward with a cost weighs: trainable parameters, multiply-adds of an image, or measured seconds of"
        " an image (which differ from run to run, so that such a search repeats only from its own record)",
        choices=("parameters", "madds", "latency"),
    )
    cost_target: float | None = setting(None, "the cost that is aimed at, in its unit", above=0)
    cost_weight: float | None = setting(
        None,
        "exponent (mnasnet) or factor (tunas) of the cost; left out, the paper's: -0.07 soft, -1 hard, -0.1 absolute",
        maximum=0,
    )

    @property
    def needs_latency(self) -> bool:
        """Whether children's latency is to be measured."""
        return self.cost_target is not None and self.cost == "latency"


@dataclass(frozen=True)
class EstimatorSettings(Settings):
    """The way in which a network is measured for the strategy."""

    title: ClassVar[str] = "Estimator"

    estimator: str = setting(
        "trained",
        "train each network as a child of its own; or (shared) train weights that all have in common, measure networks"
        " with these, and train --trials of a sample alone: the best, and random ones that tell how well that ranks"
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
        choices=("parameters", "gradient_norm", "synflow", "naswot"),
    )
    filter_share: float = setting(
        0.5, "share of random networks of the space that would be trained", above=0, maximum=1
    )
    filter_sample: int = setting(50, "random networks that settle the threshold", minimum=2)
    filter_images: int = setting(32, "training images that a score looks at", minimum=2)
