"""The result of a search with shared weights, as text and as JSON."""

from dataclasses import asdict
from typing import Any

from rl_nas.one_shot.result import FEWEST, OneShotResult
from rl_nas.report.tables import aligned, counted


def one_shot_json(result: OneShotResult) -> dict[str, Any]:
    """All figures as JSON values."""
    correlations = {name: found._asdict() for name, found in result.correlations().items()}
    return {"ranked": result.ranked, "confirmed": [asdict(one) for one in result.confirmed], **correlations}


def one_shot_text(result: OneShotResult) -> str:
    """A table of the networks trained alone, in the order of the ranking, and the quality of the ranking."""
    head = f"Shared weights ranked {counted(result.ranked, 'network')}; trained alone, these reach:"
    rows = [["place", "shared", "alone", "trial", ""]]
    for one in sorted(result.confirmed, key=lambda one: one.place):
        alone = "failed" if one.alone is None else f"{one.alone:.4f}"
        rows.append([str(one.place), f"{one.shared:.4f}", alone, str(one.trial), "random" if one.random else ""])
    columns = [(">", 5), (">", 6), (">", 6), (">", 5), ("<", 0)]
    return "\n".join([head, *aligned(rows, columns), *_trust(result)])


def _trust(result: OneShotResult) -> list[str]:
    found = result.correlations()
    if not found:
        return [f"Rank correlation: needs {FEWEST} networks chosen at random; --resume with more --trials."]
    figures = ", ".join(f"{name.capitalize()} {c}" for name, c in found.items())
    lines = [f"Rank correlation over the {len(result.sample())} chosen at random: {figures}."]
    if not found["spearman"].low > 0:
        lines.append("This may be chance: the shared weights are not shown to rank better than random.")
    return lines
