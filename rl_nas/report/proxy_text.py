"""The ranking of proxies, as text and as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rl_nas.evaluation.proxy_ranking import Proxy, Ranking, cheapest
from rl_nas.statistics import Correlation


def proxy_json(full: Proxy, rankings: Sequence[Ranking], wanted: float) -> dict[str, Any]:
    """All figures as JSON values; None for correlations and costs that do not exist."""
    found = cheapest(rankings, wanted)
    proxies = [{**asdict(r), "kendall": r.kendall._asdict(), "spearman": r.spearman._asdict()} for r in rankings]
    known = [_known(one) for one in proxies]
    return {"full": asdict(full), "proxies": known, "wanted": wanted, "cheapest": found.name if found else None}


def proxy_text(full: Proxy, rankings: Sequence[Ranking], wanted: float) -> str:
    """A table, and the recommended proxy."""
    width = max([len("full training"), *(len(ranking.name) for ranking in rankings)])
    correlations = f"{'Kendall (95%)':>20}  {'Spearman (95%)':>20}"
    head = f"{'proxy':{width}}  networks  s/network   cost  {correlations}  place of its best"
    lines = [head, f"{'full training':{width}}  {full.succeeded:8}  {full.seconds:9.2f}  1.000"]
    for r in rankings:
        lines.append(
            f"{r.name:{width}}  {r.networks:8}  {r.seconds:9.2f}  {r.cost:5.3f}  {_interval(r.kendall):>20}"
            f"  {_interval(r.spearman):>20}  {r.best_place:17}"
        )
    return "\n".join([*lines, advice(rankings, wanted)])


def advice(rankings: Sequence[Ranking], wanted: float) -> str:
    """The proxy to use, in words."""
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


def _known(document: dict[str, Any]) -> dict[str, Any]:
    """A document with None in place of NaN, which JSON does not have."""
    return {
        name: _known(value) if isinstance(value, dict) else None if value != value else value
        for name, value in document.items()
    }


def _interval(found: Correlation) -> str:
    return f"{found.value:5.2f} [{found.low:5.2f}, {found.high:5.2f}]"
