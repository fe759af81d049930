"""Data sets by name: found, downloaded and prepared by TFDS, or a folder of images."""

import contextlib
import difflib
import io
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any, TextIO

import tensorflow_datasets as tfds

from rl_nas.child.data.image_folder import image_folder
from rl_nas.child.data.settings import FOLDER, DataSettings
from rl_nas.errors import UsageError, first_line

_DOWNLOAD_HOST = ("storage.googleapis.com", 443)
_OWN = re.compile(r"[^:]*(:(\d+|\*)(\.(\d+|\*)){2}(/[^:]*)?)?")
"""Names of TFDS's own data sets, whose only colon precedes a version; no name behind a namespace starts so."""
_BY_HAND = {
    "imagenet2012": (
        "download ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from image-net.org (an account is needed) into"
        " {manual}, then run: tfds build imagenet2012"
    )
}
"""Data set that TFDS may not download -> how to prepare it."""


def prepared_builder(settings: DataSettings) -> Any:
    """The TFDS builder of a data set; downloads and prepares the data set if it is not yet.

    Raises:
        UsageError: the data set is unknown, absent, or of a community.
    """
    from rl_nas.child.data import digits  # noqa: F401  (its import registers the data set)

    name, data_dir = settings.dataset, settings.data_dir
    if name.startswith(FOLDER):
        return image_folder(name)
    _check_own(name)
    try:
        builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        near = difflib.get_close_matches(name, [*tfds.list_builders(), "digits"], n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; names: tensorflow.org/datasets/catalog"
        raise UsageError(f"unknown data set --dataset={name}{hint}") from error
    except (ValueError, AssertionError) as error:
        raise UsageError(f"--dataset={name}: {first_line(error)}") from error
    if not builder.is_prepared():
        _prepare(builder)
    return builder


def _check_own(name: str) -> None:
    """Raises `UsageError` for a community's data set: TFDS would fetch and import its code, which a file may name."""
    if not _OWN.fullmatch(name):
        raise UsageError(
            f"--dataset={name} is not one of TFDS's own data sets; expected a name of tensorflow.org/datasets/catalog,"
            " with at most a version, such as 3.0.1, after a colon; or folder:PATH"
        )


def _prepare(builder: Any) -> None:
    """Downloads and prepares a data set; fails at once, not after minutes, if there is no network."""
    place = Path(builder.data_dir).parent.parent
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not _manual_files(builder):
        raise UsageError(
            f"data set {builder.name} is not prepared in {place}, and must be downloaded by hand: {_by_hand(builder)};"
            " give the folder of the prepared data set with --data_dir"
        )
    if builder.name != "digits" and not _network_reachable():
        raise UsageError(
            f"data set {builder.name} is not prepared in {place}, and there is no network to download it;"
            " give the folder that holds it with --data_dir"
        )
    shown: TextIO = sys.stderr  # standard output is for results
    if builder.name == "digits":  # nothing is downloaded, and it takes a second
        tfds.disable_progress_bar()
        shown = io.StringIO()
    try:
        with contextlib.redirect_stdout(shown):
            builder.download_and_prepare(file_format="tfrecord")
    except UsageError:
        raise
    except Exception as error:  # whatever the data set's own script raises
        raise UsageError(f"cannot prepare data set {builder.name} in {place}: {first_line(error)}") from error


def _manual_files(builder: Any) -> bool:
    """Whether there are files where TFDS looks for manual downloads."""
    folder = _manual_folder(builder)
    return folder.is_dir() and any(folder.iterdir())


def _manual_folder(builder: Any) -> Path:
    return Path(builder.data_dir).parent.parent / "downloads" / "manual"


def _by_hand(builder: Any) -> str:
    """How to prepare a data set that TFDS may not download."""
    if builder.name in _BY_HAND:
        return _BY_HAND[builder.name].format(manual=_manual_folder(builder))
    return f"put its files into {_manual_folder(builder)} (tensorflow.org/datasets/catalog/{builder.name})"


def _network_reachable() -> bool:
    """Whether the host of TFDS's downloads resolves and answers; trusted blindly behind a proxy."""
    if any(name.lower() in ("https_proxy", "all_proxy") for name in os.environ):
        return True
    try:
        socket.create_connection(_DOWNLOAD_HOST, timeout=5).close()
    except OSError:
        return False
    return True
