"""Rewards of shorter trainings in the model, against linear algebra done another way."""

import numpy as np
import pytest
from gradients import check_gradient
from scipy.stats import spearmanr

from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.store.states import pack, unpack
from rl_nas.surrogate.earlier import EarlierTrials
from rl_nas.surrogate.fidelities import correlations
from rl_nas.surrogate.gaussian_process import GaussianProcess
from rl_nas.surrogate.kernel import Distances
from rl_nas.surrogate.scores import latest, normal_scores, rung_scores

SPACE = nasbench201()
CELLS = np.unique([SPACE.sample(np.random.default_rng(seed)) for seed in range(400)], axis=0).astype(np.int32)
WEIGHTS = np.random.default_rng(7).normal(size=(6, 5))
TRUTH = WEIGHTS[np.arange(6), CELLS].sum(axis=1)
NAN = float("nan")


def shorter(noise: float, seed: int = 0) -> np.ndarray:
    """Rewards of shorter trainings: the truth and something else of the cells, on another scale."""
    other = np.random.default_rng(seed).normal(size=(6, 5))[np.arange(6), CELLS].sum(axis=1)
    return np.asarray(40 + 3 * (TRUTH + noise * other))


def model(rewards: np.ndarray, numbers: np.ndarray, earlier: EarlierTrials | None = None) -> GaussianProcess:
    made = GaussianProcess(SPACE, 1000, rungs=rewards.shape[1], earlier=earlier)
    made.observe(CELLS[numbers], rewards[numbers])
    return made


def two_rungs(noise: float, whole: int) -> np.ndarray:
    """Rewards at two rungs, of the second those of the cells that are best at the first."""
    low = shorter(noise)
    return np.stack([low, np.where(low >= np.sort(low)[-whole], TRUTH, NAN)], axis=1)


def test_scores_of_higher_rungs_are_those_of_the_same_children_below() -> None:
    rewards = np.array([[1.0, NAN, NAN], [2.0, 0.5, NAN], [3.0, 0.9, 7.0], [4.0, 0.9, 6.0], [5.0, 0.4, NAN]])
    scores = rung_scores(rewards)
    lowest = normal_scores(rewards[:, 0])
    np.testing.assert_allclose(scores[:, 0], lowest)
    equal = lowest[3:].mean()  # of rewards 0.9
    np.testing.assert_allclose(scores[1:, 1], [lowest[2], equal, equal, lowest[1]])
    np.testing.assert_allclose(scores[2:4, 2], [equal, equal])
    assert (np.isnan(scores) == np.isnan(rewards)).all()
    np.testing.assert_allclose(latest(scores), [scores[0, 0], scores[1, 1], equal, equal, scores[4, 1]])


def test_one_rung_is_what_it_was_without() -> None:
    rewards = np.random.default_rng(1).normal(size=50)
    np.testing.assert_array_equal(rung_scores(rewards[:, np.newaxis])[:, 0], normal_scores(rewards))


def test_correlations_are_products_along_the_rungs() -> None:
    logits = np.array([0.0, 1.0, 3.0])
    one = 1 / (1 + np.exp(-logits))
    found = correlations(logits)
    np.testing.assert_allclose(np.diag(found), 1)
    np.testing.assert_allclose(found[0], np.concatenate([[1], np.cumprod(one)]))
    np.testing.assert_allclose(found, found.T)
    assert np.linalg.eigvalsh(found).min() > 0


@pytest.mark.parametrize("prior", [False, True])
def test_beliefs_are_those_of_all_rewards_as_one_vector(prior: bool) -> None:
    """The textbook's equations on the covariances of every pair of rewards, each by itself."""
    rewards, numbers = two_rungs(0.5, 60), np.arange(60)
    earlier = EarlierTrials(CELLS[200:220], TRUTH[200:220]) if prior else None
    made = model(rewards, numbers, earlier)
    tokens = CELLS[80:90]
    beliefs = made.posterior(tokens)
    rows = [(cell, rung) for cell in range(60) for rung in (0, 1) if not np.isnan(rewards[cell, rung])]
    scores = rung_scores(rewards[numbers])
    assert made._parameters is not None
    factor, scale = (float(np.exp(made._parameters[-2])) if prior else 1.0), made.rung_correlations[0, 1]
    agree = made.figures().get("prior_agreement", 0.0)

    def kernel(one: int, other: int) -> float:
        points = made.features.points(CELLS[[one, other]])
        return float(made._kernel(made._of_kernel, Distances.between(points, points))[0, 1])

    def covariance(one: tuple[int, int], other: tuple[int, int]) -> float:
        """Of rewards of cells from 0 to 199, or of earlier ones from 200 on, without noise."""
        before = int(one[0] >= 200) + int(other[0] >= 200)
        among = 1.0 if one[1] == other[1] else scale
        offset = 1.0 if prior and not before else 0.0
        return (kernel(one[0], other[0]) * (1, agree * factor, factor**2)[before] + offset) * among

    rows = [(cell, 1) for cell in range(200, 220) if prior] + rows
    wanted = [(cell, 1) for cell in range(80, 90)]
    noise = [np.exp(made._parameters[-3]) if cell >= 200 else made.noise for cell, _ in rows]
    known = np.array([[covariance(one, other) for other in rows] for one in rows]) + np.diag(noise)
    between = np.array([[covariance(one, other) for other in rows] for one in wanted])
    values = [*(normal_scores(TRUTH[200:220]) if prior else []), *scores[~np.isnan(scores)]]
    np.testing.assert_allclose(beliefs.mean, between @ np.linalg.solve(known, values), atol=2e-2)
    variance = made.prior_variance - np.diag(between @ np.linalg.solve(known, between.T))
    np.testing.assert_allclose(beliefs.variance, variance, atol=2e-2)


@pytest.mark.parametrize("prior", [False, True])
def test_the_gradient_is_that_of_differences(prior: bool) -> None:
    low = shorter(0.5)
    rewards = np.stack([low, np.where(low > np.median(low), TRUTH, NAN), np.full(len(low), NAN)], axis=1)
    rewards[:10, 2] = rewards[:10, 1]
    made = model(rewards, np.arange(50), EarlierTrials(CELLS[200:220], TRUTH[200:220]) if prior else None)
    check_gradient(made)


def test_the_correlation_is_learned() -> None:
    """Of shorter trainings that agree with whole ones, and of others that do not."""
    numbers = np.arange(0, 200)
    agreeing = model(two_rungs(0.1, 100), numbers)
    other = model(two_rungs(3.0, 100), numbers)
    for made in (agreeing, other):
        made.settle()
    assert agreeing.figures()["rung_correlation/1"] > other.figures()["rung_correlation/1"] + 0.2
    assert set(GaussianProcess(SPACE, 10, rungs=3).figures()) == set()


def test_shorter_trainings_tell_of_what_was_not_trained_to_the_end() -> None:
    """A hundred short trainings beside 30 whole ones predict unseen cells better than these alone."""
    rewards, numbers, unseen = two_rungs(0.3, len(CELLS)), np.arange(130), np.arange(150, len(CELLS))
    rewards[30:, 1] = NAN
    with_short = model(rewards, numbers).posterior(CELLS[unseen]).mean
    alone = model(rewards[:, 1:], numbers[:30]).posterior(CELLS[unseen]).mean
    quality = [float(spearmanr(means, TRUTH[unseen]).statistic) for means in (with_short, alone)]
    assert quality[0] > quality[1] + 0.02


def test_a_state_keeps_the_rungs() -> None:
    made = model(two_rungs(0.5, 30), np.arange(60))
    made.settle()
    restored = GaussianProcess(SPACE, 1000, rungs=2)
    restored.restore(unpack(pack(made.state())))
    for one, other in zip(made.posterior(CELLS)[1:], restored.posterior(CELLS)[1:], strict=True):
        assert (one == other).all()
    with pytest.raises(ValueError, match="of 1 rungs"):
        GaussianProcess(SPACE, 1000).restore(made.state())
