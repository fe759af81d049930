"""Results of a longer training of cells, beside their proxy in the search, as text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rl_nas.evaluation.retraining import FOUND, RANDOM, Retrained, agreement, of_kind, ranked, spread
from rl_nas.metrics import metrics_of, quality_of
from rl_nas.report.tables import aligned, counted, figure_text, measured_text

_HEADS = ("network", "proxy", "held out", "test", "parameters", "multiply-adds", "seconds")
_COLUMNS = (("<", 6), ("<", 15), ("<", 15), (">", 10), (">", 13), (">", 7))
"""Alignment and least width of all but the first column."""


def second_stage_text(document: dict[str, Any], run: Path) -> str:
    """A table, best first, the rank correlation of proxy and longer training, and the files.

    Args:
        document: the content of then.json.
        run: folder of the search.
    """
    retrained = [Retrained(**one) for one in document["compared"]]
    finished = ranked(retrained)
    failed = [one.name for one in retrained if not one.results]
    width = max(len(one.name) for one in retrained)
    seeds = max(len(one.results) for one in retrained)
    first = finished[0].results[0]
    lines = [
        f"Trained longer, {first['epochs']} epochs of {first['train']['images']:,} images, {seeds} seed"
        f"{'s' if seeds > 1 else ''} each (mean ± deviation of one training):",
        *aligned([_HEADS, *map(_row, finished)], [("<", width), *_COLUMNS]),
        *(f"{name:{width}}  failed" for name in failed),
        _images(first),
        "",
        *_groups(finished),
        _correlation(finished),
    ]
    lines += ["", f"all trainings  {run / 'then'}"]
    if document["full"]:
        lines += _full(document["full"], run)
    return "\n".join(lines)


def _row(one: Retrained) -> list[str]:
    network = one.results[0]["network"]
    return [
        one.name,
        f"{'-':>6}" if one.proxy is None else f"{one.proxy:.4f}",
        _measured(one, "valid"),
        _measured(one, "final_test"),
        f"{network['trainable_parameters']:,}",
        f"{network['multiply_adds']:,}",
        f"{one.seconds:,.0f}",
    ]


def _measured(one: Retrained, part: str) -> str:
    """The mean quality and its deviation; of few images with the 95% interval that they leave an accuracy."""
    qualities, measured = one.qualities(part), next((done[part] for done in one.results if done[part]), None)
    if measured is None:
        return "-"
    name = quality_of(metrics_of(measured)).name
    _, space, interval = figure_text(name, float(np.mean(qualities)), measured["images"]).partition(" ")
    return f"{_spread(qualities)}{space}{interval}"


def _images(results: dict[str, Any]) -> str:
    """On which images the columns of the table were measured."""
    told = []
    for column, part in (("held out", "valid"), ("test", "final_test")):
        if measured := results[part]:
            split = "" if measured["split"] == "valid" else f" of split {measured['split']}"
            told.append(f"{column}: {measured['images']:,} images{split}")
    return "; ".join([*told, "proxy: the reward in the search"])


def _spread(values: Sequence[float]) -> str:
    found = spread(values)
    if found is None:
        return "-"
    return f"{found.mean:.4f}" + ("" if found.deviation is None else f" ± {found.deviation:.4f}")


def _groups(finished: Sequence[Retrained]) -> list[str]:
    """Means over the found cells and over the random ones, if there are both."""
    lines = []
    for kind, words in ((FOUND, "found cell"), (RANDOM, "random cell")):
        qualities = [one.quality for one in of_kind(finished, kind)]
        if qualities:
            lines.append(f"mean of the {counted(len(qualities), words)}: {_spread(qualities)} on the held-out images")
    return lines if len(lines) > 1 else []


def _correlation(finished: Sequence[Retrained]) -> str:
    found = agreement(finished)
    if found is None:
        return "rank correlation of proxy and longer training: needs at least three found cells"
    return f"rank correlation (Spearman) of proxy and longer training: {found.spearman:.2f} over {found.cells} cells"


def _full(full: dict[str, Any], run: Path) -> list[str]:
    """Where the model of the full training is, and what it is worth."""
    results, folder = full["results"], run / full["folder"]
    if not results:
        return ["", f"Full training: {full['name']} failed; see the lines above"]
    text, final = f"Full training: {full['name']}, {results['epochs']} epochs", results["final_test"]
    if final:
        name, value = quality_of(metrics_of(final))
        text += f", {measured_text(name, value, final['images'])} on {final['images']:,} images of split"
        text += f" {final['split']}: final"
    return [
        f"trained model  {folder / 'model.keras'}",
        f"export it      rl_nas export --model={folder} --out=exported",
        "",
        text,
    ]
