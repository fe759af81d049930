"""How well cheap proxies rank, as text."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rl_nas.bench.statistics import Correlation, correlation, kendall, spearman


@dataclass(frozen=True)
class Proxy:
    """What a way of measuring networks gave.

    Attributes:
        name: its flags that differ, or a score.
        values: accuracies or scores of the networks; None of those that failed.
        seconds: mean over the networks.
    """

    name: str
    values: tuple[float | None, ...]
    seconds: float


@dataclass(frozen=True)
class Ranking:
    """How a proxy ranks beside the full training.

    Attributes:
        name: of the proxy.
        networks: on which both succeeded.
        seconds: of a network.
        cost: share of the full training's seconds.
        kendall: tau-b.
        spearman: rho.
        best_place: place that the proxy's best network has in the full training, the first being 1.
    """

    name: str
    networks: int
    seconds: float
    cost: float
    kendall: Correlation
    spearman: Correlation
    best_place: int


def rank(proxy: Proxy, full: Proxy) -> Ranking:
    """Compares a proxy with the full training of the same networks."""
    pairs = [pair for pair in zip(proxy.values, full.values, strict=True) if None not in pair]
    cheap, whole = np.array(pairs, float).reshape(-1, 2).T
    place = 1 + int(np.sum(whole > whole[np.argmax(cheap)])) if pairs else 0
    return Ranking(
        name=proxy.name,
        networks=len(pairs),
        seconds=proxy.seconds,
        cost=proxy.seconds / full.seconds if full.seconds else math.nan,
        kendall=correlation(cheap, whole, kendall) if pairs else _NONE,
        spearman=correlation(cheap, whole, spearman) if pairs else _NONE,
        best_place=place,
    )


_NONE = Correlation(math.nan, math.nan, math.nan)


def cheapest(rankings: Sequence[Ranking], wanted: float) -> Ranking | None:
    """The cheapest proxy with at least the wanted Spearman correlation."""
    good = [ranking for ranking in rankings if ranking.spearman.value >= wanted and ranking.cost < 1]
    return min(good, key=lambda ranking: ranking.cost, default=None)


def proxy_json(full: Proxy, rankings: Sequence[Ranking], wanted: float) -> dict[str, Any]:
    """All figures."""
    found = cheapest(rankings, wanted)
    proxies = [{**asdict(r), "kendall": r.kendall._asdict(), "spearman": r.spearman._asdict()} for r in rankings]
    return {"full": asdict(full), "proxies": proxies, "wanted": wanted, "cheapest": found.name if found else None}


def proxy_text(full: Proxy, rankings: Sequence[Ranking], wanted: float) -> str:
    """A table, and which proxy to take."""
    width = max([len("full training"), *(len(ranking.name) for ranking in rankings)])
    correlations = f"{'Kendall (95%)':>20}  {'Spearman (95%)':>20}"
    head = f"{'proxy':{width}}  networks  s/network   cost  {correlations}  place of its best"
    succeeded = sum(value is not None for value in full.values)
    lines = [head, f"{'full training':{width}}  {succeeded:8}  {full.seconds:9.2f}  1.000"]
    for r in rankings:
        lines.append(
            f"{r.name:{width}}  {r.networks:8}  {r.seconds:9.2f}  {r.cost:5.3f}  {_interval(r.kendall):>20}"
            f"  {_interval(r.spearman):>20}  {r.best_place:17}"
        )
    return "\n".join([*lines, _advice(rankings, wanted)])


def _advice(rankings: Sequence[Ranking], wanted: float) -> str:
    found = cheapest(rankings, wanted)
    if found is None:
        return f"No cheaper proxy has a Spearman correlation of {wanted:g}."
    text = (
        f"Cheapest with a Spearman correlation of {wanted:g}: {found.name}, {found.cost:.3f} of the cost"
        f" ({found.spearman.value:.2f})."
    )
    if found.spearman.low < wanted:
        text += f" Its interval reaches down to {found.spearman.low:.2f}: more --trials would tell."
    return text


def _interval(found: Correlation) -> str:
    return f"{found.value:5.2f} [{found.low:5.2f}, {found.high:5.2f}]"
