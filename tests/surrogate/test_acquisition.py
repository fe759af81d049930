"""Expected improvement against simulation, and its batches against a model that has seen them."""

import numpy as np
import pytest

from rl_nas.spaces.decisions import FREE
from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.surrogate.acquisition import choose_batch, expected_improvement
from rl_nas.surrogate.gaussian_process import GaussianProcess

ANY = np.full([1, 6], FREE)


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    space, rng = nasbench201(), np.random.default_rng(0)
    return np.unique([space.sample(rng) for _ in range(300)], axis=0).astype(np.int32)


@pytest.fixture
def model(cells: np.ndarray) -> GaussianProcess:
    model = GaussianProcess(nasbench201(), 1000)
    model.observe(cells[::6], (cells[::6] == 3).sum(axis=1) + np.random.default_rng(1).normal(size=len(cells[::6])))
    return model


def test_expected_improvement_is_the_mean_of_what_is_gained() -> None:
    draws = np.random.default_rng(0).normal(size=200_000)
    for mean, std, best in ((0.0, 1.0, 0.5), (1.0, 0.3, 0.5), (-1.0, 2.0, 1.0)):
        (found,) = expected_improvement(np.array([mean]), np.array([std**2]), best)
        assert found == pytest.approx(np.maximum(mean + std * draws - best, 0).mean(), abs=0.01)
    certain = expected_improvement(np.array([0.7, 0.2]), np.zeros(2), 0.5)
    np.testing.assert_allclose(certain, [0.2, 0.0], atol=1e-5)
    assert (expected_improvement(np.array([-50.0]), np.array([1.0]), 0.0) >= 0).all()


def test_the_first_has_the_largest_improvement_and_none_comes_twice(model: GaussianProcess, cells: np.ndarray) -> None:
    beliefs = model.posterior(cells)
    improvement = expected_improvement(beliefs.mean, beliefs.variance, float(model.posterior(model.tokens).mean.max()))
    chosen = choose_batch(model, cells, np.repeat(ANY, 20, axis=0), lambda tokens: True)
    assert (chosen[0] == cells[improvement.argmax()]).all()
    assert len({tuple(one) for one in chosen if one is not None}) == 20


def test_a_batch_is_that_of_a_model_that_has_seen_what_it_expects(model: GaussianProcess, cells: np.ndarray) -> None:
    """The second one maximizes the improvement with the variances of a process that knows the first."""
    first, second = choose_batch(model, cells, np.repeat(ANY, 2, axis=0), lambda tokens: True)
    assert first is not None
    known = np.concatenate([model.tokens, first[np.newaxis]])
    points, every = model.features.points(known), model.features.points(cells)
    prior = model.covariance(points, points).astype(float) + model.noise * np.eye(len(known))
    across = model.covariance(every, points).astype(float)
    variance = model.prior_variance - np.einsum("nk,kn->n", across, np.linalg.solve(prior, across.T))
    beliefs = model.posterior(cells)
    improvement = expected_improvement(beliefs.mean, variance, float(model.posterior(model.tokens).mean.max()))
    improvement[(cells == first).all(axis=1)] = -1
    assert (second == cells[improvement.argmax()]).all()


def test_what_waits_for_its_trial_counts_as_chosen(model: GaussianProcess, cells: np.ndarray) -> None:
    """A batch in two parts, of which the second is chosen while the first waits, is the whole batch."""
    fixed = np.repeat(ANY, 9, axis=0)
    whole = np.array(choose_batch(model, cells, fixed, lambda tokens: True))
    first = {tuple(tokens) for tokens in whole[:4]}
    rest = choose_batch(model, cells, fixed[4:], lambda tokens: tuple(tokens) not in first, whole[:4])
    np.testing.assert_array_equal(rest, whole[4:])


def test_what_is_fixed_or_known_is_heeded_and_nothing_left_is_told(model: GaussianProcess, cells: np.ndarray) -> None:
    fixed = np.full([4, 6], FREE)
    fixed[1, 2], fixed[3] = 4, cells[0]
    refused = tuple(cells[5])
    chosen = choose_batch(model, cells[:40], fixed, lambda tokens: tuple(tokens) != refused)
    assert chosen[1] is not None
    assert chosen[1][2] == 4
    assert refused not in {tuple(one) for one in chosen if one is not None}
    assert choose_batch(model, cells[:2], np.repeat(ANY, 3, axis=0), lambda tokens: True)[2] is None
    assert choose_batch(model, cells[:9], ANY, lambda tokens: False) == [None]
    assert choose_batch(model, cells[:0], ANY, lambda tokens: True) == [None]
