"""What cells are worth after a longer training, beside what a search's proxy said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_nas.bench.statistics import spearman
from rl_nas.networks.genotypes import Genotype


@dataclass(frozen=True)
class Candidate:
    """A genotype to be trained longer.

    Attributes:
        name: `trial12`, `random0`, or a published one.
        genotype: the genotype.
        proxy: the search's reward, where it was searched.
    """

    name: str
    genotype: Genotype
    proxy: float | None


@dataclass(frozen=True)
class Retrained:
    """The trainings of a candidate.

    Attributes:
        name: the candidate's.
        proxy: the candidate's.
        results: the content of results.json, of every seed whose training did not fail.
    """

    name: str
    proxy: float | None
    results: list[dict[str, Any]]

    @property
    def accuracy(self) -> float:
        """Mean accuracy on the held-out images, by which candidates are ranked; on the test split if none are."""
        return float(np.mean(self.accuracies("valid") or self.accuracies("final_test")))

    def accuracies(self, measured: str) -> list[float]:
        """The accuracy of every seed, on `valid` or `final_test`, where it was measured."""
        return [one[measured]["accuracy"] for one in self.results if one[measured]]


def second_stage_text(document: dict[str, Any]) -> str:
    """A table, best first, and the rank correlation of proxy and longer training.

    Args:
        document: the content of then.json.
    """
    retrained = [Retrained(**one) for one in document["compared"]]
    finished = sorted((one for one in retrained if one.results), key=lambda one: -one.accuracy)
    width = max(len(one.name) for one in retrained)
    seeds = max(len(one.results) for one in retrained)
    first = finished[0].results[0]
    lines = [
        f"Trained longer, {first['epochs']} epochs of {first['train']['images']:,} images, {seeds} seed"
        f"{'s' if seeds > 1 else ''} each (mean ± deviation of one training):",
        f"{'network':{width}}  proxy   held out         test             parameters  multiply-adds  seconds",
    ]
    for one in finished:
        network = one.results[0]["network"]
        seconds = sum(result["seconds"] for result in one.results)
        lines.append(
            f"{one.name:{width}}  {_proxy(one.proxy)}  {_spread(one.accuracies('valid'))}"
            f"  {_spread(one.accuracies('final_test'))}  {network['trainable_parameters']:10,}"
            f"  {network['multiply_adds']:13,}  {seconds:7,.0f}"
        )
    lines += [f"{one.name:{width}}  failed" for one in retrained if not one.results]
    lines += ["", *_groups(finished), _correlation(finished)]
    if document["full"] and document["full"]["results"]:
        results = document["full"]["results"]
        final = results["final_test"]
        lines.append(f"In full: {document['full']['name']}, {results['epochs']} epochs")
        if final:
            lines[-1] += (
                f", accuracy {final['accuracy']:.4f} on {final['images']:,} images of split {final['split']}: final"
            )
    return "\n".join(lines)


def _proxy(value: float | None) -> str:
    return "     -" if value is None else f"{value:.4f}"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return f"{'-':15}"
    deviation = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{deviation:9}"


def _groups(finished: Sequence[Retrained]) -> list[str]:
    """Means over the found cells and over those of chance, where there are some of both."""
    lines = []
    for kind, words in (("trial", "found cells"), ("random", "cells of chance")):
        group = [one for one in finished if one.name.startswith(kind)]
        if group:
            accuracies = [one.accuracy for one in group]
            lines.append(f"mean of the {len(group)} {words}: {_spread(accuracies).strip()} on the held-out images")
    return lines if len(lines) > 1 else []


def _correlation(finished: Sequence[Retrained]) -> str:
    pairs = [(one.proxy, one.accuracy) for one in finished if one.proxy is not None]
    if len(pairs) < 3:
        return "rank correlation of proxy and longer training: needs three found cells at least"
    proxy, longer = np.array(pairs).T
    correlation = spearman(proxy, longer)
    return f"rank correlation (Spearman) of proxy and longer training: {correlation:.2f} over {len(pairs)} cells"
