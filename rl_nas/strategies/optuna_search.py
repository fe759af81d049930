"""Base of strategies that ask a sampler of Optuna what to evaluate next, and tell it what came of it."""

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.trial import TrialState

from rl_nas.checkpoint import OutdatedStateError, State
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.trial import Trial
from rl_nas.waiting import Waiting

_TRIES = 100
"""Architectures to ask for until one is valid; the last one is proposed if none is."""

_ASK, _TELL = "ask", "tell"


class OptunaSearch(ABC):
    """Asks with a categorical parameter for each decision; failed children are left out of the sampler's estimates.

    Each question has a generator of its own, so that the sampler has no state beside the order of questions and
    answers, by which it is restored.

    Args:
        space: the space to search.
        seed: all randomness is a function of it.
        objectives: number of values to be maximized.
    """

    ASKS_INACTIVE: ClassVar[bool] = False
    """Whether inactive decisions have parameters too."""

    def __init__(self, space: SearchSpace[Any], seed: int = 0, objectives: int = 1) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._seed = space, seed
        self._study = optuna.create_study(directions=[StudyDirection.MAXIMIZE] * objectives)
        self._asked: list[tuple[Architecture, optuna.Trial]] = []
        self._waiting = Waiting[int]()  # with the number of its question
        self._log: list[list[Any]] = []
        self._proposed = 0

    @abstractmethod
    def _begin(self, known: Mapping[str, int], seed: int) -> optuna.Trial:
        """A trial with the known choices, by decision, a function of the seed and of what was asked and told."""

    def _values(self, trial: Trial) -> Sequence[float]:
        """What is to be maximized; a failed trial has values that are no finite numbers."""
        return [math.nan if trial.reward is None else trial.reward]

    def _known(self, fixed: Mapping[int, int]) -> Mapping[int, int]:
        """The choices that the sampler does not make in the next question."""
        return fixed

    def _repeats(self, known: Mapping[int, int], architecture: Architecture) -> Mapping[int, int]:
        """The known choices by which a restored sampler comes to the same architecture."""
        return known

    def propose(self, n: int) -> list[Architecture]:
        """The next `n` architectures."""
        return [self._next() for _ in range(n)]

    def observe(self, trials: Sequence[Trial]) -> None:
        """Tells the sampler what is maximized."""
        for trial in sorted(trials, key=lambda trial: trial.index):
            number = self._waiting.take(trial.architecture)
            if number is None:  # another's proposal
                number = self._ask(dict(enumerate(trial.architecture)))
            values = [float(value) for value in self._values(trial)]
            self._tell(number, values if np.isfinite(values).all() else [])

    def withdraw(self, architectures: Sequence[Architecture]) -> None:
        """See `Withdrawing`; the sampler is told that they failed."""
        for architecture in architectures:
            number = self._waiting.withdraw(architecture)
            if number is not None:
                self._tell(number, [])

    def diagnostics(self) -> Mapping[str, float]:
        """No figures."""
        return {}

    def state(self) -> State:
        """See `Resumable`."""
        return {"log": self._log, "waiting": self._waiting.entries(), "proposed": self._proposed}

    def restore(self, state: State) -> None:
        """See `Resumable`; raises `OutdatedStateError` for a state of earlier versions."""
        if "log" not in state:
            raise OutdatedStateError
        for kind, *content in state["log"]:
            if kind == _ASK:
                self._ask(dict(map(tuple, content)))
            else:
                self._tell(*content)
        self._waiting = Waiting(state["waiting"])
        self._proposed = state["proposed"]

    def _next(self) -> Architecture:
        fixed = self._space.fixed(self._proposed)
        self._proposed += 1
        for left in reversed(range(_TRIES)):
            number = self._ask(self._known(fixed))
            architecture, _ = self._asked[number]
            if not left or self._space.may_propose(self._space.decode(architecture)):
                break  # what is proposed is answered by its trial, even if it is the last of too many tries
            self._tell(number, [])
        self._waiting.add(architecture, number)
        return architecture

    def _ask(self, known: Mapping[int, int]) -> int:
        """Asks for an architecture with some known choices; returns the number of the question."""
        number = len(self._asked)
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            asked = self._begin({self._space.decisions[place].name: choice for place, choice in known.items()}, seed)
        choices: list[int] = []
        for place, decision in enumerate(self._space.decisions):
            active = self._space.is_active(place, choices)
            if active or self.ASKS_INACTIVE:
                choice = asked.suggest_categorical(decision.name, range(len(decision.choices)))
            choices.append(choice if active else 0)
        self._asked.append((tuple(choices), asked))
        self._log.append([_ASK, *map(list, self._repeats(known, tuple(choices)).items())])
        return number

    def _tell(self, number: int, values: Sequence[float]) -> None:
        """Answers a question; without values, it has failed."""
        _, asked = self._asked[number]
        if values:
            self._study.tell(asked, list(values))
        else:
            self._study.tell(asked, state=TrialState.FAIL)
        self._log.append([_TELL, number, list(values)])
