"""What the choices of a search are worth: the mean reward of each, and the importance of each decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.trial import Trial

FEWEST = 3
"""Fewest children to compute an importance of."""


@dataclass(frozen=True)
class ChoiceWorth:
    """A choice of a decision.

    Attributes:
        choice: the value, as a text.
        children: successful ones that have it.
        mean: of their rewards; None if there are none.
    """

    choice: str
    children: int
    mean: float | None


@dataclass(frozen=True)
class DecisionWorth:
    """A decision of a space.

    Attributes:
        name: of the decision.
        importance: share of the variance of rewards that its choices explain alone, corrected for their number
            (epsilon squared, Kelley 1935), 0 to 1; interactions of decisions are not in it.
        choices: in the order of the space.
    """

    name: str
    importance: float
    choices: tuple[ChoiceWorth, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the choices."""
        return tuple(one.choice for one in self.choices)


def decisions_worth(trials: Sequence[Trial], space: SearchSpace[Any]) -> list[DecisionWorth]:
    """The decisions of the successful trials, in the order of the space; none for fewer than `FEWEST` of these.

    Raises:
        UsageError: a trial is not of the space.
    """
    check_fits(trials, space)
    rewarded = [(trial.architecture, trial.reward) for trial in trials if trial.reward is not None]
    if len(rewarded) < FEWEST:
        return []
    chosen = np.array([architecture for architecture, _ in rewarded], int).reshape(len(rewarded), -1)
    rewards = np.array([reward for _, reward in rewarded], float)
    worth = []
    for number, decision in enumerate(space.decisions):
        groups = np.where(_active(space, number, chosen), chosen[:, number], -1)
        choices = []
        for place, choice in enumerate(decision.choices):
            of_choice = rewards[groups == place]
            mean = float(of_choice.mean()) if len(of_choice) else None
            choices.append(ChoiceWorth(str(choice), len(of_choice), mean))
        worth.append(DecisionWorth(decision.name, importance(groups, rewards), tuple(choices)))
    return worth


def check_fits(trials: Sequence[Trial], space: SearchSpace[Any]) -> None:
    """Raises `UsageError` unless all architectures have a legal choice for each decision of the space."""
    sizes = [len(decision.choices) for decision in space.decisions]
    for trial in trials:
        if len(trial.architecture) != len(sizes):
            raise UsageError(
                f"trial {trial.index} has {len(trial.architecture)} choices; space {space.name} has {len(sizes)}"
            )
        if not all(0 <= choice < size for choice, size in zip(trial.architecture, sizes, strict=True)):
            raise UsageError(f"trial {trial.index} has a choice that space {space.name} does not offer")


def importance(groups: np.ndarray, rewards: np.ndarray) -> float:
    """Epsilon squared of a grouping: the variance between groups, less what chance would explain, of the whole.

    Args:
        groups: the group of each reward, int [rewards].
        rewards: float [rewards].
    """
    _, places = np.unique(groups, return_inverse=True)
    count, sizes = len(rewards), np.bincount(places)
    whole = float(np.sum((rewards - rewards.mean()) ** 2))
    if not whole or len(sizes) < 2 or count <= len(sizes):
        return 0.0
    means = np.bincount(places, weights=rewards) / sizes
    between = float(np.sum(sizes * (means - rewards.mean()) ** 2))
    within = (whole - between) / (count - len(sizes))
    return float(np.clip((between - (len(sizes) - 1) * within) / whole, 0.0, 1.0))


def _active(space: SearchSpace[Any], number: int, chosen: np.ndarray) -> np.ndarray:
    """Whether a decision is active, bool [architectures]."""
    active = np.ones(len(chosen), bool)
    for parent, allowed in space.conditions(number):
        active &= np.array(allowed)[chosen[:, parent]]
    return active
