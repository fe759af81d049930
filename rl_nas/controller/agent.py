"""The learning strategies: a learner of a single run behind the `Strategy` protocol."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.controller.learner import PolicyLearner
from rl_nas.controller.model_based import ModelBasedLearner
from rl_nas.controller.policy import FREE
from rl_nas.controller.policy_gradient import PPOLearner, ReinforceLearner
from rl_nas.controller.settings import ControllerSettings
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.trial import Trial


class _Agent:
    """Proposes by an RNN policy and learns from the rewards.

    Args:
        space: what is searched.
        settings: those that are left out come from the class's preset.
        seed: all randomness is a function of it.

    Attributes:
        learner: with the policy.
    """

    LEARNER: ClassVar[type[PolicyLearner]]
    PRESET: ClassVar[str] = "nasnet"

    def __init__(
        self, space: SearchSpace[Any], settings: ControllerSettings = ControllerSettings(), seed: int = 0
    ) -> None:
        self._space = space
        self.learner = self.LEARNER(space, settings.config(self.PRESET), [seed])
        self._proposed = 0
        self._fixed: dict[Architecture, np.ndarray] = {}

    def propose(self, n: int) -> list[Architecture]:
        """The next `n` architectures."""
        fixed = fixed_choices(self._space, self._proposed, n)
        self._proposed += n
        proposals = [tuple(map(int, tokens)) for tokens in self.learner.propose(n, fixed)[0]]
        self._fixed |= zip(proposals, fixed[0], strict=True)
        return proposals

    def observe(self, trials: Sequence[Trial]) -> None:
        """Learns from trials of its proposals, in any order and number."""
        if not trials:
            return
        trials = sorted(trials, key=lambda trial: trial.index)
        rewards = [np.nan if trial.reward is None else trial.reward for trial in trials]
        fixed = np.stack([self._fixed[trial.architecture] for trial in trials])
        tokens = np.array([[trial.architecture for trial in trials]], np.int32)
        self.learner.observe(tokens, np.array([rewards]), fixed[np.newaxis])
        for trial in trials:
            self._fixed.pop(trial.architecture, None)

    def state(self) -> State:
        """See `Resumable`."""
        return {
            "proposed": self._proposed,
            "waiting": list(self._fixed),
            "fixed": [choices.tolist() for choices in self._fixed.values()],
            "learner": self.learner.state(),
        }

    def restore(self, state: State) -> None:
        """See `Resumable`."""
        self._proposed = state["proposed"]
        waiting = zip(map(tuple, state["waiting"]), state["fixed"], strict=True)
        self._fixed = {architecture: np.array(choices, np.int32) for architecture, choices in waiting}
        self.learner.restore(state["learner"])

    def diagnostics(self) -> Mapping[str, float]:
        """Figures of health: `PolicyLearner.figures` and those of the learner's updates."""
        return {name: float(values[0]) for name, values in self.learner.figures().items()}

    def temper(self) -> None:
        """Weakens the policy's preferences."""
        self.learner.policy.temper()

    def restart(self) -> None:
        """Starts over with a fresh policy."""
        self.learner.restart()


class Reinforce(_Agent):
    """REINFORCE with a baseline and an entropy bonus: `ReinforceLearner`."""

    LEARNER = ReinforceLearner


class PPO(_Agent):
    """Proximal policy optimization: `PPOLearner`."""

    LEARNER = PPOLearner


class Controller(_Agent):
    """The policy that practises on a model of the rewards: `ModelBasedLearner`."""

    LEARNER = ModelBasedLearner
    PRESET = "controller"


def fixed_choices(space: SearchSpace[Any], first: int, n: int) -> np.ndarray:
    """The choices that are not free in trials from number `first` on, int32 [1, n, decisions], else `FREE`."""
    fixed = np.full([1, n, len(space.decisions)], FREE, np.int32)
    for trial in range(n):
        for number, choice in space.fixed(first + trial).items():
            fixed[0, trial, number] = choice
    return fixed
