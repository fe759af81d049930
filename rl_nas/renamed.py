"""What is called otherwise than in earlier versions; what those wrote, and were told, is read by these tables alone."""

import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

FLAGS = {
    "whiten": "normalization",
    "collapse_share": "collapse_fraction",
    "filter_share": "filter_fraction",
}
"""Earlier name -> name of a flag."""

LAYERS = {"whiten": "normalization"}
"""Earlier name -> name of a layer of a model.keras."""

FIGURES = {"unique_share": "unique_fraction", "top_share": "top_fraction"}
"""Earlier name -> name of a figure in health.jsonl."""


def current_flags(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The flags of a config.json by the names that they have now."""
    return {FLAGS.get(name, name): value for name, value in recorded.items()}


def current_figures(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a line of health.jsonl by the names that they have now."""
    return {FIGURES.get(name, name): value for name, value in recorded.items()}


@cache
def tell_flag(old: str) -> None:
    """Says on standard error how a flag is called now, once in a process."""
    print(f"--{old} is now called --{FLAGS[old]}", file=sys.stderr)
