"""The Gaussian process against linear algebra done another way, and its evidence."""

import itertools

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from rl_nas.bench.table import Table, make_table
from rl_nas.spaces.nasbench201 import EDGES, NASBENCH201_OPERATIONS, EdgeCell, nasbench201
from rl_nas.store.states import pack, unpack
from rl_nas.surrogate.gaussian_process import GaussianProcess
from rl_nas.surrogate.kernel import Prior
from rl_nas.surrogate.scores import normal_scores


@pytest.fixture(scope="module")
def cells() -> np.ndarray:
    space, rng = nasbench201(), np.random.default_rng(0)
    return np.array([space.sample(rng) for _ in range(120)], np.int32)


def model_of(tokens: np.ndarray, rewards: np.ndarray, memory: int = 1000) -> GaussianProcess:
    model = GaussianProcess(nasbench201(), memory)
    model.observe(tokens, rewards)
    return model


def convolutions(tokens: np.ndarray) -> np.ndarray:
    """A reward of the graph: 3x3 convolutions on paths from input to output."""
    cells = [EdgeCell(tuple(NASBENCH201_OPERATIONS[op] for op in row)) for row in tokens]
    return np.array([cell.graph().labels.count("nor_conv_3x3") for cell in cells], float)


def test_beliefs_are_those_of_the_textbook(cells: np.ndarray) -> None:
    """Rasmussen and Williams 2006, equations 2.23 and 2.24, by an inverse."""
    rewards = np.random.default_rng(1).normal(size=40)
    model = model_of(cells[:40], rewards)
    beliefs = model.posterior(cells[40:])
    points = model.features.points(cells)
    prior = model.covariance(points, points).astype(np.float64)
    inverse = np.linalg.inv(prior[:40, :40] + model.noise * np.eye(40))
    np.testing.assert_allclose(beliefs.mean, prior[40:, :40] @ inverse @ normal_scores(rewards), atol=1e-3)
    variance = np.diag(prior[40:, 40:] - prior[40:, :40] @ inverse @ prior[:40, 40:])
    np.testing.assert_allclose(beliefs.variance, variance, atol=1e-3)
    assert (beliefs.variance <= model.prior_variance + 1e-5).all()


def test_the_loss_is_evidence_and_prior_and_its_gradient_fits(cells: np.ndarray) -> None:
    rewards = np.random.default_rng(1).normal(size=30)
    model = model_of(cells[:30], rewards)
    model.posterior(cells[:1])
    points, scores = model.features.points(cells[:30]), normal_scores(rewards)
    of_kernel = model._kernel.prior(points)
    prior = Prior(np.append(of_kernel.mean, -3.0), np.append(of_kernel.std, 1.0))
    from rl_nas.surrogate.kernel import Distances

    distances, rows = Distances.between(points, points), model._rows(model.rewards)
    rng = np.random.default_rng(2)

    def loss(parameters: np.ndarray) -> float:
        return model._loss(parameters, prior, distances, rows, scores)[0]

    def expected(parameters: np.ndarray) -> float:
        covariance = model._kernel(parameters[:-1], distances).astype(float) + np.eye(30) * np.exp(parameters[-1])
        evidence = multivariate_normal.logpdf(scores, cov=covariance)
        deviations = (parameters - prior.mean) / prior.std
        return float(-evidence + deviations @ deviations / 2)

    first, second = (prior.mean + 0.5 * rng.normal(size=len(prior.mean)) for _ in range(2))
    assert loss(first) - loss(second) == pytest.approx(expected(first) - expected(second), abs=1e-2)
    gradient = model._loss(first, prior, distances, rows, scores)[1]
    for number in range(len(first)):
        step = np.eye(len(first))[number] * 1e-2
        assert gradient[number] == pytest.approx((loss(first + step) - loss(first - step)) / 2e-2, abs=2e-2)


def test_the_evidence_finds_what_rewards_depend_on(cells: np.ndarray) -> None:
    """Of rewards of the graph the graph's variance is the larger one, of one decision that one's rate."""
    of_graph = model_of(cells, convolutions(cells))
    of_graph.posterior(cells[:1])
    graph, choices = of_graph._parameters[0], of_graph._parameters[3]
    assert graph > choices + 1
    rng = np.random.default_rng(3)
    one = model_of(cells, np.array([0.0, 3.0, 1.0, 2.0, -1.0])[cells[:, 2]] + 0.01 * rng.normal(size=len(cells)))
    one.posterior(cells[:1])
    rates = one._parameters[4:-1]
    assert one._parameters[3] > one._parameters[0]
    assert rates[2] == rates.max() > np.delete(rates, 2).max() + 1


def test_it_predicts_what_it_has_not_seen(cells: np.ndarray) -> None:
    rewards = convolutions(cells)
    beliefs = model_of(cells[:80], rewards[:80]).posterior(cells[80:])
    assert np.corrcoef(beliefs.mean, rewards[80:])[0, 1] > 0.9


@pytest.mark.parametrize(("noise", "lowest", "highest"), [(0.0, 0.0, 0.1), (0.7, 0.15, 0.8)])
def test_the_noise_is_estimated(noise: float, lowest: float, highest: float) -> None:
    """Rewards of the graph with noise of so much of their variance, 400 of them."""
    space, rng = nasbench201(), np.random.default_rng(5)
    tokens = np.array([space.sample(rng) for _ in range(400)])
    rewards = convolutions(tokens)
    rewards += rng.normal(size=400) * rewards.std() * np.sqrt(noise / (1 - noise))
    model = model_of(tokens, rewards)
    model.posterior(tokens[:1])
    assert lowest < model.noise < highest
    assert model.figures() == {"noise": model.noise}


def test_failures_are_worse_than_all_others(cells: np.ndarray) -> None:
    rewards = convolutions(cells)
    rewards[np.argsort(-rewards)[:5]] = -np.inf
    model = model_of(cells, rewards)
    beliefs = model.posterior(cells)
    assert beliefs.mean[np.isneginf(rewards)].mean() < np.median(beliefs.mean)
    assert np.isfinite(beliefs.mean).all()


def test_memory_keeps_the_best_and_the_latest(cells: np.ndarray) -> None:
    rewards = np.random.default_rng(0).permutation(100).astype(float)
    model = GaussianProcess(nasbench201(), 40)
    for first in range(0, 100, 5):
        model.observe(cells[first : first + 5], rewards[first : first + 5])
        assert len(model) <= 50
    assert {99.0, 98.0, 97.0} <= set(model.rewards[:, 0])
    assert (model.rewards[-20:, 0] == rewards[-20:]).all()


@pytest.mark.parametrize("batch", [15, 33, 64])
def test_a_batch_is_kept_however_large_it_is(cells: np.ndarray, batch: int) -> None:
    model, rng = GaussianProcess(nasbench201(), 20), np.random.default_rng(0)
    best = 0.0
    for _ in range(4):
        rewards = rng.normal(size=batch)
        model.observe(cells[rng.choice(len(cells), batch, replace=False)], rewards)
        best = max(best, rewards.max())
        assert (model.rewards[-batch:, 0] == rewards).all()
        assert model.rewards[:, 0].max() == best
        assert len(model) <= max(25, batch + 10)


def test_a_state_gives_the_same_beliefs_to_the_bit(cells: np.ndarray) -> None:
    rewards = np.random.default_rng(0).normal(size=100)
    model = model_of(cells[:30], rewards[:30])
    model.posterior(cells[:1])  # fits the parameters, which a few trials more do not change
    model.observe(cells[30:33], rewards[30:33])
    restored = GaussianProcess(nasbench201(), 1000)
    restored.restore(unpack(pack(model.state())))
    for each in (model, restored):
        each.observe(cells[33:34], rewards[33:34])
    for one, other in zip(model.posterior(cells)[1:], restored.posterior(cells)[1:], strict=True):
        assert (one == other).all()


@pytest.mark.parametrize("change", ["one reward less", "a choice that there is not"])
def test_a_state_that_contradicts_itself_is_refused(cells: np.ndarray, change: str) -> None:
    state = model_of(cells[:20], np.arange(20.0)).state()
    state |= (
        {"rewards": np.zeros([19, 1])} if change == "one reward less" else {"tokens": np.full([20, 6], 7, np.int16)}
    )
    with pytest.raises(ValueError, match="trials"):
        GaussianProcess(nasbench201(), 1000).restore(state)


def test_normal_scores_are_those_of_ranks() -> None:
    scores = normal_scores(np.array([3.0, -np.inf, 5.0, 3.0]))
    assert scores[0] == scores[3]
    np.testing.assert_allclose(scores, [0.0, -1.1503494, 1.1503494, 0.0], atol=1e-6)
    assert normal_scores(np.zeros(0)).shape == (0,)


def test_tables_have_graphs_where_their_decisions_are_edges() -> None:
    ops = np.array(list(itertools.product(range(2), repeat=6)))

    def table(names: list[str], edges: tuple[tuple[int, int], ...] = ()) -> Table:
        return make_table("small", ops, [names] * 6, ["valid"], np.zeros([64, 1]), edges)

    known, own, plain = table(["none", "nor_conv_3x3"]), table(["zeroize", "mine"], EDGES), table(["a", "b"])
    for space in (known.space, own.space):
        assert GaussianProcess(space, 10).features.has_graphs
        assert len(space.decode((1,) * 6).graph().labels) == 8
        assert len(space.decode((1, 0, 0, 0, 0, 0)).graph().labels) == 1
    assert not GaussianProcess(plain.space, 10).features.has_graphs
