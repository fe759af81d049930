"""How well cheap trainings rank networks: the table of a run of `rl_nas proxy`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rl_nas.evaluation.proxy_ranking import Proxy, Ranking
from rl_nas.report.page.table import Cell, Table, number, words
from rl_nas.report.proxy_text import advice
from rl_nas.statistics import Correlation


@dataclass(frozen=True)
class PageProxies:
    """A comparison of proxies, as its folder records it.

    Attributes:
        name: of the folder, as the user gave it.
        full: the full training.
        rankings: of the proxies, compared with it.
        wanted: Spearman correlation.
    """

    name: str
    full: Proxy
    rankings: Sequence[Ranking]
    wanted: float


def proxies_table(proxies: PageProxies) -> Table:
    """The proxies with their costs and rank correlations."""
    heads = ["proxy", "networks", "seconds a network", "cost", "Kendall (95%)", "Spearman (95%)", "place of its best"]
    full = proxies.full
    rows = [[words("full training"), number(full.succeeded, ",d"), number(full.seconds, ",.2f"), number(1.0, ".3f")]]
    rows[0] += [Cell("-")] * 3
    for one in proxies.rankings:
        costs = (number(one.networks, ",d"), number(one.seconds, ",.2f"), number(_known(one.cost), ".3f"))
        correlations = (_correlation(one.kendall), _correlation(one.spearman))
        rows.append([words(one.name), *costs, *correlations, number(one.best_place, ",d")])
    notes = [
        advice(proxies.rankings, proxies.wanted),
        "Rank correlations with the full training of the same random networks, with 95% intervals over these. The place"
        " is that which the proxy's best network has in full training.",
    ]
    return Table(f"Proxies: {proxies.name}", heads, rows, notes)


def _correlation(found: Correlation) -> Cell:
    return Cell("-") if math.isnan(found.value) else Cell(str(found), found.value)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
