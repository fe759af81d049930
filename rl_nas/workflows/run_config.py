"""The settings in a run's folder, written by a run and read when it is resumed."""

import platform
import sys
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rl_nas.child.data.settings import FOLDER, PREPARED
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Parsed, flagfile_text
from rl_nas.networks.features import Head
from rl_nas.networks.foreign import APPLICATIONS
from rl_nas.networks.settings import NetworkSettings, unread_settings
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.published import PUBLISHED

DATA = "data"
"""Name of the fingerprint of a run's data in its config; those of earlier versions have none."""

PLUGINS = ("space", "strategy", "reward", "task", "operations")
"""Flags that may name a module to import."""

_PATHS = ("init", "backbone", "head", "neck", "classes", "label_map", "class_weights")
"""Flags that may name a file or a folder."""

_FOLDERS, _DATASETS = ("data_dir", "feature_dir", "pretrain_dir", "checkpoint_dir"), ("dataset", "pretrain_dataset")
"""Flags that name a folder, and data sets, which may be one."""

_NOT_REPEATED = ("run_dir", "resume", "rebuild", "json", "debug")
_PACKAGES = ("rl_nas", "tensorflow", "keras", "numpy", "tensorflow-datasets")


def config(flags: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The content of config.json: all flags, the seed, the versions, the command line, the fingerprint of the data."""
    return {
        **({} if data is None else {DATA: data}),
        "flags": portable(flags),
        "seed": flags["seed"],
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
        },
        "command": sys.argv,
    }


def repeating_flagfile(flags: Mapping[str, Any], command: str) -> str:
    """The content of flags.cfg, which repeats the run by the same command in another folder."""
    values = {name: value for name, value in portable(flags).items() if name not in _NOT_REPEATED}
    return flagfile_text(values, f"Repeats the run: {command} --flagfile=THIS_FILE --run_dir=NEW_FOLDER")


def merge(parsed: Parsed, recorded: dict[str, Any], changeable: Collection[str]) -> Parsed:
    """The recorded flags of a run, with those that may change taken from the command line.

    Args:
        parsed: the command line.
        recorded: the run's flags.
        changeable: flags that may change when a run is resumed; all others are the run's own.

    Raises:
        UsageError: another flag was given with a value other than the run's, or plug-ins must be given again.
    """
    check_plugins(recorded, parsed.given)
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


def moved(recorded: Mapping[str, Any], parsed: Parsed) -> tuple[str, ...]:
    """The flag of the data set, where it may be changed to the folder that a run's data were moved to.

    The run must have recorded what its data are, not only where.
    """
    was, now = recorded["flags"].get("dataset") or "", parsed.values["dataset"]
    in_folders = any(was.startswith(kind) and now.startswith(kind) for kind in (FOLDER, PREPARED))
    return ("dataset",) if in_folders and DATA in recorded else ()


def changed(
    recorded: dict[str, Any], flags: Mapping[str, Any], data: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The config of a run that is continued: its present flags, and a dated list of changes.

    Args:
        recorded: its config so far.
        flags: the present ones.
        data: fingerprint of its data, which earlier versions did not record.
    """
    if data is not None:
        recorded = {DATA: data, **recorded}
    now = portable(flags)
    differ = {name: now[name] for name in now if name not in _NOT_REPEATED and recorded["flags"].get(name) != now[name]}
    if not differ:
        return recorded
    at = datetime.now(UTC).isoformat(timespec="seconds")
    entries = [
        {"at": at, "flag": name, "before": recorded["flags"][name], "now": value}
        for name, value in differ.items()
        if name in recorded["flags"]  # others are new in a later version
    ]
    whole = {**recorded, "flags": {**recorded["flags"], **differ}}
    return {**whole, "changes": [*recorded.get("changes", []), *entries]} if entries else whole


def named_plugins(flags: Mapping[str, Any]) -> dict[str, str]:
    """The flags that name the user's own code."""
    values = ((name, flags.get(name)) for name in PLUGINS)
    return {name: value for name, value in values if isinstance(value, str) and ":" in value}


def check_plugins(recorded: Mapping[str, Any], given: Collection[str], source: str = "the run") -> None:
    """Raises `UsageError` if recorded flags name code that this call's command line does not.

    The record may be a stranger's, and importing a module runs it.

    Args:
        recorded: flags in a file.
        given: names of the flags of this call.
        source: of the recorded ones, for the message.
    """
    missing = [f"--{name}={value}" for name, value in named_plugins(recorded).items() if name not in given]
    if missing:
        flag = "the flag" if len(missing) == 1 else "the flags"
        raise UsageError(
            f"{source} has {' '.join(missing)}, code that this call has not named; give {flag} again if you trust it"
        )


def without_unread(settings: NetworkSettings, genotype: Genotype, head: Head) -> NetworkSettings:
    """The network settings of a run without those that have no effect, and tells which; 0.1.0 ignored them."""
    unread = unread_settings(genotype, settings, head.reads)
    if not unread:
        return settings
    names = ", ".join(f"--{name}" for name in unread)
    print(f"{names} of the run has no effect on its networks and is left out", file=sys.stderr)
    return settings.changed(**dict.fromkeys(unread))


def portable(values: Mapping[str, Any]) -> dict[str, Any]:
    """The flags, with absolute paths."""
    portable = dict(values)
    for name in _FOLDERS:
        if values.get(name) is not None:
            portable[name] = _absolute(values[name])
    for name in _DATASETS:
        for prefix in (FOLDER, PREPARED):
            if name in values and values[name].startswith(prefix):
                portable[name] = prefix + _absolute(values[name].removeprefix(prefix))
    for name in _PATHS:
        value = values.get(name)
        if value is not None and value not in (*PUBLISHED, *APPLICATIONS) and Path(value).exists():
            portable[name] = _absolute(value)
    return portable


def _absolute(folder: str) -> str:
    return folder if "://" in folder else str(Path(folder).expanduser().absolute())  # buckets stay as they are
