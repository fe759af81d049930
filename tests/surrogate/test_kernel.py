"""The kernel: its gradient, its bounds, and what it does not see."""

import itertools

import numpy as np
import pytest

from rl_nas.bench.table import make_table
from rl_nas.spaces.dpc_space import dpc
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.surrogate.features import Features, Points
from rl_nas.surrogate.kernel import Distances, SumKernel

PLAIN = make_table("plain", np.array(list(itertools.product(range(3), repeat=4))), [["a", "b", "c"]] * 4, ["valid"],
                   np.zeros([81, 1])).space  # fmt: skip
SPACES = {"nasbench201": nasbench201, "dpc": lambda: dpc(3), "nas_rl": lambda: nas_rl(3), "plain": lambda: PLAIN}


@pytest.fixture(params=SPACES)
def kernel_and_points(request: pytest.FixtureRequest) -> tuple[SumKernel, Points]:
    space = SPACES[request.param]()
    rng, features = np.random.default_rng(1), Features(space)
    points = features.points(np.array([space.sample(rng) for _ in range(30)]))
    assert bool(points.subtrees) == (request.param != "plain")
    return SumKernel(features.sizes), points


def test_it_is_a_covariance(kernel_and_points: tuple[SumKernel, Points]) -> None:
    kernel, points = kernel_and_points
    parameters = kernel.prior(points).mean
    covariance = kernel(parameters, Distances.between(points, points)).astype(np.float64)
    np.testing.assert_allclose(covariance, covariance.T, rtol=1e-5)
    np.testing.assert_allclose(np.diag(covariance), kernel.variance(parameters), rtol=1e-5)
    assert np.linalg.eigvalsh(covariance).min() > -1e-4
    assert (covariance > 0).all()
    assert covariance.min() < 0.5 * kernel.variance(parameters)


def test_its_gradient_is_that_of_differences(kernel_and_points: tuple[SumKernel, Points]) -> None:
    kernel, points = kernel_and_points
    rng = np.random.default_rng(2)
    prior = kernel.prior(points)
    parameters = prior.mean + 0.3 * rng.normal(size=len(prior.mean))
    weights = rng.normal(size=(30, 30)).astype(np.float32)
    distances = Distances.between(points, points)
    gradient = kernel.gradient(parameters, distances, weights)
    assert gradient.shape == parameters.shape == prior.std.shape

    def weighed(values: np.ndarray) -> float:
        return float(np.vdot(weights.astype(np.float64), kernel(values, distances)))

    for number in range(len(parameters)):
        step = np.eye(len(parameters))[number] * 1e-3
        slope = (weighed(parameters + step) - weighed(parameters - step)) / 2e-3
        assert gradient[number] == pytest.approx(slope, abs=2e-2 + 1e-2 * abs(slope))


def test_by_hand() -> None:
    features = Features(PLAIN)
    kernel, points = SumKernel(features.sizes), features.points(np.array([[0, 0, 0, 0], [0, 1, 0, 2]]))
    parameters = np.log([2.0, 0.1, 0.2, 0.3, 0.4])  # the variance, and a rate for each decision
    covariance = kernel(parameters, Distances.between(points, points))
    np.testing.assert_allclose(covariance, 2 * np.exp([[0, -0.6], [-0.6, 0]]), rtol=1e-6)


def test_graphs_do_not_tell_choices_without_effect() -> None:
    """Two cells that differ on an edge that no path uses have the same subtrees, but other choices."""
    names = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
    space = nasbench201()
    cells = [[3, 0, 0, 4, 0, 2], [1, 0, 0, 4, 0, 2], [3, 0, 0, 2, 0, 2]]  # node 2 is cut off: 0-1 leads nowhere
    assert [decision.choices for decision in space.decisions] == [names] * 6
    points = Features(space).points(np.array(cells))
    for counts in points.subtrees:
        assert (counts.values[0] == counts.values[1]).all()
        assert (counts.values[0] != counts.values[2]).any()
    assert (points.choices[0] != points.choices[1]).sum() == 2


def test_features_that_were_computed_before_are_the_same() -> None:
    space, rng = nasbench201(), np.random.default_rng(0)
    tokens = np.array([space.sample(rng) for _ in range(50)] * 2)
    features = Features(space)
    first, again = features.points(tokens), features.points(tokens[::-1])
    for one, other in zip(first.subtrees, again.subtrees, strict=True):
        assert (one.values == other.values[::-1]).all()
        np.testing.assert_allclose(one.squares, (one.values**2).sum(axis=1))
