"""Settings of trainings and devices; TensorFlow-free, so that help texts are instant."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting


def parse_step_epochs(text: str) -> tuple[float, ...]:
    """The epochs of `--step_epochs`, as in `60,80`.

    Raises:
        UsageError: they are not rising numbers above 0.
    """
    try:
        epochs = [float(word) for word in text.split(",")]
    except ValueError:
        epochs = []
    if not epochs or not all(low < high < math.inf for low, high in pairwise([0.0, *epochs])):
        raise UsageError(f"--step_epochs={text}: expected rising numbers of epochs above 0, such as 60,80")
    return tuple(epochs)


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """Training of a child; by default SGD with momentum, single-period cosine (Zoph et al. 2018, appendix A.3)."""

    title: ClassVar[str] = "Child training"

    epochs: int = setting(20, "passes over the training images", minimum=1, maximum=1_000_000)
    batch_size: int = setting(
        128, "images of a train step; the last partial batch of an epoch is dropped", minimum=1, maximum=1_000_000
    )
    learning_rate: float = setting(0.1, "largest learning rate", above=0)
    learning_rate_batch: int | None = setting(
        None, "batch size that the learning rate is for: it is scaled in proportion; left out: not scaled", minimum=1
    )
    schedule: str = setting(
        "cosine",
        "how the learning rate falls: along half a cosine, along several of growing length (Loshchilov and Hutter"
        " 2017), by a factor every few epochs (exponential), by a factor after chosen epochs (step), or as a power of"
        " the fraction that is left (poly; Chen et al. 2017)",
        choices=("cosine", "cosine_restarts", "exponential", "step", "poly"),
    )
    final_rate: float = setting(
        0.0,
        "fraction of the learning rate that a half cosine or poly ends at; not schedules exponential and step",
        minimum=0,
        maximum=1,
    )
    restart_epochs: float = setting(10.0, "length of the first half cosine; schedule cosine_restarts", above=0)
    restart_growth: float = setting(
        2.0, "ratio of each half cosine's length to the one before; schedule cosine_restarts", minimum=1, maximum=1000
    )
    decay_rate: float = setting(0.97, "factor of each decay; schedule exponential", above=0, maximum=1)
    decay_epochs: float = setting(2.4, "epochs between two decays; schedule exponential", above=0)
    step_epochs: str | None = setting(
        None, "epochs after which the learning rate falls, rising numbers, such as 60,80; schedule step, which needs it"
    )
    step_factor: float = setting(
        0.1, "factor of the learning rate after each of --step_epochs; schedule step", above=0, maximum=1
    )
    poly_power: float = setting(0.9, "power of the fraction of the steps that is left; schedule poly", above=0)
    warmup_epochs: float = setting(0.0, "epochs in which the learning rate grows linearly from 0", minimum=0)
    optimizer: str = setting(
        "sgd",
        "stochastic gradient descent, RMSProp, Adam (Kingma and Ba 2015), or Adam with decoupled weight decay"
        " (Loshchilov and Hutter 2019)",
        choices=("sgd", "rmsprop", "adam", "adamw"),
    )
    momentum: float = setting(
        0.9, "momentum; of adam and adamw the decay of the mean gradient (beta 1)", minimum=0, maximum=0.9999
    )
    nesterov: bool = setting(False, "use Nesterov's momentum; optimizer sgd")
    rms_decay: float = setting(0.9, "decay of the mean square; optimizer rmsprop", minimum=0, maximum=0.9999)
    rms_epsilon: float = setting(1.0, "added to the mean square under the root; optimizer rmsprop", above=0)
    adam_beta2: float = setting(
        0.999, "decay of the mean square (beta 2); optimizers adam and adamw", minimum=0, maximum=0.999999
    )
    adam_epsilon: float = setting(1e-8, "added to the root of the mean square; optimizers adam and adamw", above=0)
    weight_decay: float = setting(
        5e-4,
        "L2: this times half the squared kernels is added to the loss; of adamw: kernels shrink by this times the"
        " learning rate",
        minimum=0,
    )
    clip_norm: float = setting(5.0, "gradients are scaled down to this global norm; 0: never", minimum=0)
    ema_decay: float = setting(
        0.0,
        "measure and keep a moving average of the weights with this decay; 0: the last weights",
        minimum=0,
        maximum=0.999999,
    )
    precision: str = setting(
        "float32",
        "number type that convolutions compute in, and most other layers; weights, normalization statistics, depthwise"
        " convolutions, the last layer and the loss are float32",
        choices=("float32", "bfloat16", "float16"),
    )
    jit_compile: str = setting(
        "auto",
        "compile train steps with XLA (minutes on a CPU; TPUs do so anyway); auto: on one GPU, if there are enough of"
        " them that it pays",
        choices=("auto", "on", "off"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = self.steps
        if self.schedule != "step":
            return
        if not steps:
            raise UsageError("--schedule=step needs --step_epochs: give the epochs after which it falls, such as 60,80")
        if steps[-1] >= self.epochs:
            raise UsageError(
                f"--step_epochs={self.step_epochs}: expected numbers below {self.epochs}, the epochs of the training"
            )

    @property
    def compiled(self) -> bool:
        """Whether train steps are compiled; not while it is to be found out (`settled_compilation`)."""
        return self.jit_compile == "on"

    @property
    def steps(self) -> tuple[float, ...]:
        """Epochs after which the learning rate falls; empty if none are given."""
        return () if self.step_epochs is None else parse_step_epochs(self.step_epochs)


@dataclass(frozen=True)
class DeviceSettings(Settings):
    """Devices that a training runs on."""

    title: ClassVar[str] = "Devices"

    distribute: str = setting(
        "auto",
        "one device; all GPUs (mirrored); all GPUs of the workers in TF_CONFIG (multiworker); a TPU; auto: what this"
        " machine has",
        choices=("auto", "one", "mirrored", "multiworker", "tpu"),
    )
    tpu: str | None = setting(None, "name or address of a TPU; local: that of this machine")
    steps_per_loop: int = setting(
        20, "train steps between two checks of the loss, without returning to Python", minimum=1, maximum=1_000_000
    )
    logical_cpus: int = setting(
        1, "split the CPU into this many devices, to try distribution without GPUs", minimum=1, maximum=256
    )


@dataclass(frozen=True)
class InitSettings(Settings):
    """Weights that a training starts from."""

    title: ClassVar[str] = "Start"

    init: str | None = setting(
        None,
        "start from trained weights: the folder of a training, its model.keras, or keras_applications (NASNet-A from"
        " ImageNet); images are normalized as they were there",
    )
    init_head: str = setting(
        "auto",
        "with --init: keep the weights of the head, make new ones, or (auto) new ones where they do not fit, as"
        " for other classes",
        choices=("auto", "keep", "new"),
    )
    freeze: str = setting(
        "auto",
        "layers that are not trained: none, the backbone's batch normalization with its averages (for short trainings;"
        " an auxiliary head's too), or all but the head; auto: norm if --task=detection starts from trained weights,"
        " otherwise none",
        choices=("auto", "none", "norm", "backbone"),
    )
    backbone_rate: float = setting(
        1.0, "factor of the learning rate for all layers but the head; not 0: see --freeze", minimum=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.backbone_rate:
            raise UsageError(
                "--backbone_rate=0: expected a number > 0; for a backbone that stays, give --freeze=backbone"
            )
        if self.freeze == "backbone" and self.backbone_rate != 1:
            raise UsageError(
                f"--backbone_rate={self.backbone_rate:g} has no effect with --freeze=backbone; leave one of them out"
            )
