"""Folders of images as a data set: train/CLASS/NAME.jpg, as most tools for image classification expect them."""

import os
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

from rl_nas.child.data.settings import FOLDER
from rl_nas.errors import UsageError


def image_folder(name: str) -> Any:
    """The TFDS builder of `folder:PATH`; other splits (test) are folders beside train.

    Raises:
        UsageError: there is no such folder, or no image in it.
    """
    root = _root(name)
    if not tf.io.gfile.isdir(f"{root}/train"):  # also in a bucket
        raise UsageError(f"--dataset={name}: no folder {root}/train; expected images as {root}/train/CLASS/NAME.png")
    builder = tfds.ImageFolder(root)
    if "train" not in builder.info.splits or not builder.info.splits["train"].num_examples:
        raise UsageError(f"--dataset={name}: no .png, .jpg or .jpeg in the folders of {root}/train")
    return builder


def unreadable_image(builder: tfds.ImageFolder) -> str | None:
    """The first file that is not an image, if there is one."""
    for split in builder.info.splits:
        for example in builder.as_dataset(split=split, decoders={"image": tfds.decode.SkipDecoding()}):
            try:
                tf.io.decode_image(example["image"])
            except tf.errors.InvalidArgumentError:
                return str(example["image/filename"].numpy().decode())
    return None


def folder_bytes(name: str, split: str) -> int:
    """Size of the files of a split of `folder:PATH`."""
    return sum(tf.io.gfile.stat(file).length for file in tf.io.gfile.glob(f"{_root(name)}/{split}/*/*"))


def _root(name: str) -> str:
    return os.path.expanduser(name.removeprefix(FOLDER))
