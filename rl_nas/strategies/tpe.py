"""The tree-structured Parzen estimator (Bergstra et al. 2011), by Optuna."""

import math
from collections.abc import Mapping, Sequence

import optuna
from optuna.samplers import TPESampler

from rl_nas.spaces.decisions import Architecture
from rl_nas.strategies.optuna_search import OptunaSearch
from rl_nas.trial import Trial


class TPE(OptunaSearch):
    """Optuna's TPE sampler: the multivariate one, with conditions (`group`).

    It takes what is on its way for bad (`constant_liar`), so that a batch is varied. It proposes networks again that it
    has met.
    """

    def _begin(self, known: Mapping[int, int], seed: int) -> optuna.Trial:
        # With groups a partial fixed sampler has no effect.
        self._study.sampler = TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
        self._study.enqueue_trial({self._space.decisions[place].name: choice for place, choice in known.items()})
        return self._study.ask()

    def _repeats(self, known: Mapping[int, int], architecture: Architecture) -> Mapping[int, int]:
        # Its estimate knows the trials alone, so that nothing need be sampled again.
        return dict(enumerate(architecture))

    def _values(self, trial: Trial) -> Sequence[float]:
        return [math.nan if trial.reward is None else trial.reward]
