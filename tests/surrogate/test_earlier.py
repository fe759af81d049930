"""Trials of an earlier search as prior knowledge: worth much where they agree, and harmless where they do not."""

import numpy as np
from gradients import check_gradient

from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.statistics import spearman
from rl_nas.store.states import pack, unpack
from rl_nas.strategies.gaussian_process import GaussianProcessSearch
from rl_nas.surrogate.earlier import EarlierTrials
from rl_nas.surrogate.gaussian_process import GaussianProcess
from rl_nas.trial import Measurement, Trial, TrialState

SPACE = nasbench201()
RNG = np.random.default_rng(0)
CELLS = np.unique([SPACE.sample(RNG) for _ in range(500)], axis=0)[RNG.permutation(400)]
WEIGHTS = RNG.normal(size=(6, 5))
TRUTH = np.array([sum(WEIGHTS[place, choice] for place, choice in enumerate(cell)) for cell in CELLS])
EARLIER, NEW, OTHERS = slice(0, 100), slice(100, 125), slice(125, 400)


def model(earlier: np.ndarray | None) -> GaussianProcess:
    trials = None if earlier is None else EarlierTrials(CELLS[EARLIER], earlier)
    made = GaussianProcess(SPACE, 1000, earlier=trials)
    made.observe(CELLS[NEW], TRUTH[NEW])
    return made


def quality(made: GaussianProcess) -> float:
    """Rank correlation of means and truth of architectures that have no trial."""
    return spearman(made.posterior(CELLS[OTHERS]).mean, TRUTH[OTHERS])


def test_trials_that_agree_help_and_others_are_found_out() -> None:
    without = quality(model(None))
    agreeing = model(np.exp(TRUTH[EARLIER]) + 3)  # of another scale
    assert quality(agreeing) > without + 0.1
    assert agreeing.figures()["prior_agreement"] > 0.7
    permuted = model(np.random.default_rng(1).permutation(TRUTH[EARLIER]))
    opposite = model(-TRUTH[EARLIER])
    assert min(quality(permuted), quality(opposite)) > without - 0.1
    assert opposite.figures()["prior_agreement"] < 0.3
    assert "prior_agreement" not in model(None).figures()


def test_the_gradient_is_that_of_differences() -> None:
    made = model(TRUTH[EARLIER])
    check_gradient(made)


def test_a_search_knows_the_earlier_trials_from_its_first_proposal() -> None:
    trials = EarlierTrials(CELLS[EARLIER], TRUTH[EARLIER])
    first = GaussianProcessSearch(SPACE, 0, trials).propose(5)
    mean = np.mean([sum(WEIGHTS[place, choice] for place, choice in enumerate(cell)) for cell in first])
    assert mean > np.quantile(TRUTH, 0.95)


def test_a_state_continues_the_search() -> None:
    def fresh() -> GaussianProcessSearch:
        return GaussianProcessSearch(SPACE, 3, EarlierTrials(CELLS[EARLIER], TRUTH[EARLIER]))

    whole, restored = fresh(), fresh()
    for batch in range(3):
        proposed = whole.propose(4)
        assert restored.propose(4) == proposed
        rewards = [float(sum(cell)) for cell in proposed]
        pairs = enumerate(zip(proposed, rewards, strict=True), 4 * batch)
        whole.observe([Trial(i, cell, TrialState.OK, reward, Measurement(reward)) for i, (cell, reward) in pairs])
        restored = fresh()
        restored.restore(unpack(pack(whole.state())))


def test_the_best_half_and_the_first_of_many_trials_are_kept() -> None:
    rewards = np.arange(10.0)
    kept = EarlierTrials(np.arange(10)[:, np.newaxis], rewards).thinned(6)
    assert kept.rewards.tolist() == [0, 1, 2, 7, 8, 9]
    assert kept.tokens[:, 0].tolist() == kept.rewards.tolist()
