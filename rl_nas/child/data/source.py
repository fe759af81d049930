"""The examples of a data set: encoded images and targets, with images held out of the training split."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.child.data.annotation import Annotation, Frame, Target
from rl_nas.child.data.broken_images import refusal_of
from rl_nas.child.data.class_counts import check_classes, check_labels, class_remarks
from rl_nas.child.data.examples import Examples
from rl_nas.child.data.fingerprint import fingerprint_of
from rl_nas.child.data.found_settings import find_settings
from rl_nas.child.data.image_decoding import decode_image
from rl_nas.child.data.image_header import UPRIGHT
from rl_nas.child.data.image_limits import TOO_LARGE, size_problem
from rl_nas.child.data.orientation import orientation, turned
from rl_nas.child.data.refusal import refuse, refused
from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.splits import TEST, TRAIN, VALID, assign_roles, test_split, without_test
from rl_nas.errors import UsageError
from rl_nas.names import check_lines
from rl_nas.networks.layer import Shape


class ImageSource:
    """The encoded images and the targets of a data set, in parts.

    A part is named `train`, the images to train on; `valid`, those held out for the reward; or as a split. Which images
    are held out depends on the settings alone, so that searches and trainings hold out the same.

    Attributes:
        settings: which data set, and how it is split, with what was found out about it: the image size, whether each
            class gives the same fraction, the held-out split by its own name.
        name: of the data set.
        annotation: where its targets stand.
        shape: height, width, channels of the decoded images.
        class_names: one per class.
        roles: of the examples of every split that is divided or held out, by its name.
        remarks: on the division, lines for the user.
    """

    def __init__(self, settings: DataSettings, examples: Examples, annotation: Annotation) -> None:
        """Splits the training examples.

        Args:
            settings: how to split.
            examples: of the data set.
            annotation: of the task at hand.

        Raises:
            UsageError: a split is absent, too small for the settings, or has no targets; or the name of a class is no
                line.
        """
        self.name, self.annotation = settings.required_dataset(), annotation
        self._examples = examples
        self._feature = examples.features[annotation.image]
        if (kind := tf.as_dtype(self._feature.dtype)) != tf.uint8:
            raise UsageError(
                f"images of {self.name} are {kind.name}; expected uint8: prepare them with values from 0 to 255"
            )
        self.class_names = annotation.class_names
        check_lines(self.class_names)
        found = find_settings(settings, examples, annotation)
        self.settings = settings = found.settings
        height, width = settings.size or self._feature.shape[:2]
        self.shape: Shape = height, width, self._feature.shape[2] or 3
        self.roles, remarks = assign_roles(examples, settings, found.strata)
        self.remarks = (*found.remarks, *remarks)
        if annotation.label is not None:
            check_classes(self.name, self.class_names)
        if "train" in found.labels:
            check_labels(self.name, found.labels["train"], self.roles["train"])
            self.remarks += tuple(class_remarks(self.class_names, found.labels, self.roles, self.test_split))
        if settings.valid_split is not None:
            self.check_targets(settings.valid_split, "give another --valid_split")
        elif annotation.negatives and self.images("valid"):
            self.check_targets("valid", "hold out more images, or others by another --split_seed")

    @property
    def test_split(self) -> str | None:
        """The part for the final measurement; None: the data set has none."""
        return test_split(self._examples.name, self._examples.sizes, self.settings)

    @property
    def without_test(self) -> str:
        """What is told where there is no part for the final measurement."""
        return without_test(self._examples.sizes, self.settings)

    def size(self, split: str) -> int:
        """Number of examples of a split."""
        return self._examples.sizes[split]

    def images(self, part: str) -> int:
        """Number of examples of a part."""
        split, role = self._place(part)
        return self.size(split) if role is None else int(np.count_nonzero(self.roles[split] == role))

    def bytes(self, part: str) -> int:
        """About the size of a part on the disk."""
        split, _ = self._place(part)
        return round(self.images(part) / max(1, self.size(split)) * self._examples.bytes(split))

    def described(self, part: str) -> str:
        """What reports call a part: `valid`, or the name of a split."""
        return self.settings.valid_split or part if part == "valid" else part

    def part(self, part: str, shuffle_seed: int | None = None) -> tf.data.Dataset:
        """Encoded images and targets as they are kept of a part: a dataset of (string, target).

        Args:
            part: its name.
            shuffle_seed: order of the files; None: their own.
        """
        split, role = self._place(part)
        examples = self.encoded(split, shuffle_seed)
        if role is not None:
            role_of = tf.constant(self.roles[split])
            examples = examples.filter(lambda number, *_: role_of[number] == role)
        return examples.map(lambda _, encoded, kept: (encoded, kept))

    def encoded(self, split: str, shuffle_seed: int | None = None) -> tf.data.Dataset:
        """Numbers in a split, encoded images and targets as they are kept: a dataset of (int64, string, target).

        Args:
            split: name of a split, all of which is read.
            shuffle_seed: order of the files; None: their own.
        """
        image, read = self.annotation.image, self.annotation.read
        dataset = self._examples.read(split, shuffle_seed)
        return dataset.map(lambda number, example: (number, example[image], read(example)), tf.data.AUTOTUNE)

    def decode(self, encoded: tf.Tensor) -> tf.Tensor:
        """Decodes an image: uint8 [height, width, channels] as `shape` says."""
        return self.resize(self.decode_whole(encoded))

    def decode_whole(self, encoded: tf.Tensor) -> tf.Tensor:
        """Decodes an image in its own size, upright, uint8."""
        return self._decode(encoded)[0]

    def decode_both(self, encoded: tf.Tensor, kept: Target) -> tuple[tf.Tensor, Target]:
        """Decodes an image as `decode_whole` does, and the target of the image resized."""
        image, turn = self._decode(encoded)
        return image, self.annotation.decode(kept, Frame(tf.shape(image)[:2], self.shape[:2], turn))

    def resize(self, image: tf.Tensor) -> tf.Tensor:
        """Resizes a decoded image: uint8 [height, width, channels] as `shape` says."""
        if tuple(self._feature.shape[:2]) != self.shape[:2]:
            image = tf.cast(tf.round(tf.image.resize(image, self.shape[:2], antialias=True)), tf.uint8)
        return tf.ensure_shape(image, self.shape)

    def fingerprint(self) -> dict[str, Any]:
        """What tells the data set from others, as JSON values; see `fingerprint_of`."""
        return fingerprint_of(self._examples, self.class_names)

    def check_targets(self, part: str, advice: str) -> None:
        """Raises `UsageError` if a part has secret targets, with advice what to do."""
        examples = self.part(part).take(-1 if self.annotation.negatives else 1)
        if not any(self.annotation.is_given(kept) for _, kept in examples.as_numpy_iterator()):
            raise UsageError(f"split {part} of {self.name} has no targets; {advice}")

    @contextlib.contextmanager
    def decoding_errors(self) -> Iterator[None]:
        """Turns the error of an image or a target that cannot be decoded into one line with its name."""
        try:
            yield
        except tf.errors.InvalidArgumentError as error:
            problem = refused(error)
            if problem is not None and not str(problem).startswith(TOO_LARGE):
                raise problem from error
            broken = self._examples.unreadable()
            if broken:
                raise refusal_of(broken) from error
            if problem is None:
                raise
            raise UsageError(f"an image of {self.name} {problem}") from error

    def _decode(self, encoded: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """An image in its own size, and the orientation that it was stored in."""
        with tf.control_dependencies([refuse(size_problem(encoded))]):
            checked = tf.identity(encoded)
        if not self._examples.upright:
            return self._feature.decode_example(checked), tf.constant(UPRIGHT)
        turn = orientation(encoded)
        return turned(decode_image(checked, self.shape[2]), turn), turn

    def _place(self, part: str) -> tuple[str, int | None]:
        """The split of a part, and the role of its examples there; None: all of the split."""
        if part == "valid":
            return self.settings.valid_split or "train", VALID
        if part == "train":
            return "train", TRAIN
        return ("train", TEST) if part == "test" and self.settings.test_fraction is not None else (part, None)
