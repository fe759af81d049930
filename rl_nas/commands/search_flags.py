"""The flags of `rl_nas search`."""

from dataclasses import dataclass, fields
from typing import ClassVar

from rl_nas.child.settings import AugmentSettings, DataSettings, TrainingSettings
from rl_nas.commands.catalog import STRATEGIES
from rl_nas.controller.settings import ControllerSettings
from rl_nas.early_stopping.thresholds import EarlyStopSettings
from rl_nas.errors import UsageError
from rl_nas.evaluation.limits import LimitSettings
from rl_nas.evaluation.rewards import RewardSettings
from rl_nas.evaluation.settings import EstimatorSettings, FilterSettings
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.flags.parsing import Command
from rl_nas.networks.settings import NetworkSettings
from rl_nas.settings import Settings, setting
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.run_folder import SearchFolder
from rl_nas.strategies.failures import FAILURE_RULES
from rl_nas.strategies.health import HealthSettings
from rl_nas.strategies.settings import EvolutionSettings


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
        """The run's; raises `UsageError` where none is given."""
        if self.run_dir is None:
            raise UsageError("--run_dir is missing; give the folder of the run, such as --run_dir=runs/first")
        return SearchFolder(self.run_dir)


@dataclass(frozen=True)
class StrategySettings(Settings):
    """The strategy that searches."""

    title: ClassVar[str] = "Strategy"

    strategy: str = setting("controller", "what proposes architectures", choices=tuple(STRATEGIES))
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


SEARCH = Command(
    name="rl_nas search",
    summary=(
        "searches network cells: a controller proposes them, children are\n"
        "trained on the data, their accuracy on held-out training images is the reward."
    ),
    examples=(
        "rl_nas search --flagfile=flags/digits.cfg --run_dir=runs/digits",
        "rl_nas search --flagfile=flags/digits.cfg --space=amoebanet --strategy=aging_evolution --run_dir=runs/aging",
        "rl_nas search --resume --run_dir=runs/digits --trials=40",
        "rl_nas search --resume --run_dir=runs/digits --then_train=flags/digits_final.cfg --then_random=3",
    ),
    groups=(
        SearchRunSettings,
        ExecutionSettings,
        SpaceSettings,
        StrategySettings,
        ControllerSettings,
        EvolutionSettings,
        HealthSettings,
        EstimatorSettings,
        RewardSettings,
        LimitSettings,
        FilterSettings,
        EarlyStopSettings,
        SecondStageSettings,
        DataSettings,
        NetworkSettings,
        TrainingSettings,
        AugmentSettings,
    ),
)

CHANGEABLE = (
    *("run_dir", "resume", "trials", "data_dir", "json", "debug"),
    *(field.name for field in fields(ExecutionSettings) if field.name not in ("threads_per_worker", "async_updates")),
    *(SecondStageSettings.prefix + field.name for field in fields(SecondStageSettings)),
)
"""Flags that a resumed run may be given anew."""
