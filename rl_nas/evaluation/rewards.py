"""Rewards: pure functions from a measurement to the number that a strategy maximizes, and the choice among them.

What they return is checked by `rl_nas.admission.reward_of`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.plugins import check_call, load_plugin
from rl_nas.settings import Settings, setting
from rl_nas.trial import Measurement, Reward


def quality(measurement: Measurement) -> float:
    """The task's quality, such as top-1 accuracy on held-out training images (Zoph et al. 2018, section 3)."""
    return measurement.quality


def quality_cubed(measurement: Measurement) -> float:
    """The third power of the quality (Zoph and Le 2017, section 4.1): good children count more."""
    return measurement.quality**3


def mnasnet(quality: float, cost: float, target: float, alpha: float, beta: float) -> float:
    """Weighted product of Tan et al. 2019, equations 2 and 3: quality (cost/target)^w.

    A negative quality is divided by the weight instead: multiplied, it would gain by a higher cost.

    Args:
        quality: of the task.
        cost: in the unit of `target`, above 0.
        target: of the cost.
        alpha: w of costs up to the target.
        beta: w of costs above it.
    """
    weight: float = (cost / target) ** (alpha if cost <= target else beta)
    return quality * weight if quality >= 0 else quality / weight


def mnasnet_soft(quality: float, cost: float, target: float, beta: float = -0.07) -> float:
    """A soft constraint: twice the cost is worth 5% relative accuracy (Tan et al. 2019, section 3)."""
    return mnasnet(quality, cost, target, beta, beta)


def mnasnet_hard(quality: float, cost: float, target: float, beta: float = -1.0) -> float:
    """A hard constraint: costs up to the target are free (Tan et al. 2019, section 3)."""
    return mnasnet(quality, cost, target, 0.0, beta)


def tunas_absolute(quality: float, cost: float, target: float, beta: float = -0.1) -> float:
    """The absolute reward of Bender et al. 2020, section 3: quality + beta |cost/target - 1|."""
    return quality + beta * abs(cost / target - 1)


PLAIN: dict[str, Reward] = {"quality": quality, "quality_cubed": quality_cubed}
WITH_COST = {"mnasnet_soft": mnasnet_soft, "mnasnet_hard": mnasnet_hard, "tunas_absolute": tunas_absolute}


@dataclass(frozen=True)
class RewardSettings(Settings):
    """The reward."""

    title: ClassVar[str] = "Reward"

    reward: str = setting(
        "quality",
        f"number to maximize: {', '.join(PLAIN)} (of the task: accuracy, for classification); {', '.join(WITH_COST)},"
        " which weigh a cost against it; or module:NAME, a function of your own from a Measurement to a number",
    )
    reward_seeds: int = setting(
        1,
        "trainings of every child, with different seeds; its metrics are their means, and a further one is the"
        " deviation of the quality",
        minimum=1,
        maximum=1000,
    )
    cost: str = setting(
        "madds",
        "cost in the reward: trainable parameters or multiply-adds of an image, of the whole network; or measured"
        " seconds of an image, of what a child computes: without a backbone whose features are computed once or frozen"
        " (seconds differ from run to run, so that such a search repeats only from its own record)",
        choices=("parameters", "madds", "latency"),
    )
    cost_target: float | None = setting(None, "target of the cost, in its unit", above=0)
    cost_weight: float | None = setting(
        None,
        "exponent (mnasnet) or factor (tunas) of the cost; left out, the paper's: -0.07 soft, -1 hard, -0.1 absolute",
        maximum=0,
    )

    @property
    def needs_latency(self) -> bool:
        """Whether children's latency is to be measured."""
        return self.cost_target is not None and self.cost == "latency"


def make_reward(settings: RewardSettings) -> Reward:
    """The reward of the settings.

    Raises:
        UsageError: there is none of that name, one with a cost lacks a target, or one without a cost has one.
    """
    name = settings.reward
    if name not in WITH_COST:
        for flag in ("cost_target", "cost_weight"):
            if getattr(settings, flag) is not None:
                raise UsageError(f"--{flag} is for the rewards {', '.join(WITH_COST)}, not for --reward={name}")
        return _without_cost(name)
    if settings.cost_target is None:
        raise UsageError(f"--reward={name} needs --cost_target, the target of {settings.cost}")
    weight = {} if settings.cost_weight is None else {"beta": settings.cost_weight}
    return partial(_with_cost, partial(WITH_COST[name], target=settings.cost_target, **weight), settings.cost)


def _without_cost(name: str) -> Reward:
    if name in PLAIN:
        return PLAIN[name]
    reward = load_plugin("reward", name, [*PLAIN, *WITH_COST])
    if not callable(reward):
        raise UsageError(f"--reward={name} is {type(reward).__name__}; expected a function of a Measurement")
    check_call("reward", name, reward, None, expected="a function of a Measurement")
    own: Reward = reward
    return own


def _with_cost(formula: Callable[..., float], cost: str, measurement: Measurement) -> float:
    return formula(measurement.quality, getattr(measurement, cost))
