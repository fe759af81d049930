"""The flags of `rl_nas train`."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.child.settings import (
    AugmentSettings,
    DataSettings,
    DeviceSettings,
    InitSettings,
    InputPipelineSettings,
    TrainingSettings,
)
from rl_nas.flags.parsing import Command
from rl_nas.networks.settings import NetworkSettings
from rl_nas.settings import Settings, setting
from rl_nas.spaces.published import PUBLISHED


@dataclass(frozen=True)
class TrainRunSettings(Settings):
    """One training in full."""

    title: ClassVar[str] = "Run"

    genotype: str | None = setting(
        None, f"needed; a genotype file, a run's folder, a NAS-Bench-201 string, or one of {', '.join(PUBLISHED)}"
    )
    run_dir: str | None = setting(None, "folder of the training, new or (with --resume) an earlier one; needed")
    resume: bool = setting(False, "continue the training in --run_dir where its last checkpoint is")
    final_test: bool = setting(True, "measure the trained network once on the test split, at the end")
    valid_every: int = setting(1, "epochs between two measurements on the held-out images", minimum=1)
    checkpoint_steps: int | None = setting(
        None, "save the state after every so many steps too, not only after epochs", minimum=1
    )
    checkpoint_dir: str | None = setting(
        None, "folder or bucket (gs://...) of the checkpoints; left out: checkpoints in --run_dir"
    )
    keep: int = setting(3, "so many of the last checkpoints stay", minimum=1)
    seed: int = setting(0, "of everything random; same flags and seed, same training", minimum=0)
    determinism: str = setting(
        "auto",
        "make TensorFlow repeat results to the bit; auto: unless a GPU is used, where some operations can't",
        choices=("auto", "on", "off"),
    )


CHANGEABLE = (
    "run_dir",
    "resume",
    "data_dir",
    "json",
    "debug",
    "genotype",
    "keep",
    "checkpoint_steps",
    "final_test",
    "valid_every",
)
"""Flags that a resumed training may be given anew (the genotype is read from the run's folder)."""

TRAIN = Command(
    name="rl_nas train",
    summary=(
        "trains the network of a genotype in full; measures it on held-out images\n"
        "after every epoch, and once, at the end, on the test split."
    ),
    examples=(
        "rl_nas train --genotype=runs/digits --flagfile=flags/digits_final.cfg --run_dir=runs/digits-final",
        "rl_nas train --genotype=NASNet-A --flagfile=flags/cifar10_nasnet_a.cfg --run_dir=runs/nasnet-a",
        "rl_nas train --init=runs/nasnet-a --flagfile=flags/finetune.cfg --dataset=folder:photos --image_size=32"
        " --genotype=NASNet-A --run_dir=runs/photos",
        "rl_nas train --resume --run_dir=runs/nasnet-a",
    ),
    groups=(
        TrainRunSettings,
        InitSettings,
        NetworkSettings,
        DataSettings,
        TrainingSettings,
        AugmentSettings,
        InputPipelineSettings,
        DeviceSettings,
    ),
)
