"""How the ranking of proxies is told."""

import json

import numpy as np
import pytest

from rl_nas.evaluation.proxy_ranking import Proxy, rank
from rl_nas.report.proxy_text import proxy_json, proxy_text
from rl_nas.statistics import correlation, kendall, spearman

FULL = Proxy("full", (0.5, 0.6, 0.7, 0.8, None), 10.0)
SAME = Proxy("epochs=1", (0.1, 0.2, 0.3, 0.4, 0.9), 2.0)
BACKWARDS = Proxy("filters=1", (4.0, 3.0, 2.0, None, 0.0), 0.5)


def test_kendall_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    for size in (3, 10, 40):
        one, other = rng.integers(0, size, size), rng.integers(0, size, size)
        assert kendall(one, other) == pytest.approx(stats.kendalltau(one, other).statistic, nan_ok=True)
    assert np.isnan(kendall(np.ones(4), np.arange(4.0)))


def test_intervals_hold_the_correlation_of_the_population() -> None:
    """95 % of samples should; with 60 of them at least 50 do but once in ten thousand times."""
    rng = np.random.default_rng(1)
    covariance = [[1.0, 0.7], [0.7, 1.0]]
    expected = 6 / np.pi * np.arcsin(0.7 / 2)  # Spearman's of a normal distribution
    held = 0
    for _ in range(60):
        one, other = rng.multivariate_normal([0, 0], covariance, size=60).T
        found = correlation(one, other, spearman)
        assert found.low <= found.value <= found.high
        held += found.low <= expected <= found.high
    assert held >= 50


def test_the_cheapest_good_proxy_is_named() -> None:
    rankings = [rank(proxy, FULL) for proxy in (SAME, BACKWARDS)]
    text = proxy_text(FULL, rankings, 0.9)
    assert text.splitlines()[-1].startswith(
        "Cheapest with a Spearman correlation of 0.9: epochs=1, 0.200 of the cost (1.00)"
    )
    assert len(text.splitlines()) == 5
    assert len({len(line) for line in text.splitlines()[2:4]}) == 1
    document = json.loads(json.dumps(proxy_json(FULL, rankings, 0.9)))
    assert document["cheapest"] == "epochs=1"
    assert document["proxies"][0]["spearman"]["value"] == 1
    assert "No cheaper proxy" in proxy_text(FULL, rankings[1:], 0.9)
