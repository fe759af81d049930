"""The tree-structured Parzen estimator (Bergstra et al. 2011), by Optuna."""

from collections.abc import Mapping

import optuna
from optuna.samplers import TPESampler

from rl_nas.spaces.decisions import Architecture
from rl_nas.strategies.optuna_search import OptunaSearch


class TPE(OptunaSearch):
    """Optuna's TPE sampler: the multivariate one, with conditions (`group`).

    It takes what is on its way for bad (`constant_liar`), so that a batch is varied. It proposes networks again that it
    has met.
    """

    def _begin(self, known: Mapping[str, int], seed: int) -> optuna.Trial:
        # With groups a partial fixed sampler has no effect.
        self._study.sampler = TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
        self._study.enqueue_trial(dict(known))
        return self._study.ask()

    def _repeats(self, known: Mapping[int, int], architecture: Architecture) -> Mapping[int, int]:
        # Its estimate knows the trials alone, so that nothing need be sampled again.
        return dict(enumerate(architecture))
