"""Settings of the task."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.networks.foreign import APPLICATIONS, is_foreign
from rl_nas.settings import Settings, setting
from rl_nas.tasks.catalog import LAYOUTS, TASKS


@dataclass(frozen=True)
class TaskSettings(Settings):
    """The task."""

    title: ClassVar[str] = "Task"

    task: str | None = setting(
        None,
        f"task of the networks: {', '.join(TASKS)}; or module:NAME, an rl_nas.Task of your own; left out: the first"
        f" whose targets the data set has. Layouts of --dataset=folder:PATH for {LAYOUTS}",
    )


@dataclass(frozen=True)
class PartSettings(Settings):
    """The part of networks that all tasks have."""

    title: ClassVar[str] = "Backbone"

    backbone: str | None = setting(
        None,
        "backbone of networks whose genotype describes another part: the folder of a training (its weights too), a"
        " published name, a genotype file, or a search's folder; a Keras file (NAME.keras); or a model of"
        " keras.applications, such as MobileNetV2",
    )
    backbone_weights: str = setting(
        "imagenet", "weights of a backbone of keras.applications", choices=("imagenet", "random")
    )
    backbone_pixels: str = setting(
        "auto",
        "scale of the pixels that a backbone of Keras was trained on; imagenet: the mean and the deviation of ImageNet;"
        " auto: that of keras.applications, or that which the file's own first layers make of 0..255",
        choices=("auto", "0..255", "0..1", "-1..1", "imagenet"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for flag, value, fits in (
            ("backbone_weights", self.backbone_weights, self.backbone in APPLICATIONS),
            ("backbone_pixels", self.backbone_pixels, is_foreign(self.backbone or "")),
        ):
            if value != type(self).__dataclass_fields__[flag].default and not fits:
                raise UsageError(f"--{flag}={value} has no effect on --backbone={self.backbone}; leave it out")
