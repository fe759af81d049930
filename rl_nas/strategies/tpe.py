"""The tree-structured Parzen estimator (Bergstra et al. 2011), by Optuna."""

import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.trial import Trial

_TRIES = 100
"""Architectures to ask for until one is valid."""


class TPE:
    """Asks Optuna's TPE sampler, with a categorical parameter for each active decision, and tells it the rewards.

    The sampler is the multivariate one, with conditions (`group`), and takes what is on its way for bad
    (`constant_liar`), so that a batch is varied. It proposes networks again that it has met. A search goes on from its
    trials, which it shows the sampler again.

    Args:
        space: the space to search.
        seed: all randomness is a function of it.
    """

    def __init__(self, space: SearchSpace[Any], seed: int = 0) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        with warnings.catch_warnings(action="ignore", category=ExperimentalWarning):
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._asked: dict[Architecture, list[optuna.Trial]] = defaultdict(list)
        self._proposed = 0

    def propose(self, n: int) -> list[Architecture]:
        """The next `n` architectures."""
        return [self._ask() for _ in range(n)]

    def observe(self, trials: Sequence[Trial]) -> None:
        """Tells the sampler the rewards; it leaves failures out of its estimate."""
        for trial in sorted(trials, key=lambda trial: trial.index):
            failed = trial.reward is None
            if self._asked.get(trial.architecture):
                asked = self._asked[trial.architecture].pop()
                self._study.tell(asked, trial.reward, state=TrialState.FAIL if failed else None)
            elif not failed:
                self._study.add_trial(self._given(trial))

    def diagnostics(self) -> Mapping[str, float]:
        """No figures."""
        return {}

    def _ask(self) -> Architecture:
        fixed = self._space.fixed(self._proposed)
        self._proposed += 1
        for _ in range(_TRIES):
            asked = self._study.ask()
            architecture = self._suggested(asked, fixed)
            if self._space.is_valid(self._space.decode(architecture)):
                break
            self._study.tell(asked, state=TrialState.FAIL)
        self._asked[architecture].append(asked)
        return architecture

    def _suggested(self, asked: optuna.Trial, fixed: Mapping[int, int]) -> Architecture:
        choices: list[int] = []
        for number, decision in enumerate(self._space.decisions):
            if not self._space.is_active(number, choices):
                choices.append(0)
            elif number in fixed:
                choices.append(fixed[number])
            else:
                choices.append(asked.suggest_categorical(decision.name, range(len(decision.choices))))
        return tuple(choices)

    def _given(self, trial: Trial) -> optuna.trial.FrozenTrial:
        """A finished trial that was not asked for."""
        made = enumerate(zip(self._space.decisions, trial.architecture, strict=True))
        active = {d: choice for number, (d, choice) in made if self._space.is_active(number, trial.architecture)}
        return optuna.trial.create_trial(
            value=trial.reward,
            params={decision.name: choice for decision, choice in active.items()},
            distributions={d.name: CategoricalDistribution(range(len(d.choices))) for d in active},
        )
