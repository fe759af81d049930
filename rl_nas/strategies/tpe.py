"""The tree-structured Parzen estimator (Bergstra et al. 2011), by Optuna."""

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from rl_nas.checkpoint import State
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.trial import Trial

_TRIES = 100
"""Architectures to ask for until one is valid."""

_WAITING, _FAILED = "waiting", "failed"
"""Stand for the reward of one that has none yet, or never will."""


class TPE:
    """Asks Optuna's TPE sampler, with a categorical parameter for each active decision, and tells it the rewards.

    The sampler is the multivariate one, with conditions (`group`), and takes what is on its way for bad
    (`constant_liar`), so that a batch is varied. It proposes networks again that it has met. Each question has a
    generator of its own, so that the sampler has no state beside the trials.

    Args:
        space: the space to search.
        seed: all randomness is a function of it.
    """

    def __init__(self, space: SearchSpace[Any], seed: int = 0) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._seed = space, seed
        self._study = optuna.create_study(direction="maximize")
        self._trials: list[tuple[Architecture, float | str]] = []
        self._asked: list[optuna.Trial] = []
        self._proposed = 0

    def propose(self, n: int) -> list[Architecture]:
        """The next `n` architectures."""
        return [self._next() for _ in range(n)]

    def observe(self, trials: Sequence[Trial]) -> None:
        """Tells the sampler the rewards; it leaves failures out of its estimate."""
        for trial in sorted(trials, key=lambda trial: trial.index):
            waiting = (trial.architecture, _WAITING)
            if waiting not in self._trials:  # another's proposal
                self._ask(trial.architecture)
            reward = math.nan if trial.reward is None else trial.reward
            self._tell(self._trials.index(waiting), reward if math.isfinite(reward) else _FAILED)

    def diagnostics(self) -> Mapping[str, float]:
        """No figures."""
        return {}

    def state(self) -> State:
        """See `Resumable`."""
        return {"trials": self._trials, "proposed": self._proposed}

    def restore(self, state: State) -> None:
        """See `Resumable`."""
        self._proposed = state["proposed"]
        for architecture, reward in state["trials"]:
            self._ask(tuple(architecture))
            if reward != _WAITING:
                self._tell(len(self._trials) - 1, reward)

    def _next(self) -> Architecture:
        fixed = self._space.fixed(self._proposed)
        self._proposed += 1
        for _ in range(_TRIES):
            architecture = self._ask(fixed=fixed)
            if self._space.may_propose(self._space.decode(architecture)):
                break
            self._tell(len(self._trials) - 1, _FAILED)
        return architecture

    def _ask(self, given: Architecture | None = None, fixed: Mapping[int, int] | None = None) -> Architecture:
        """Begins a trial: of the sampler's choice but for what is fixed, or of a given architecture."""
        known = fixed or {} if given is None else dict(enumerate(given))
        seed = np.random.SeedSequence([self._seed, len(self._trials)]).generate_state(1)
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            self._study.sampler = TPESampler(seed=int(seed[0]), multivariate=True, group=True, constant_liar=True)
        self._study.enqueue_trial({self._space.decisions[number].name: choice for number, choice in known.items()})
        asked, choices = self._study.ask(), list[int]()
        for number, decision in enumerate(self._space.decisions):
            active = self._space.is_active(number, choices)
            choices.append(asked.suggest_categorical(decision.name, range(len(decision.choices))) if active else 0)
        self._asked.append(asked)
        self._trials.append((tuple(choices), _WAITING))
        return tuple(choices)

    def _tell(self, number: int, reward: float | str) -> None:
        asked = self._asked[number]
        if isinstance(reward, str):
            self._study.tell(asked, state=TrialState.FAIL)
        else:
            self._study.tell(asked, reward)
        self._trials[number] = (self._trials[number][0], reward)
