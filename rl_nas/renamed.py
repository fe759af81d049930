"""Names that were changed since earlier versions: these tables alone serve to read old files and flags."""

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

REUSED = {"head": ("init_head", ("auto", "keep", "new"))}
"""Earlier name of a flag that is another flag's today -> its present name, and the values that tell the two apart."""

REMOVED = {"controller_noise": "the noise of rewards is estimated"}
"""Earlier flag that has no effect any more -> why."""

LAYERS = {"whiten": "normalization"}
"""Earlier name -> name of a layer of a model.keras."""

ONLY_OUTPUT = "logits"
"""Name of the output of networks that have one without a name, as all had in 0.1.0."""

FIGURES = {"unique_share": "unique_fraction", "top_share": "top_fraction"}
"""Earlier name -> name of a figure in health.jsonl."""

RANKED = {"accuracy": "quality"}
"""Earlier name -> name of a value in a one-shot search's ranking.json."""

VALUES: dict[str, dict[Any, str]] = {
    "reward": {"accuracy": "quality", "accuracy_cubed": "quality_cubed"},
    "jit_compile": {"true": "on", True: "on", "false": "off", False: "off"},
}
"""Flag -> earlier value -> value."""

SWITCHES = {"jit_compile": "on", "nojit_compile": "off"}
"""Earlier flag without a value -> its value today."""

BEFORE = {"stratify": "no"}
"""Flag that earlier versions did not have -> what their runs did, where it is not the default."""

REPEATS = "Repeats the run: "
"""Begin of the flagfile of a run, which has all flags that its version had."""


def current_flags(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The flags of a config.json by their present names, with their present values."""
    kept = {name: value for name, value in recorded.items() if name not in REMOVED}
    return {current_name(name, value): current_value(name, value) for name, value in kept.items()}


def current_name(flag: str, value: Any) -> str:
    """The present name of a flag that had a value."""
    name, values = REUSED.get(flag, (flag, ()))
    return name if value in values else FLAGS.get(flag, flag)


def current_value(flag: str, value: Any) -> Any:
    """The present form of a flag's value."""
    if flag == "image_size" and isinstance(value, int):  # before images could be rectangular
        return str(value)
    return VALUES.get(flag, {}).get(value, value)


def current_figures(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a line of health.jsonl by their present names."""
    return {FIGURES.get(name, name): value for name, value in recorded.items()}


def current_ranked(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The values of an entry of ranking.json by their present names."""
    return {RANKED.get(name, name): value for name, value in recorded.items()}


@cache
def tell_removed(flag: str) -> None:
    """Prints why a flag has no effect any more on standard error, once in a process."""
    print(f"--{flag} has no effect any more: {REMOVED[flag]}", file=sys.stderr)


@cache
def tell(old: str, new: str) -> None:
    """Prints the present name of a flag, or of a value of one, on standard error, once in a process."""
    print(f"--{old} is now called --{new}", file=sys.stderr)
