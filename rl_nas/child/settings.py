"""Settings of data, augmentation and training; TensorFlow-free, so that help texts are instant."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting

FOLDER = "folder:"
"""What a data set's name begins with that is a folder of images."""


@dataclass(frozen=True)
class DataSettings(Settings):
    """Which images children are trained on and measured with."""

    title: ClassVar[str] = "Data"

    dataset: str = setting(
        "digits",
        "TFDS name of an image classification data set (digits needs no download); or folder:PATH, which holds"
        " train/CLASS/NAME.jpg",
    )
    data_dir: str | None = setting(None, "folder of prepared TFDS data sets; left out: TFDS's own default")
    valid_fraction: float = setting(
        0.1, "share of the training split that is held out, in a search for the reward", above=0, maximum=0.9
    )
    valid_images: int | None = setting(None, "images held out, instead of a share; 0, for train only: none", minimum=0)
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
    cutout: int = setting(0, "pixels; put a square of this size of every image to the mean colour", minimum=0)


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """How a child is trained; by default SGD with momentum, single-period cosine (Zoph et al. 2018, appendix A.3)."""

    title: ClassVar[str] = "Child training"

    epochs: int = setting(20, "passes over the training images", minimum=1)
    batch_size: int = setting(128, "images a step; the last partial batch of an epoch is dropped", minimum=1)
    learning_rate: float = setting(0.1, "the largest one", above=0)
    learning_rate_batch: int | None = setting(
        None, "batch size that the learning rate is for: it is scaled in proportion; left out: not scaled", minimum=1
    )
    schedule: str = setting(
        "cosine",
        "how the learning rate falls: along half a cosine, along several of growing length (Loshchilov and Hutter"
        " 2017), or by a factor every few epochs",
        choices=("cosine", "cosine_restarts", "exponential"),
    )
    final_rate: float = setting(
        0.0, "share of the learning rate that a half cosine ends at; both cosine schedules", minimum=0, maximum=1
    )
    restart_epochs: float = setting(10.0, "length of the first half cosine; schedule cosine_restarts", above=0)
    restart_growth: float = setting(
        2.0, "each half cosine is so many times the one before; schedule cosine_restarts", minimum=1
    )
    decay_rate: float = setting(0.97, "that factor; schedule exponential", above=0, maximum=1)
    decay_epochs: float = setting(2.4, "those epochs; schedule exponential", above=0)
    warmup_epochs: float = setting(0.0, "the learning rate grows linearly from 0 for so long", minimum=0)
    optimizer: str = setting("sgd", "what follows the gradient", choices=("sgd", "rmsprop"))
    momentum: float = setting(0.9, "of either optimizer", minimum=0, maximum=0.9999)
    nesterov: bool = setting(False, "use Nesterov's momentum; optimizer sgd")
    rms_decay: float = setting(0.9, "of the squares' moving average; optimizer rmsprop", minimum=0, maximum=0.9999)
    rms_epsilon: float = setting(1.0, "added to that average under the root; optimizer rmsprop", above=0)
    weight_decay: float = setting(5e-4, "L2: this times half the squared kernels is added to the loss", minimum=0)
    clip_norm: float = setting(5.0, "gradients are scaled down to this global norm; 0: never", minimum=0)
    label_smoothing: float = setting(
        0.0, "share of every label that is spread over all classes", minimum=0, maximum=0.9
    )
    ema_decay: float = setting(
        0.0,
        "measure and keep a moving average of the weights with this decay; 0: the last weights",
        minimum=0,
        maximum=0.999999,
    )
    auxiliary_weight: float = setting(0.4, "weight of the auxiliary head's loss, where there is one", minimum=0)
    jit_compile: bool = setting(False, "compile children with XLA (minutes a child on a CPU; for TPU and GPU)")


@dataclass(frozen=True)
class InputPipelineSettings(Settings):
    """How images reach a training in full, which need not hold them in memory."""

    title: ClassVar[str] = "Images of a full training"

    normalization: str = setting(
        "dataset",
        "how pixels become numbers: mean 0 and deviation 1 of every channel over (at most 50,000) training images,"
        " or -1 to 1 whatever they show",
        choices=("dataset", "unit"),
    )
    inception_crop: bool = setting(
        False, "train on random parts of 8 to 100 % of the image, measure on its middle (Szegedy et al. 2015)"
    )
    color: float = setting(
        0.0,
        "vary brightness, saturation, hue and contrast, so strongly (1: as Inception's preprocessing)",
        minimum=0,
        maximum=1,
    )
    rand_augment: int = setting(0, "random operations on every image (Cubuk et al. 2020); 0: none", minimum=0)
    rand_augment_magnitude: float = setting(0.3, "their strength", minimum=0, maximum=1)
    mixup: float = setting(
        0.0, "mix pairs of images, shares from Beta(this, this) (Zhang et al. 2018); 0: no", minimum=0
    )
    memory_gib: float = setting(
        4.0, "keep encoded images in memory up to so many GiB and order them by one permutation", minimum=0
    )
    shuffle_buffer: int = setting(20000, "images among which the next one is drawn where they are not kept", minimum=1)


@dataclass(frozen=True)
class DeviceSettings(Settings):
    """On which devices."""

    title: ClassVar[str] = "Devices"

    distribute: str = setting(
        "auto",
        "one device; all GPUs (mirrored); all GPUs of the workers in TF_CONFIG; a TPU; auto: what there is on this"
        " machine",
        choices=("auto", "one", "mirrored", "multiworker", "tpu"),
    )
    tpu: str | None = setting(None, "name or address of a TPU; local: that of this machine")
    precision: str = setting(
        "float32", "what layers compute in; weights are float32", choices=("float32", "bfloat16", "float16")
    )
    steps_per_loop: int = setting(
        20, "steps between two looks at the loss: without a way back to Python on TPUs and GPUs", minimum=1
    )
    logical_cpus: int = setting(1, "split the CPU into so many devices, to try distribution without GPUs", minimum=1)


@dataclass(frozen=True)
class InitSettings(Settings):
    """What a training starts from."""

    title: ClassVar[str] = "Start"

    init: str | None = setting(
        None,
        "start from trained weights: the folder of a training, its model.keras, or keras_applications (NASNet-A from"
        " ImageNet); images are whitened as they were there",
    )
    head: str = setting(
        "auto",
        "with --init, the classifier: its weights too, new ones, or (auto) new ones where the classes' number differs",
        choices=("auto", "keep", "new"),
    )
    freeze: str = setting(
        "none",
        "what stays as it is: nothing, batch normalisation with its averages (for short trainings), or all but the"
        " classifier",
        choices=("none", "norm", "backbone"),
    )
