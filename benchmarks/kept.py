"""What benchmarks keep in a folder is used again for the same flags alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl_nas.child.data.splits import VALIDATION_SPLITS
from rl_nas.errors import UsageError
from rl_nas.workflows.run_config import portable
from rl_nas.workflows.sizing import AutoSettings

_FOUND = (
    *("task", "image_size", "stratify", "evolution_population", "evolution_sample", "jit_compile"),
    *("update_every", "batches_in_flight"),
)
"""Flags that a record has as they were found, where they were left out."""


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
        if found != value and not _means(name, found, flags, usual):
            raise UsageError(f"{kept} was made with --{name}={found}, not {value}; give that, or another --out")


def _means(name: str, found: Any, flags: Mapping[str, Any], usual: Mapping[str, Any]) -> bool:
    """Whether a flag of another value than the record's asks for the same."""
    if name in _FOUND:
        return flags[name] == usual[name]
    followed = AutoSettings(flags.get("auto")).names
    if followed and name in ("auto", *followed):  # found by the data
        return True
    if name == "valid_split":  # one split has these names
        return flags[name] in VALIDATION_SPLITS and found in VALIDATION_SPLITS
    return name == "freeze" and flags.get("feature_cache") == "yes"  # nothing of the backbone is trained
