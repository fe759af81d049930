"""Folders that TFDS prepared, read without the code that prepared them; what they say is checked first.

TFDS imports the modules that features.json and dataset_info.json name, and such a folder may be a stranger's.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

from rl_nas.child.data.settings import PREPARED
from rl_nas.errors import UsageError, first_line
from rl_nas.regular_files import MIB, check_regular

_FILES = INFO, _FEATURES = "dataset_info.json", "features.json"
_CLASS_KEYS = ("pythonClassName", "python_class_name", "type")
"""Names under which files of all versions of TFDS name the class of a feature; a `type` may be another thing too."""
_OWN_CLASS = re.compile(r"tensorflow_datasets\.core\.features\.\w+(\.\w+)*")
_MOST_EXAMPLES = 2**28
"""Of a split; a few numbers of each are kept in memory."""
_MOST_TEXT = 64 * MIB
_TEXTS = (".json", ".txt")
_LEVELS = 3
"""Depth at which a folder of a data set holds its versions: NAME/CONFIG/VERSION."""


def open_prepared(dataset: str) -> Any:
    """The TFDS builder of `dir:PATH`, the folder of a version, or of a data set with one version.

    Raises:
        UsageError: there is no such folder, or it is broken or hostile.
    """
    root = os.path.expanduser(dataset.removeprefix(PREPARED)).rstrip("/")
    found = list(_prepared_folders(root))
    if not found:
        raise UsageError(f"--dataset={dataset}: no {INFO} in it; expected a folder that TFDS prepared, NAME/VERSION")
    if len(found) > 1:
        raise UsageError(f"--dataset={dataset} holds {', '.join(found)}; give one of these folders with {PREPARED}")
    check_prepared(found[0])
    try:
        builder = tfds.builder_from_directory(found[0])
        splits = {
            name: [*zip(map(os.fspath, split.filepaths), split.shard_lengths, strict=True)]
            for name, split in builder.info.splits.items()
        }
    except Exception as error:  # whatever TFDS makes of a stranger's files
        raise UsageError(f"--dataset={dataset}: TFDS cannot read {found[0]}: {first_line(error)}") from error
    for name, files in splits.items():
        for file, examples in files:
            _check_examples(file, examples, found[0], f"--dataset={dataset}")
        if (total := sum(examples for _, examples in files)) > _MOST_EXAMPLES:
            raise UsageError(
                f"--dataset={dataset}: {total:,} examples in split {name}; at most {_MOST_EXAMPLES:,} are read"
            )
    return builder


def check_all_prepared(folder: str) -> None:
    """Checks all versions of a data set, as `check_prepared` does; one that is not complete may lack files."""
    for version in _prepared_folders(folder):
        check_prepared(version, [name for name in _FILES if tf.io.gfile.exists(f"{version}/{name}")])


def check_prepared(folder: str, names: Sequence[str] = _FILES) -> None:
    """Checks that a folder's files name no classes but TFDS's own, and imports nothing.

    Raises:
        UsageError: they do, or they are absent or no JSON, or a file there is a pipe or too large.
    """
    _check_kinds(folder)
    for name in names:
        path = f"{folder}/{name}"
        try:
            with tf.io.gfile.GFile(path) as file:
                _check_text(file.read(), path)
        except tf.errors.OpError as error:
            raise UsageError(f"{path} cannot be read; expected what TFDS 4 writes beside the examples") from error
        except (ValueError, RecursionError) as error:  # UnicodeDecodeError is one
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"{path} is not JSON: {first_line(error)}; copy the folder again") from error


def _check_examples(file: str, examples: int, folder: str, where: str) -> None:
    """Raises `UsageError` for a file of examples that is elsewhere, absent, or smaller than the number of these."""
    if os.path.dirname(file) != folder:
        raise UsageError(f"{where} names {file}; expected examples in {folder} alone")
    if not tf.io.gfile.exists(file):
        raise UsageError(f"{where}: {file} is missing; copy the folder again")
    size = tf.io.gfile.stat(file).length
    if not 0 <= examples <= size:
        raise UsageError(f"{where}: {examples:,} examples in {file} of {size:,} bytes; copy the folder again")


def _check_kinds(folder: str) -> None:
    """Raises `UsageError` for a file that would never be read to its end; those of buckets are regular."""
    if "://" in folder:
        return
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        if not os.path.exists(path) or os.path.isdir(path):
            continue
        try:
            check_regular(path, _MOST_TEXT if name.endswith(_TEXTS) else sys.maxsize)
        except OSError as error:
            raise UsageError(f"{path} {error.strerror or error}; copy the folder again") from error


def _prepared_folders(root: str, levels: int = _LEVELS) -> Iterator[str]:
    """Folders of prepared versions: the folder itself, or those at some depth in it."""
    if any(tf.io.gfile.exists(f"{root}/{name}") for name in _FILES):
        yield root
    elif levels and tf.io.gfile.isdir(root):
        for name in sorted(tf.io.gfile.listdir(root)):
            yield from _prepared_folders(f"{root}/{name.rstrip('/')}", levels - 1)


def _check_text(text: str, path: str) -> None:
    def check(pairs: list[tuple[str, Any]]) -> None:  # repeated keys too, of which parsers take one or the other
        for key, value in pairs:
            if not isinstance(value, str):
                continue
            if key in _CLASS_KEYS and "." in value and not _OWN_CLASS.fullmatch(value):
                raise UsageError(f"{path} names {value}; expected classes of tensorflow_datasets.core.features alone")
            if value.lstrip()[:1] in ("{", "["):  # features of early versions are JSON in a text
                _check_nested(value)

    def _check_nested(value: str) -> None:
        try:
            json.loads(value, object_pairs_hook=check)
        except UsageError:
            raise
        except ValueError:  # a text, such as a citation
            return

    json.loads(text, object_pairs_hook=check)
