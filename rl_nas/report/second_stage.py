"""Results of a longer training of cells, beside their proxy in the search, as text."""

from collections.abc import Sequence
from typing import Any

from rl_nas.evaluation.retraining import FOUND, RANDOM, Retrained, agreement, of_kind, ranked, spread
from rl_nas.metrics import metrics_of, quality_of


def second_stage_text(document: dict[str, Any]) -> str:
    """A table, best first, and the rank correlation of proxy and longer training.

    Args:
        document: the content of then.json.
    """
    retrained = [Retrained(**one) for one in document["compared"]]
    finished = ranked(retrained)
    width = max(len(one.name) for one in retrained)
    seeds = max(len(one.results) for one in retrained)
    first = finished[0].results[0]
    lines = [
        f"Trained longer, {first['epochs']} epochs of {first['train']['images']:,} images, {seeds} seed"
        f"{'s' if seeds > 1 else ''} each (mean ± deviation of one training):",
        f"{'network':{width}}  proxy   held out         test             parameters  multiply-adds  seconds",
        *(_row(one, width) for one in finished),
        *(f"{one.name:{width}}  failed" for one in retrained if not one.results),
        "",
        *_groups(finished),
        _correlation(finished),
    ]
    if document["full"] and document["full"]["results"]:
        lines.append(_full(document["full"]["name"], document["full"]["results"]))
    return "\n".join(lines)


def _row(one: Retrained, width: int) -> str:
    network = one.results[0]["network"]
    proxy = "     -" if one.proxy is None else f"{one.proxy:.4f}"
    return (
        f"{one.name:{width}}  {proxy}  {_spread(one.qualities('valid'))}"
        f"  {_spread(one.qualities('final_test'))}  {network['trainable_parameters']:10,}"
        f"  {network['multiply_adds']:13,}  {one.seconds:7,.0f}"
    )


def _spread(values: Sequence[float]) -> str:
    found = spread(values)
    if found is None:
        return f"{'-':15}"
    deviation = "" if found.deviation is None else f" ± {found.deviation:.4f}"
    return f"{found.mean:.4f}{deviation:9}"


def _groups(finished: Sequence[Retrained]) -> list[str]:
    """Means over the found cells and over the random ones, if there are both."""
    lines = []
    for kind, words in ((FOUND, "found cells"), (RANDOM, "random cells")):
        qualities = [one.quality for one in of_kind(finished, kind)]
        if qualities:
            lines.append(f"mean of the {len(qualities)} {words}: {_spread(qualities).strip()} on the held-out images")
    return lines if len(lines) > 1 else []


def _correlation(finished: Sequence[Retrained]) -> str:
    found = agreement(finished)
    if found is None:
        return "rank correlation of proxy and longer training: needs at least three found cells"
    return f"rank correlation (Spearman) of proxy and longer training: {found.spearman:.2f} over {found.cells} cells"


def _full(name: str, results: dict[str, Any]) -> str:
    text, final = f"Full training: {name}, {results['epochs']} epochs", results["final_test"]
    if final:
        name, value = quality_of(metrics_of(final))
        text += f", {name} {value:.4f} on {final['images']:,} images of split {final['split']}: final"
    return text
