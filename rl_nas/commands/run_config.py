"""What a run writes of its own settings, and how a resumed run takes them up again."""

import platform
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rl_nas.child.settings import FOLDER
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Parsed, flagfile_text

_NOT_REPEATED = ("run_dir", "resume", "json", "debug")
_PACKAGES = ("rl_nas", "tensorflow", "keras", "numpy", "tensorflow-datasets")


def config(parsed: Parsed) -> dict[str, Any]:
    """The content of config.json: all flags, the seed, the versions, the command line."""
    return {
        "flags": portable(parsed.values),
        "seed": parsed.values["seed"],
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
        },
        "command": sys.argv,
    }


def repeating_flagfile(parsed: Parsed, command: str) -> str:
    """The content of flags.cfg: the run again, by the same command, in another folder."""
    values = {name: value for name, value in portable(parsed.values).items() if name not in _NOT_REPEATED}
    return flagfile_text(values, f"Repeats the run: {command} --flagfile=THIS_FILE --run_dir=NEW_FOLDER")


def merge(parsed: Parsed, recorded: dict[str, Any], changeable: Collection[str]) -> Parsed:
    """The recorded flags of a run, with those that may change taken from the command line.

    Args:
        parsed: the command line.
        recorded: the run's flags.
        changeable: flags that a resumed run may be given anew; all others are the run's own.

    Raises:
        UsageError: another flag was given with another value than the run's.
    """
    values = {name: recorded.get(name, value) for name, value in parsed.values.items()}
    given = portable(parsed.values)
    for name in sorted(parsed.given):
        if name in changeable:
            values[name] = given[name]
        elif given[name] != values[name]:
            raise UsageError(
                f"--{name}={given[name]}, but the run was started with {values[name]}; leave it out to resume,"
                " or start another run in another folder"
            )
    return Parsed(values, parsed.given)


def changed(recorded: dict[str, Any], parsed: Parsed) -> dict[str, Any]:
    """The config of a run that is continued: its flags as they are now, and what changed when, in a list."""
    now = portable(parsed.values)
    differ = {name: now[name] for name in now if name not in _NOT_REPEATED and recorded["flags"].get(name) != now[name]}
    if not differ:
        return recorded
    at = datetime.now(UTC).isoformat(timespec="seconds")
    entries = [
        {"at": at, "flag": name, "before": recorded["flags"].get(name), "now": value} for name, value in differ.items()
    ]
    flags = {**recorded["flags"], **differ}
    return {**recorded, "flags": flags, "changes": [*recorded.get("changes", []), *entries]}


def portable(values: dict[str, Any]) -> dict[str, Any]:
    """The flags, with data folders that are found from any working folder."""
    data_dir, dataset, init = values["data_dir"], values["dataset"], values.get("init")
    if data_dir is not None:
        data_dir = _absolute(data_dir)
    if dataset.startswith(FOLDER):
        dataset = FOLDER + _absolute(dataset.removeprefix(FOLDER))
    portable = {**values, "data_dir": data_dir, "dataset": dataset}
    if init is not None and Path(init).exists():
        portable["init"] = _absolute(init)
    return portable


def _absolute(folder: str) -> str:
    return folder if "://" in folder else str(Path(folder).expanduser().absolute())  # buckets stay as they are
