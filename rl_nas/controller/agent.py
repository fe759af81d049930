"""The learning strategies: a learner of a single run behind the `Strategy` protocol."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.controller.learner import PolicyLearner
from rl_nas.controller.model_based import ModelBasedLearner
from rl_nas.controller.policy_gradient import PPOLearner, ReinforceLearner
from rl_nas.controller.settings import ControllerConfig, ControllerSettings
from rl_nas.fidelities import WHOLE, Fidelities
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.surrogate.earlier import EarlierTrials
from rl_nas.trial import Trial
from rl_nas.waiting import Waiting


class _Proposal(NamedTuple):
    """Record of an architecture until its trial arrives.

    Attributes:
        fixed: the choices that were not free in it.
        log_prob: under the policy that proposed it; None if it was not the policy alone.
        update: number of updates that the policy had had.
    """

    fixed: list[int]
    log_prob: float | None
    update: int


class _Agent:
    """Proposes by an RNN policy and learns from the rewards.

    Args:
        space: the space to search.
        settings: missing ones come from the class's preset.
        seed: all randomness is a function of it.

    Attributes:
        learner: holds the policy.
    """

    LEARNER: ClassVar[type[PolicyLearner]]
    PRESET: ClassVar[str] = "nasnet"

    def __init__(
        self, space: SearchSpace[Any], settings: ControllerSettings = ControllerSettings(), seed: int = 0
    ) -> None:
        self._space = space
        self.learner = self._made(settings.config(self.PRESET), seed)
        self._proposed, self._updates = 0, 0
        self._waiting = Waiting[_Proposal]()

    def _made(self, config: ControllerConfig, seed: int) -> PolicyLearner:
        return self.LEARNER(self._space, config, [seed])

    def propose(self, n: int) -> list[Architecture]:
        """The next `n` architectures."""
        fixed = fixed_choices(self._space, self._proposed, n)
        self._proposed += n
        proposals = [tuple(map(int, tokens)) for tokens in self.learner.propose(n, fixed)[0]]
        log_probs = [None] * n if self.learner.log_prob is None else self.learner.log_prob[0].tolist()
        for architecture, choices, log_prob in zip(proposals, fixed[0].tolist(), log_probs, strict=True):
            self._waiting.add(architecture, _Proposal(choices, log_prob, self._updates))
        return proposals

    def observe(self, trials: Sequence[Trial]) -> None:
        """Learns from trials of its proposals, in any order and number.

        Others, of a search whose state was lost, count as proposals of the present policy.
        """
        if not trials:
            return
        trials = sorted(trials, key=lambda trial: trial.index)
        proposals = [self._waiting.take(trial.architecture) or self._present(trial.index) for trial in trials]
        self.learner.observe(
            np.array([[trial.architecture for trial in trials]], np.int32),
            self._rewards_of(trials)[np.newaxis],
            np.array([[proposal.fixed for proposal in proposals]], np.int32),
            self._behavior(proposals),
        )
        self._updates += 1

    def _rewards_of(self, trials: Sequence[Trial]) -> np.ndarray:
        """Rewards of trials, as the learner takes them."""
        return np.array([np.nan if trial.reward is None else trial.reward for trial in trials])

    def withdraw(self, architectures: Sequence[Architecture]) -> None:
        """See `Withdrawing`."""
        for architecture in architectures:
            self._waiting.withdraw(architecture)
        self.learner.withdraw(np.array([architectures], np.int32))

    def state(self) -> State:
        """See `Resumable`."""
        return {
            "proposed": self._proposed,
            "updates": self._updates,
            "waiting": [[architecture, *proposal] for architecture, proposal in self._waiting.entries()],
            "learner": self.learner.state(),
        }

    def restore(self, state: State) -> None:
        """See `Resumable`."""
        self.learner.restore(state["learner"])  # first: it refuses states of earlier versions
        self._proposed, self._updates = state["proposed"], state["updates"]
        self._waiting = Waiting((architecture, _Proposal(*rest)) for architecture, *rest in state["waiting"])

    def _present(self, index: int) -> _Proposal:
        """The proposal of a trial as if it had just been made."""
        return _Proposal(fixed_choices(self._space, index, 1)[0, 0].tolist(), None, self._updates)

    def _behavior(self, proposals: Sequence[_Proposal]) -> np.ndarray | None:
        """Log-probabilities under the policies that made the proposals, as `PolicyLearner.observe` takes them."""
        if all(proposal.update == self._updates for proposal in proposals):
            return None
        log_probs = [math.nan if proposal.log_prob is None else proposal.log_prob for proposal in proposals]
        return np.array([log_probs], np.float32)

    def diagnostics(self) -> Mapping[str, float]:
        """Figures of health: `PolicyLearner.figures` and those of the learner's updates."""
        return {name: float(values[0]) for name, values in self.learner.figures().items()}

    def choice_probabilities(self) -> list[np.ndarray]:
        """See `WithProbabilities`."""
        fixed = fixed_choices(self._space, self._proposed, 1)
        return [of_runs[0] for of_runs in self.learner.choice_frequencies(fixed)]

    def temper(self) -> None:
        """Weakens the policy's preferences."""
        self.learner.policy.temper()

    def restart(self) -> None:
        """Starts over with a fresh policy."""
        self.learner.restart()


class _PolicyAgent(_Agent):
    """An agent whose proposals are its policy's."""

    def sample(self, n: int) -> list[Architecture]:
        """See `Sampling`."""
        fixed = np.repeat(fixed_choices(self._space, self._proposed, 1), n, axis=1)
        return [tuple(map(int, tokens)) for tokens in self.learner.propose(n, fixed)[0]]


class Reinforce(_PolicyAgent):
    """REINFORCE with a baseline and an entropy bonus: `ReinforceLearner`."""

    LEARNER = ReinforceLearner


class PPO(_PolicyAgent):
    """Proximal policy optimization: `PPOLearner`."""

    LEARNER = PPOLearner


class Controller(_Agent):
    """A policy that practices on a model of the rewards: `ModelBasedLearner`.

    Args:
        space: the space to search.
        settings: missing ones come from the class's preset.
        seed: all randomness is a function of it.
        earlier: trials of an earlier search, which the model knows from the start.
        fidelities: of trainings that may be stopped.
    """

    LEARNER = ModelBasedLearner
    PRESET = "controller"
    learner: ModelBasedLearner

    def __init__(
        self,
        space: SearchSpace[Any],
        settings: ControllerSettings = ControllerSettings(),
        seed: int = 0,
        earlier: EarlierTrials | None = None,
        fidelities: Fidelities = WHOLE,
    ) -> None:
        self._earlier, self._fidelities = earlier, fidelities
        super().__init__(space, settings, seed)

    def reward_again(self, reward: Callable[[Architecture], float]) -> None:
        """Gives all trials other rewards; see `GaussianProcess.reward_again`."""
        self.learner.reward_again(reward)

    def _made(self, config: ControllerConfig, seed: int) -> PolicyLearner:
        return ModelBasedLearner(self._space, config, [seed], [self._earlier], rungs=self._fidelities.rungs)

    def _rewards_of(self, trials: Sequence[Trial]) -> np.ndarray:
        return self._fidelities.rewards(trials)


def fixed_choices(space: SearchSpace[Any], first: int, n: int) -> np.ndarray:
    """`SearchSpace.fixed_choices` for learners, int32 [1, n, decisions]."""
    return space.fixed_choices(first, n)[np.newaxis]
