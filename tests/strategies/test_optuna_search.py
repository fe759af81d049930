"""Strategies by Optuna where the sampler finds no network that may be proposed."""

from collections.abc import Callable
from dataclasses import replace

import optuna
import pytest
from classifying import measured

from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.store.states import pack, unpack
from rl_nas.strategies.optuna_search import OptunaSearch
from rl_nas.strategies.tpe import TPE
from rl_nas.trial import Failure, Trial, TrialState

NOTHING_FITS = replace(nasbench201(), is_affordable=lambda genotype: False)


def failed(index: int, architecture: tuple[int, ...]) -> Trial:
    return Trial(index, architecture, TrialState.NAN, 0.0, failures=(Failure(TrialState.NAN, "nan"),))


def rewarded(index: int, architecture: tuple[int, ...]) -> Trial:
    return Trial(index, architecture, TrialState.OK, 0.5, measured(0.5))


def test_no_question_is_left_open_when_it_learns_again_from_recorded_trials() -> None:
    """Open ones count as bad for the sampler, which spreads what is asked at once."""
    strategy = TPE(nasbench201(), 0)
    recorded = [rewarded(number, one) for number, one in enumerate(TPE(nasbench201(), 1).propose(12))]
    for first in range(0, 12, 4):
        strategy.withdraw(strategy.propose(4))
        strategy.observe(recorded[first : first + 4])
    waiting = strategy.propose(3)
    asked = strategy._study.get_trials(deepcopy=False)
    assert sum(one.state == optuna.trial.TrialState.RUNNING for one in asked) == len(waiting)
    assert sum(one.state == optuna.trial.TrialState.COMPLETE for one in asked) == 12


@pytest.mark.parametrize("outcome", [failed, rewarded])
def test_a_proposal_that_is_the_last_of_too_many_tries_is_answered_once(
    outcome: Callable[[int, tuple[int, ...]], Trial],
) -> None:
    """It is told to Optuna by its trial alone, which refuses a second answer; and a restored search goes on equally."""
    strategy: OptunaSearch = TPE(NOTHING_FITS, 0)
    (proposed,) = strategy.propose(1)
    strategy.observe([outcome(0, proposed)])
    restored = TPE(NOTHING_FITS, 0)
    restored.restore(unpack(pack(strategy.state())))
    assert restored.propose(2) == strategy.propose(2)
