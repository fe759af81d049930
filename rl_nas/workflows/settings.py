"""Settings of a search and of a full training as runs."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.run_folder import SearchFolder
from rl_nas.strategies.catalog import STRATEGIES
from rl_nas.strategies.failures import FAILURE_RULES


@dataclass(frozen=True)
class SearchRunSettings(Settings):
    """One run of a search."""

    title: ClassVar[str] = "Run"

    run_dir: str | None = setting(None, "folder of the run, new or (with --resume) an earlier one; needed")
    resume: bool = setting(
        False,
        "continue the run in --run_dir; --trials, --data_dir, --then_... and where children run may change, and"
        " config.json then tells when",
    )
    trials: int = setting(100, "children to train in all", minimum=1)
    update_every: int = setting(20, "proposals between two updates of the strategy", minimum=1)
    seed: int = setting(0, "of everything random; same flags and seed, same run", minimum=0)
    determinism: str = setting(
        "auto",
        "make TensorFlow repeat results to the bit; auto: unless a GPU is used, where some operations can't",
        choices=("auto", "on", "off"),
    )

    @property
    def folder(self) -> SearchFolder:
        """The folder of the run; raises `UsageError` where none is given."""
        if self.run_dir is None:
            raise UsageError("--run_dir is missing; give the folder of the run, such as --run_dir=runs/first")
        return SearchFolder(self.run_dir)


@dataclass(frozen=True)
class StrategySettings(Settings):
    """The strategy that searches."""

    title: ClassVar[str] = "Strategy"

    strategy: str = setting(
        "controller",
        f"what proposes architectures: {', '.join(STRATEGIES)}; or module:NAME, a class of one's own, made of a space"
        " and a seed",
    )
    failure_reward: str = setting(
        "worst",
        "what a failed child counts as: the worst reward so far, 0, or nothing: the strategy is not shown it",
        choices=tuple(FAILURE_RULES),
    )


@dataclass(frozen=True)
class SecondStageSettings(Settings):
    """Longer trainings of the best networks of a search that is over."""

    title: ClassVar[str] = "Then"
    prefix: ClassVar[str] = "then_"

    train: str | None = setting(None, "recipe of `rl_nas train` by which the best networks are trained longer")
    top: int = setting(5, "so many of the best are", minimum=1)
    random: int = setting(0, "random networks that are too, for comparison", minimum=0)
    also: str | None = setting(None, "published networks that are too, with commas between, such as NASNet-A")
    seeds: int = setting(1, "trainings of each, with the seeds 0, 1, ...", minimum=1)
    full: str | None = setting(None, "recipe by which the best of the found ones is then trained in full")


@dataclass(frozen=True)
class TrainRunSettings(Settings):
    """One full training."""

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
