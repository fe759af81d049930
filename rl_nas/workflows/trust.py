"""What recorded flags lead to. A record may be a stranger's: it alone opens nothing beyond its own folder.

Code is imported, files are opened and addresses are contacted when this call's command line names them, when the user
started the run on this machine, or with `--trust`.
"""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from rl_nas.child.data.settings import FOLDER, PREPARED, prefixed
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import packaged_recipe
from rl_nas.networks.foreign import APPLICATIONS
from rl_nas.settings import Settings, setting
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.own_runs import is_own, signature

PLUGINS = ("space", "strategy", "reward", "task", "operations", "track", "loss", "metric")
"""Flags that may name a module to import."""

OF_TRAININGS = ("loss", "metric")
"""Those of them that proxies may change."""

FILES = ("init", "backbone", "head", "neck", "classes", "label_map", "class_weights")
"""Flags that may name a file or a folder."""

FOLDERS = ("data_dir", "feature_dir", "pretrain_dir", "checkpoint_dir")
"""Flags that name a folder."""

DATASETS = ("dataset", "pretrain_dataset")
"""Flags that name data sets, which may be folders."""

RECIPES = ("then_train", "then_full")
"""Flags that name recipes of trainings."""

_ADDRESSES = ("ray_address", "tpu")
_TRACK = "track"
"""What a tracker is told goes to the user's own account."""
_EXECUTOR, _PROXIES = "executor", "proxies"
_PATTERN = "group_by"
"""A regular expression, which may take for ever on names that are made for it."""

_DOORS = {*PLUGINS, *FILES, *FOLDERS, *DATASETS, *RECIPES, *_ADDRESSES, _EXECUTOR, _PATTERN, "flagfile"}

OF_THE_CALL = ("run_dir", "resume", "rebuild", "json", "debug", "trust")
"""Flags that are never taken from a record."""


@dataclass(frozen=True)
class TrustSettings(Settings):
    """Trust in what others wrote."""

    title: ClassVar[str] = "Trust"

    trust: bool = setting(
        False,
        "trust what this call reads: the code, files and addresses that a run records, without giving those flags again"
        " (not needed for runs that you started on this machine); the graph of a SavedModel; the pickles of a table;"
        " links out of a folder of images",
    )


def named_plugins(flags: Mapping[str, Any]) -> dict[str, str]:
    """The flags that name the user's own code."""
    values = ((name, flags.get(name)) for name in PLUGINS)
    return {name: value for name, value in values if isinstance(value, str) and ":" in value}


def doors(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that lead to something that does not come with rl_nas: code, patterns, files, data, addresses."""
    return named_plugins(flags) | {name: value for name, value in flags.items() if _opens(name, value)}


def check_recorded(
    config: Mapping[str, Any], given: Collection[str], folder: Path, *, trust: bool, read: Collection[str] | None = None
) -> None:
    """Checks that a run's record leads to nothing that this call does not name, unless it is the user's own.

    Args:
        config: content of the run's config.json.
        given: names of the flags of this call.
        folder: of the run.
        trust: whether the user trusts it.
        read: names of the recorded flags that are used; None: all are.

    Raises:
        UsageError: it does.
    """
    flags = {name: value for name, value in config["flags"].items() if read is None or name in read}
    missing = {name: value for name, value in doors(flags).items() if name not in given}
    if missing and not trust and not is_own(_signed(config["flags"]), config.get("signature")):
        words = " ".join(f"--{name}={value}" for name, value in missing.items())
        raise UsageError(
            f"the run in {folder}, which you did not start here, has {words}; if you trust that, give"
            f" {'it' if len(missing) == 1 else 'them'} again, or --trust"
        )


def signed(config: Mapping[str, Any]) -> dict[str, Any]:
    """The content of config.json with the user's signature of its flags, if there is a key."""
    made = signature(_signed(config["flags"]))
    return {name: value for name, value in {**config, "signature": made}.items() if value is not None}


def _signed(flags: Mapping[str, Any]) -> dict[str, Any]:
    """What is signed; names of modules and of files below mean something in the working folder alone."""
    kept = {name: value for name, value in flags.items() if name not in OF_THE_CALL}
    of_place = any(_is_of_place(name, value) for name, value in doors(flags).items())
    return {"flags": kept, "working_folder": os.getcwd() if of_place else None}


def _is_of_place(name: str, value: str) -> bool:
    """Whether what a flag leads to depends on the working folder."""
    return name in (*PLUGINS, _PROXIES) or (name in (*FILES, *RECIPES) and not os.path.isabs(value))


def _opens(name: str, value: object) -> bool:
    if not isinstance(value, str):
        return False
    if name in DATASETS:
        return prefixed(value).startswith((FOLDER, PREPARED))
    if name in FILES:
        return value not in (*PUBLISHED, *APPLICATIONS) and (os.sep in value or os.path.exists(value))
    if name in RECIPES:
        return packaged_recipe(value) is None
    if name == _EXECUTOR:
        return value == "ray"
    if name == _PROXIES:  # flags in a text, whose spaces have no meaning
        words = (word.lstrip("-").partition("=") for word in re.split("[;,]", re.sub(r"\s", "", value)))
        return any(flag in _DOORS and (flag not in OF_TRAININGS or ":" in given) for flag, _, given in words)
    return name in (*FOLDERS, _PATTERN, _TRACK) or (name in _ADDRESSES and value != "local")
