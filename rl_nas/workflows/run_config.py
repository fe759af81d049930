"""The settings in a run's folder, written by a run and read when it is resumed."""

import os
import platform
import sys
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rl_nas.child.data.settings import FOLDER, PREPARED, prefixed
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Parsed, flagfile_text, packaged_recipe
from rl_nas.networks.features import Head
from rl_nas.networks.foreign import APPLICATIONS
from rl_nas.networks.settings import NetworkSettings, unread_settings
from rl_nas.renamed import BEFORE, REPEATS
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.json_files import OTHERS, check_form
from rl_nas.workflows.trust import DATASETS, FILES, FOLDERS, OF_THE_CALL, RECIPES, check_recorded, signed

DATA = "data"
"""Name of the fingerprint of a run's data in its config; those of earlier versions have none."""
_SPLIT = {"examples": int, "listing": str, "sample": str}
DATA_FORM = {"classes": [str], "splits": {OTHERS: _SPLIT}}
"""Its form; `image`, height, width and channels, and `HELD_OUT` are absent in those of earlier versions, too."""
HELD_OUT = "held_out"
"""Name of the number of held-out images beside the fingerprint."""

_PACKAGES = ("rl_nas", "tensorflow", "keras", "numpy", "tensorflow-datasets")


def config(flags: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The content of config.json: all flags, signed, the seed, the versions, the command line, what the data are."""
    written = {
        **({} if data is None else {DATA: data}),
        "flags": {name: value for name, value in portable(flags).items() if name != "trust"},
        "seed": flags["seed"],
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
        },
        "command": sys.argv,
    }
    return signed(written)


def held_out(config: Mapping[str, Any], path: Path) -> int:
    """The number of images that the children of a run were measured on; 0: it is of a version that did not record it.

    Args:
        config: content of the run's config.json.
        path: of that file.
    """
    data: Mapping[str, Any] = config.get(DATA, {})
    check_form(data, {}, path)
    images: int = data.get(HELD_OUT, 0)
    check_form(images, int, path)
    return max(0, images)


def repeating_flagfile(flags: Mapping[str, Any], command: str) -> str:
    """The content of flags.cfg, which repeats the run by the same command in another folder."""
    values = {name: value for name, value in portable(flags).items() if name not in OF_THE_CALL}
    return flagfile_text(values, f"{REPEATS}{command} --flagfile=THIS_FILE --run_dir=NEW_FOLDER")


def merge(parsed: Parsed, config: Mapping[str, Any], changeable: Collection[str]) -> Parsed:
    """The recorded flags of a run, with those that may change taken from the command line.

    Args:
        parsed: the command line.
        config: content of the run's config.json.
        changeable: flags that may change when a run is resumed; all others are the run's own.

    Raises:
        UsageError: another flag was given with a value other than the run's, or what the record leads to must be.
    """
    recorded, folder = config["flags"], Path(parsed.values["run_dir"] or "").absolute()
    check_recorded(config, parsed.given, folder, trust=parsed.values["trust"])
    values = {name: recorded.get(name, BEFORE.get(name, value)) for name, value in parsed.values.items()}
    values["trust"] = parsed.values["trust"]
    given = portable(parsed.values)
    for name in sorted(parsed.given):
        if name in (*changeable, *OF_THE_CALL):
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
    was, now = recorded["flags"].get("dataset") or "", prefixed(parsed.values["dataset"] or "")
    in_folders = any(was.startswith(kind) and now.startswith(kind) for kind in (FOLDER, PREPARED))
    return ("dataset",) if in_folders and DATA in recorded else ()


def changed(
    recorded: dict[str, Any], flags: Mapping[str, Any], data: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The config of a run that is continued: its present flags, signed, and a dated list of changes.

    Args:
        recorded: its config so far.
        flags: the present ones.
        data: fingerprint of its data, which earlier versions did not record.
    """
    if data is not None:
        recorded = {DATA: data, **recorded}
    return signed(_changed(recorded, flags))


def _changed(recorded: dict[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    now = portable(flags)
    differ = {name: now[name] for name in now if name not in OF_THE_CALL and recorded["flags"].get(name) != now[name]}
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
    for name in (*FOLDERS, "prior"):  # which is read when a run begins, and leads a record nowhere
        if values.get(name) is not None:
            portable[name] = _absolute(values[name])
    for name in (name for name in DATASETS if values.get(name) is not None):
        portable[name] = prefixed(values[name])
        for prefix in (FOLDER, PREPARED):
            if portable[name].startswith(prefix):
                portable[name] = prefix + _absolute(portable[name].removeprefix(prefix))
    for name in FILES:
        value = values.get(name)
        if value is not None and value not in (*PUBLISHED, *APPLICATIONS) and os.path.exists(value):
            portable[name] = _absolute(value)
    for name in RECIPES:
        value = values.get(name)
        if value is not None and packaged_recipe(value) is None and Path(value).expanduser().exists():
            portable[name] = _absolute(value)
    return portable


def _absolute(folder: str) -> str:
    return folder if "://" in folder else str(Path(folder).expanduser().absolute())  # buckets stay as they are
