"""What benchmarks keep in a folder is used again for the same flags alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.workflows.run_config import portable


def check_same(kept: Path, recorded: Mapping[str, Any], flags: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
    """Compares flags with those that something was made with.

    Args:
        kept: what was made, a file or a folder.
        recorded: its flags, with absolute paths.
        flags: that are wanted; others are not compared.
        usual: defaults, which recorded flags have that are newer than the record.

    Raises:
        UsageError: a flag differs.
    """
    for name, value in portable(flags).items():
        found = recorded.get(name, usual[name])
        if found != value and not _without_effect(name, flags):
            raise UsageError(f"{kept} was made with --{name}={found}, not {value}; give that, or another --out")


def _without_effect(name: str, flags: Mapping[str, Any]) -> bool:
    """Whether a flag of another value asks for the same."""
    if name in ("task", "evolution_population", "evolution_sample"):
        return flags[name] is None  # the record tells the task that was found, the sizes that were chosen
    return name == "freeze" and flags.get("feature_cache") == "yes"  # nothing of the backbone is trained
