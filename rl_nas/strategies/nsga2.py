"""NSGA-II (Deb et al. 2002), by Optuna: evolution of a front of several objectives."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import NSGAIISampler, PartialFixedSampler
from optuna.study import StudyDirection
from optuna.trial import TrialState

from rl_nas.checkpoint import State
from rl_nas.objectives import Objectives
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.trial import Trial

_TRIES = 100
"""Architectures to ask for until one is valid."""

_ASK, _TELL = "ask", "tell"


class NSGA2:
    """Asks Optuna's sampler, with a categorical parameter for each decision, and tells it the objectives.

    Inactive decisions have genes too, which come into effect when a crossover makes them active. The first population
    is drawn from the space. Failed children are left out of the populations. Each question has a generator of its own,
    so that the sampler has no state beside the order of questions and answers, by which it is restored.

    Args:
        space: the space to search.
        population: networks of a generation; 2 at least.
        seed: all randomness is a function of it.
        objectives: to be maximized together; None: the reward alone.
    """

    def __init__(
        self, space: SearchSpace[Any], population: int, seed: int = 0, objectives: Objectives | None = None
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._population, self._seed, self._objectives = space, max(2, population), seed, objectives
        count = 1 if objectives is None else len(objectives.names)
        self._study = optuna.create_study(directions=[StudyDirection.MAXIMIZE] * count)
        self._asked: list[optuna.Trial] = []
        self._waiting: list[tuple[Architecture, int]] = []  # with the numbers of their questions
        self._log: list[list[Any]] = []
        self._proposed = 0

    def propose(self, n: int) -> list[Architecture]:
        """The next `n` architectures."""
        return [self._next() for _ in range(n)]

    def observe(self, trials: Sequence[Trial]) -> None:
        """Tells the sampler the objectives."""
        for trial in sorted(trials, key=lambda trial: trial.index):
            number = next(
                (number for architecture, number in self._waiting if architecture == trial.architecture), None
            )
            if number is None:  # another's proposal
                number = self._ask(dict(enumerate(trial.architecture)))
            else:
                self._waiting.remove((trial.architecture, number))
            values = self._values(trial)
            self._tell(number, values.tolist() if np.isfinite(values).all() else [])

    def diagnostics(self) -> Mapping[str, float]:
        """No figures."""
        return {}

    def state(self) -> State:
        """See `Resumable`."""
        return {"log": self._log, "waiting": [list(pair) for pair in self._waiting], "proposed": self._proposed}

    def restore(self, state: State) -> None:
        """See `Resumable`."""
        for kind, *content in state["log"]:
            if kind == _ASK:
                self._ask(dict(map(tuple, content)))
            else:
                self._tell(*content)
        self._waiting = [(tuple(architecture), number) for architecture, number in state["waiting"]]
        self._proposed = state["proposed"]

    def _values(self, trial: Trial) -> np.ndarray:
        if self._objectives is None:
            return np.array([np.nan if trial.reward is None else trial.reward])
        return np.full(1, np.nan) if trial.measurement is None else self._objectives.values(trial.measurement)

    def _next(self) -> Architecture:
        fixed = self._space.fixed(self._proposed)
        self._proposed += 1
        for _ in range(_TRIES):
            known = fixed
            if len(self._asked) < self._population:
                rng = np.random.default_rng([self._seed, len(self._asked)])
                known = dict(enumerate(self._space.sample(rng, fixed)))
            number = self._ask(known)
            architecture = self._architecture(self._genes(number))
            if self._space.may_propose(self._space.decode(architecture)):
                break
            self._tell(number, [])
        self._waiting.append((architecture, number))
        return architecture

    def _ask(self, known: Mapping[int, int]) -> int:
        """Asks for an architecture with some known choices; returns the number of the question."""
        number, decisions = len(self._asked), self._space.decisions
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            sampler = NSGAIISampler(population_size=self._population, seed=seed)
            # A trial whose choices are all enqueued would be of no generation.
            fixed = {decisions[place].name: choice for place, choice in known.items()}
            self._study.sampler = PartialFixedSampler(fixed, sampler)
        asked = self._study.ask()
        for decision in decisions:
            asked.suggest_categorical(decision.name, range(len(decision.choices)))
        self._asked.append(asked)
        self._log.append([_ASK, *map(list, known.items())])
        return number

    def _genes(self, number: int) -> list[int]:
        chosen = self._asked[number].params
        return [chosen[decision.name] for decision in self._space.decisions]

    def _architecture(self, genes: Sequence[int]) -> Architecture:
        choices: list[int] = []
        for place, gene in enumerate(genes):
            choices.append(gene if self._space.is_active(place, choices) else 0)
        return tuple(choices)

    def _tell(self, number: int, values: Sequence[float]) -> None:
        """Answers a question; without values, it has failed."""
        if values:
            self._study.tell(self._asked[number], list(values))
        else:
            self._study.tell(self._asked[number], state=TrialState.FAIL)
        self._log.append([_TELL, number, list(values)])
