"""Settings of data, augmentation and training; TensorFlow-free, so that help texts are instant."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class DataSettings(Settings):
    """Which images children are trained on and measured with. The test split is never read."""

    title: ClassVar[str] = "Data"

    dataset: str = setting("digits", "TFDS name of an image classification data set; digits needs no download")
    data_dir: str | None = setting(None, "folder of prepared TFDS data sets; left out: TFDS's own default")
    valid_fraction: float = setting(
        0.1, "share of the training split that is held out for the reward", above=0, maximum=0.9
    )
    valid_images: int | None = setting(None, "images held out for the reward, instead of a share", minimum=1)
    train_images: int | None = setting(None, "train on this many random images; left out: on all", minimum=1)
    image_size: int | None = setting(
        None, "pixels; resize images to this square (needed where their sizes differ)", minimum=1
    )
    split_seed: int = setting(0, "seed of the held-out choice, the same for runs that are to be compared", minimum=0)


@dataclass(frozen=True)
class AugmentSettings(Settings):
    """How training images are varied."""

    title: ClassVar[str] = "Augmentation"

    crop_margin: int = setting(0, "pixels; enlarge images by this on every side, then crop them at random", minimum=0)
    crop: str = setting(
        "pad", "how images are enlarged before the crop: by zeros, or by upsampling", choices=("pad", "upsample")
    )
    flip: bool = setting(False, "mirror half of the images left to right")


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """How a child is trained: SGD with momentum, single-period cosine (Zoph et al. 2018, appendix A.3)."""

    title: ClassVar[str] = "Child training"

    epochs: int = setting(20, "passes over the training images", minimum=1)
    batch_size: int = setting(128, "images a step; the last partial batch of an epoch is dropped", minimum=1)
    learning_rate: float = setting(0.1, "of the first step; falls to 0 along a cosine", above=0)
    momentum: float = setting(0.9, "of SGD", minimum=0, maximum=0.9999)
    nesterov: bool = setting(False, "use Nesterov's momentum")
    weight_decay: float = setting(5e-4, "L2: this times half the squared kernels is added to the loss", minimum=0)
    clip_norm: float = setting(5.0, "gradients are scaled down to this global norm; 0: never", minimum=0)
    auxiliary_weight: float = setting(0.4, "weight of the auxiliary head's loss, where there is one", minimum=0)
    jit_compile: bool = setting(False, "compile children with XLA (minutes a child on a CPU; for TPU and GPU)")
