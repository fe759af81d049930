"""The gradient of a model's loss against differences of it."""

import numpy as np
import pytest

from rl_nas.surrogate.gaussian_process import GaussianProcess
from rl_nas.surrogate.kernel import Distances


def check_gradient(model: GaussianProcess) -> None:
    """At parameters near those that the prior expects."""
    points = model._before.joined(model._points)
    prior, rows, scores = model._prior(points), model._rows(model.rewards), model._scores(np.arange(len(model)))
    distances = Distances.between(points, points)
    at = prior.mean + 0.3 * np.random.default_rng(2).standard_normal(len(prior.mean))
    _, gradient = model._loss(at, prior, distances, rows, scores)
    for place, step in enumerate(1e-3 * np.eye(len(at))):
        high, low = (model._loss(at + way * step, prior, distances, rows, scores)[0] for way in (1, -1))
        assert gradient[place] == pytest.approx((high - low) / 2e-3, rel=0.01, abs=0.02)
