"""Data sets by name: found, downloaded and prepared by TFDS."""

import contextlib
import difflib
import fcntl
import io
import math
import os
import re
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.read_only_builder import ReadOnlyBuilder

from rl_nas.child.data.examples import Examples
from rl_nas.child.data.prepared_folder import check_all_prepared, open_prepared
from rl_nas.child.data.settings import FOLDER, PREPARED, DataSettings
from rl_nas.errors import UsageError, first_line

_DOWNLOAD_HOST = ("storage.googleapis.com", 443)
_OWN = re.compile(r"(?!.*(\.\.|=))[^:]*(:(\d+|\*)(\.(\d+|\*)){2}(/[^:]*)?)?")
"""Names of TFDS's own data sets, whose only colon precedes a version; no name behind a namespace starts so.

Neither `..` nor arguments, which could name other folders than those that are checked.
"""
_NAMES = ("image/filename", "file_name", "filename", "image_id", "id")
"""Features that name examples, the best one first."""
_OURS = ("digits", "shapes", "boxed_shapes")
"""Data sets of this package."""
_MOST_NUMBERS = 2**24
"""Of a feature of fixed shape in an example: TFDS makes room for them before it looks how many are stored."""

_MOST_LABELS = 200_000
"""Most examples of a split whose classes are read before the images are."""
_LABELS_BATCH = 4096
_FORMAT = "tfrecord"

_BY_HAND = {
    "imagenet2012": (
        "download ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from image-net.org (an account is needed) into"
        " {manual}, then run: tfds build imagenet2012"
    )
}
"""Data set that TFDS may not download -> how to prepare it."""


class PreparedExamples(Examples):
    """The examples of a TFDS data set."""

    upright = False
    remarks = ()

    def __init__(self, builder: Any) -> None:
        self._builder, info = builder, builder.info
        self.name = str(builder.name)
        features = info.features.items()
        # Those that TFDS reads from a file are in a random order.
        self.features: Mapping[str, Any] = dict(sorted(features) if isinstance(builder, ReadOnlyBuilder) else features)
        self._images = [name for name, value in self.features.items() if isinstance(value, tfds.features.Image)]
        parts = {name: name in self._images or _plain_parts(value) for name, value in self.features.items()}
        self._parts = {name: part for name, part in parts.items() if part}
        self.supervised: Sequence[str] = info.supervised_keys or ()
        self.sizes = {name: int(split.num_examples) for name, split in info.splits.items()}

    def bytes(self, split: str) -> int:
        """Size of a split on the disk."""
        return int(self._builder.info.splits[split].num_bytes)

    def read(self, split: str, shuffle_seed: int | None = None) -> tf.data.Dataset:
        """Numbers and examples; files are in the order of the seed, examples in that of the file.

        Videos, sounds, images within sequences and compressed arrays, whose size nothing bounds, are left out.
        """
        offsets = tf.constant(np.cumsum([0, *self._builder.info.splits[split].shard_lengths]), tf.int64)

        def number(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            # The id is NAME-SPLIT.tfrecord-SHARD-of-SHARDS__NUMBER: files are read interleaved, in any order.
            file, within = tf.unstack(tf.strings.split(example["tfds_id"], "__"), 2)
            shard = tf.strings.regex_replace(file, r".*-(\d+)-of-\d+$", r"\1")
            index = tf.gather(offsets, tf.strings.to_number(shard, tf.int64)) + tf.strings.to_number(within, tf.int64)
            return index, example

        dataset = self._builder.as_dataset(
            split=split,
            decoders=tfds.decode.PartialDecoding(
                self._parts, decoders={name: tfds.decode.SkipDecoding() for name in self._images}
            ),
            read_config=tfds.ReadConfig(try_autocache=False, add_tfds_id=True, shuffle_seed=shuffle_seed),
            shuffle_files=shuffle_seed is not None,
        )
        return dataset.map(number, num_parallel_calls=tf.data.AUTOTUNE)

    def names(self, split: str) -> Sequence[str] | None:
        """The texts of the feature that names examples, if there is one."""
        known = [name for name in _NAMES if name in self.features]  # a FeaturesDict has no get
        texts = [name for name in known if isinstance(self.features[name], tfds.features.Text)]
        if not texts:
            return None
        names = [""] * self.sizes[split]
        for number, name in self.read(split).map(lambda number, example: (number, example[texts[0]])):
            names[int(number)] = name.numpy().decode("utf-8", "replace")
        return names

    def listing(self, split: str) -> Iterable[str]:
        """Name and version of the data set, and sizes of the split."""
        info = self._builder.info
        of_split = info.splits[split]
        yield repr((info.full_name, of_split.num_bytes, [*of_split.shard_lengths]))

    def labels(self, split: str, feature: str) -> np.ndarray | None:
        """See `Examples.labels`; of few enough examples in TFRecord files, which need no copy of the images."""
        info = self._builder.info
        if self.sizes[split] > _MOST_LABELS or (info.file_format and info.file_format.value != _FORMAT):
            return None
        form = {feature: tf.io.FixedLenFeature([], tf.int64)}
        records = tf.data.TFRecordDataset([str(file) for file in info.splits[split].filepaths]).batch(_LABELS_BATCH)
        parts = records.map(lambda batch: tf.io.parse_example(batch, form)[feature]).as_numpy_iterator()
        try:
            found = np.concatenate([np.zeros(0, np.int64), *parts])
        except tf.errors.OpError:  # told where the images are read
            return None
        return found if len(found) == self.sizes[split] else None


def _plain_parts(feature: Any) -> Any:
    """What of a feature is numbers and texts that are stored as they are, as `PartialDecoding` names it; maybe nothing.

    Classes that TFDS derives from those of dicts and sequences, such as `Video`, are decoded in their own ways.
    """
    if type(feature) is tfds.features.FeaturesDict:
        return {name: part for name in feature if (part := _plain_parts(feature[name]))}
    stored = feature.get_serialized_info()
    if any(math.prod(side or 1 for side in part.shape) > _MOST_NUMBERS for part in tf.nest.flatten(stored)):
        return None
    if type(feature) is tfds.features.Sequence:
        return _plain_parts(feature.feature)
    plain = isinstance(feature, tfds.features.Tensor) and isinstance(stored, tfds.features.TensorInfo)
    return plain and stored.dtype == feature.dtype


def open_tfds(settings: DataSettings) -> PreparedExamples:
    """The examples of a data set of TFDS, by its name or in a folder, `dir:PATH`.

    Raises:
        UsageError: the data set is unknown, absent, of a community, broken or hostile.
    """
    name = settings.required_dataset()
    builder = open_prepared(name) if name.startswith(PREPARED) else prepared_builder(settings)
    if not isinstance(builder.info.features, tfds.features.FeaturesDict):
        raise UsageError(f"--dataset={name} has no features by name; expected an image and its targets")
    return PreparedExamples(builder)


def prepared_builder(settings: DataSettings) -> Any:
    """The TFDS builder of a data set; downloads and prepares the data set if it is not yet.

    Raises:
        UsageError: the data set is unknown, absent, or of a community.
    """
    from rl_nas.child.data import digits, shapes  # noqa: F401  (their import registers the data sets)

    name, data_dir = settings.required_dataset(), settings.data_dir
    if os.path.isfile(name):
        raise UsageError(f"--dataset={name} is a file; give its folder, or one above it: folder:PATH")
    _check_own(name)
    try:
        base = str(tfds.core.naming.parse_builder_name_kwargs(name)[0])
        for folder in tfds.core.utils.file_utils.list_data_dirs(data_dir):
            check_all_prepared(f"{os.path.expanduser(folder)}/{base}")
        builder = tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        near = difflib.get_close_matches(name, [*tfds.list_builders(), *_OURS], n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; names: tensorflow.org/datasets/catalog"
        raise UsageError(f"unknown data set --dataset={name}{_folder_hint(name) or hint}") from error
    except UsageError:
        raise
    except (ValueError, AssertionError) as error:
        raise UsageError(f"--dataset={name}: {first_line(error)}{_folder_hint(name)}") from error
    if not builder.is_prepared():
        _check_can_prepare(builder)
        with _alone(builder):
            builder = tfds.builder(name, data_dir=data_dir)  # another process may have prepared it meanwhile
            if not builder.is_prepared():
                _prepare(builder)
    return builder


@contextlib.contextmanager
def _alone(builder: Any) -> Iterator[None]:
    """Waits for other processes that prepare the same data set, such as the jobs of an array; on a local disk."""
    place = Path(builder.data_dir).parent.parent
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # where there are no locks, or nothing may be written, as before
            if "://" not in str(builder.data_dir):
                place.mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context(open(place / f".{builder.name}.lock", "w"))
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _folder_hint(name: str) -> str:
    return f"; for the folder of this name, give --dataset={FOLDER}{name}" if os.path.isdir(name) else ""


def _check_own(name: str) -> None:
    """Raises `UsageError` for a community's data set: TFDS would fetch and import its code, which a file may name."""
    if not _OWN.fullmatch(name):
        raise UsageError(
            f"--dataset={name} is not one of TFDS's own data sets; expected a name of tensorflow.org/datasets/catalog,"
            f" with at most a version, such as 3.0.1, after a colon; or folder:PATH or dir:PATH{_folder_hint(name)}"
        )


def _check_can_prepare(builder: Any) -> None:
    """Raises `UsageError` at once, not after minutes, if there is no network, or a download is by hand."""
    place = Path(builder.data_dir).parent.parent
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not _manual_files(builder):
        raise UsageError(
            f"data set {builder.name} is not prepared in {place}, and must be downloaded by hand: {_by_hand(builder)};"
            " give the folder of the prepared data set with --data_dir"
        )
    if builder.name not in _OURS and not _network_reachable():
        raise UsageError(
            f"data set {builder.name} is not prepared in {place}, and there is no network to download it;"
            " give the folder that holds it with --data_dir"
        )


def _prepare(builder: Any) -> None:
    """Downloads and prepares a data set."""
    place = Path(builder.data_dir).parent.parent
    shown: TextIO = sys.stderr  # standard output is for results
    if builder.name in _OURS:  # nothing is downloaded, and it takes a second
        tfds.disable_progress_bar()
        shown = io.StringIO()
    try:
        with contextlib.redirect_stdout(shown):
            builder.download_and_prepare(file_format=_FORMAT)
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
