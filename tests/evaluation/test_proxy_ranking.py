"""How proxies rank, from known measurements."""

import numpy as np

from rl_nas.evaluation.proxy_ranking import Proxy, cheapest, rank

FULL = Proxy("full", (0.5, 0.6, 0.7, 0.8, None), 10.0)
SAME = Proxy("epochs=1", (0.1, 0.2, 0.3, 0.4, 0.9), 2.0)
BACKWARDS = Proxy("filters=1", (4.0, 3.0, 2.0, None, 0.0), 0.5)


def test_a_ranking_leaves_failed_networks_out() -> None:
    good, bad = rank(SAME, FULL), rank(BACKWARDS, FULL)
    assert (good.networks, good.cost, good.best_place) == (4, 0.2, 1)
    assert good.spearman.value == good.kendall.value == 1
    assert (bad.networks, bad.cost, bad.best_place) == (3, 0.05, 3)
    assert bad.spearman.value == bad.kendall.value == -1
    nothing = rank(Proxy("none", (None,) * 5, 0.0), FULL)
    assert nothing.networks == 0
    assert np.isnan(nothing.spearman.value)


def test_the_cheapest_proxy_that_is_good_enough_is_found() -> None:
    rankings = [rank(proxy, FULL) for proxy in (SAME, BACKWARDS)]
    assert cheapest(rankings, 0.9) is rankings[0]
    assert cheapest(rankings, -1) is rankings[1]
    assert cheapest(rankings[1:], 0.9) is None
