"""The values of flags in a run's record, which may be a stranger's: a wrong one is told with the name of its file."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, expectation, field_types
from rl_nas.store.run_folder import REMEDY


def check_values(
    recorded: Mapping[str, Any], names: Collection[str], groups: Iterable[type[Settings]], file: Path
) -> None:
    """Raises `UsageError` for a recorded flag whose value is none that the flag may have.

    Args:
        recorded: flags of the run.
        names: of those that are taken from it.
        groups: that declare them.
        file: that holds them.
    """
    for group in groups:
        for field, kind in field_types(group).items():
            name = group.prefix + field
            if name not in recorded or name not in names or (kind.optional and recorded[name] is None):
                continue
            problem = expectation(group, field, recorded[name])
            if problem:
                raise UsageError(f"{file}: flag {name} is {str(recorded[name])[:60]!r}; expected {problem}; {REMEDY}")
