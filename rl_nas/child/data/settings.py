"""Settings of data sets, augmentation and input pipelines; TensorFlow-free, so that help texts are instant."""

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from rl_nas.errors import UsageError
from rl_nas.image_size import parse_image_size
from rl_nas.settings import MAX_SEED, Settings, setting

FOLDER = "folder:"
"""Prefix of the names of data sets that are folders of the user's files, in a layout of a task."""
PREPARED = "dir:"
"""Prefix of the names of data sets that are folders prepared by TFDS, read without the code that prepared them."""

_PATH = re.compile(r"/|~|\.\.?(/|$)|[a-z][a-z0-9]*://")
"""Begin of a path, local or in a bucket, that no name of a data set has."""

DIVISION = ("valid_split", "test_fraction", "group_by", "group_size")
"""Flags that say, beside `split_seed` and numbers of images, which ones are held out or left for the test."""


def prefixed(dataset: str) -> str:
    """The name of a data set; the path of a folder, such as `./photos`, with its prefix."""
    return FOLDER + dataset if _PATH.match(dataset) else dataset


@dataclass(frozen=True)
class DataSettings(Settings):
    """The images that networks are trained on and measured with."""

    title: ClassVar[str] = "Data"

    dataset: str | None = setting(
        None,
        "needed, unless a run tells it; TFDS name of an image data set (digits, shapes and boxed_shapes need no"
        " download); or folder:PATH, or a path such as ./photos, files of yours in a layout of --task; or dir:PATH, a"
        " folder that TFDS prepared",
    )
    data_dir: str | None = setting(None, "folder of prepared TFDS data sets; left out: TFDS's own default")
    valid_fraction: float = setting(
        0.1, "fraction of the training split that is held out; a search measures the reward on it", above=0, maximum=0.9
    )
    valid_images: int | None = setting(
        None, "held-out images, instead of a fraction; 0: none, for train only", minimum=0
    )
    valid_split: str | None = setting(
        None,
        "hold out this split of the data set, such as validation (found as val and valid, too), instead of a part of"
        " the training split",
    )
    test_fraction: float | None = setting(
        None,
        "fraction of the training split that is left for the final test, if the data set has no test split",
        above=0,
        maximum=0.9,
    )
    group_by: str | None = setting(
        None,
        "regular expression; images whose names (paths in the split's folder) give equal text in its first group, or"
        " as a whole, stay on one side: all held out, for the test, or to train",
    )
    group_size: int | None = setting(
        None, "runs of this many images, in the order of their names, stay on one side: frames of films", minimum=2
    )
    train_images: int | None = setting(None, "train on this many random images; left out: on all", minimum=1)
    stratify: str = setting(
        "auto",
        "take the same fraction of each class, at least one image, when images are held out or left out (yes), or"
        " images at random, whatever their class (no); auto: yes for classes that can be read without the images and"
        " without --group_by or --group_size",
        choices=("auto", "yes", "no"),
    )
    image_size: str | None = setting(
        None, "pixels, N for a square or HxW; resize images to this (needed where their sizes differ)"
    )
    split_seed: int = setting(
        0, "seed of the choice of held-out images; the same for runs to be compared", minimum=0, maximum=MAX_SEED
    )

    def __post_init__(self) -> None:
        given: Any = self.image_size
        if isinstance(given, int):  # a square, from Python
            object.__setattr__(self, "image_size", str(given))
        super().__post_init__()
        if self.dataset is not None:
            object.__setattr__(self, "dataset", prefixed(self.dataset))
        if self.image_size is not None:
            parse_image_size(self.image_size)
        if self.valid_split is not None:
            self._check_valid_split()
        if self.group_by is not None:
            self._check_group_by(self.group_by)
        if self.stratify == "yes" and self.grouped:
            flag = "group_by" if self.group_size is None else "group_size"
            raise UsageError(f"--stratify=yes: groups of --{flag} stay whole, whatever their classes; leave one out")

    def _check_valid_split(self) -> None:
        given = f"--valid_split={self.valid_split}"
        if self.valid_split == "train":
            raise UsageError(f"{given}: that split is trained on; expected another one")
        for name, default in (("valid_images", None), ("valid_fraction", DataSettings.valid_fraction)):
            if getattr(self, name) != default:
                raise UsageError(f"{given} and --{name}={getattr(self, name)} both say what is held out; leave one out")
        if self.test_fraction is None and self.grouped:
            raise UsageError(
                f"{given}: the training split is not divided, so that groups have no effect; leave one out"
            )

    def _check_group_by(self, pattern: str) -> None:
        if self.group_size is not None:
            raise UsageError("--group_by and --group_size both say what stays together; leave one out")
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(f"--group_by={pattern} is not a regular expression: {error}") from error

    def required_dataset(self) -> str:
        """The name of the data set.

        Raises:
            UsageError: none is given.
        """
        if self.dataset is None:
            raise UsageError(
                "--dataset is missing; give the images to train on, such as --dataset=folder:PATH, or --dataset=digits"
                " to try"
            )
        return self.dataset

    @property
    def grouped(self) -> bool:
        """Whether images that belong together stay on one side."""
        return self.group_by is not None or self.group_size is not None

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width that images are resized to; None: their own."""
        return None if self.image_size is None else parse_image_size(self.image_size)


@dataclass(frozen=True)
class AugmentSettings(Settings):
    """Random changes of training images."""

    title: ClassVar[str] = "Augmentation"

    crop_margin: int = setting(
        0, "pixels; enlarge images by this on every side, then crop them at random", minimum=0, maximum=10_000
    )
    crop: str = setting(
        "pad", "how images are enlarged before the crop: by zeros, or by upsampling", choices=("pad", "upsample")
    )
    flip: bool = setting(False, "mirror half of the images left to right")
    scale_min: float = setting(
        1.0,
        "smallest factor of random scaling, drawn evenly up to scale_max (Chen et al. 2017: 0.5 to 2); the image's own"
        " size is then cut out at random, with the mean color beyond the image",
        above=0,
        maximum=100,
    )
    scale_max: float = setting(1.0, "largest factor of random scaling", above=0, maximum=100)
    cutout: int = setting(0, "pixels; set a random square of this size in every image to the mean color", minimum=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale_min > self.scale_max:
            raise UsageError(
                f"--scale_min={self.scale_min:g} exceeds --scale_max={self.scale_max:g}; give a range, such as 0.5 to 2"
            )

    @property
    def scales(self) -> bool:
        """Whether images are scaled."""
        return (self.scale_min, self.scale_max) != (1, 1)


@dataclass(frozen=True)
class InputPipelineSettings(Settings):
    """Input pipeline of full training, which need not hold the images in memory."""

    title: ClassVar[str] = "Images of full training"

    normalization: str = setting(
        "dataset",
        "how pixels become numbers: mean 0 and deviation 1 of every channel over (at most 50,000) training images,"
        " or -1 to 1 whatever the images",
        choices=("dataset", "unit"),
    )
    inception_crop: bool = setting(
        False, "train on random parts of 8 to 100 % of the image, measure on its middle (Szegedy et al. 2015)"
    )
    color: float = setting(
        0.0,
        "strength of random brightness, saturation, hue and contrast (1: that of Inception's preprocessing)",
        minimum=0,
        maximum=1,
    )
    rand_augment: int = setting(
        0, "random operations on every image (Cubuk et al. 2020); 0: none", minimum=0, maximum=100
    )
    rand_augment_magnitude: float = setting(0.3, "strength of these operations", minimum=0, maximum=1)
    mixup: float = setting(
        0.0, "mix pairs of images, fractions from Beta(this, this) (Zhang et al. 2018); 0: no", minimum=0
    )
    memory_gib: float = setting(
        4.0,
        "keep encoded images up to this many GiB in memory, and order them by one permutation",
        minimum=0,
        maximum=1e6,
    )
    shuffle_buffer: int = setting(
        20000, "images among which the next one is drawn, if not kept in memory", minimum=1, maximum=100_000_000
    )


@dataclass(frozen=True)
class FeatureCacheSettings(Settings):
    """Features of a backbone that is not searched."""

    title: ClassVar[str] = "Features of the backbone"

    feature_cache: str = setting(
        "yes",
        "compute the features of the backbone once and train only what is behind them; no: train all of a child",
        choices=("yes", "no"),
    )
    freeze: str = setting(
        "auto",
        "layers of the backbone that are not trained, with --feature_cache=no: none, batch normalization with its"
        " averages, or (backbone) all, whose features are computed from every batch, so that images may change in any"
        " way; auto: norm with --task=detection and a trained backbone, otherwise none",
        choices=("auto", "none", "norm", "backbone"),
    )
    feature_dir: str | None = setting(
        None, "folder of computed features, shared by runs and workers; left out: rl_nas/features in the user's cache"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.freeze not in ("auto", "none") and self.feature_cache != "no":
            raise UsageError(
                f"--freeze={self.freeze} has no effect on features that are computed once, whose backbone is not"
                " trained; give --feature_cache=no"
            )
        if self.feature_dir is not None and self.feature_cache == "no":
            raise UsageError(f"--feature_dir={self.feature_dir} has no effect with --feature_cache=no; leave it out")

    @property
    def asked(self) -> str:
        """The flags that are not the default; empty if all are."""
        usual = {**type(self)().flags(), "freeze": self.freeze if self.freeze == "none" else "auto"}
        return " ".join(f"--{name}={value}" for name, value in self.flags().items() if value != usual[name])
