"""Settings of the runs of searches and full trainings."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.settings import MAX_SEED, Settings, setting
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.best_child import KEPT
from rl_nas.store.choice import FEWEST, MODEL, MOST_SEEDS, REWARD
from rl_nas.store.search_folder import SearchFolder
from rl_nas.strategies.catalog import MODELED, STRATEGIES
from rl_nas.strategies.failures import FAILURE_RULES
from rl_nas.trial import MOST_TRIALS


@dataclass(frozen=True)
class SearchRunSettings(Settings):
    """One run of a search."""

    title: ClassVar[str] = "Run"

    run_dir: str | None = setting(None, "folder of the run, new or (with --resume) an earlier one; needed")
    resume: bool = setting(
        False,
        "continue the run in --run_dir; --trials, --max_hours, --data_dir, --dataset (where a folder was moved),"
        " --then_... and flags of execution may change, which config.json then records",
    )
    rebuild: bool = setting(
        False,
        "with --resume: delete the saved state of the strategy, which may be damaged, and the log of its health, and"
        " make them again from the recorded trials; --async_updates: its further proposals then differ; shared weights"
        " are trained again",
    )
    try_export: bool = setting(
        True,
        "before the first child, draw and export a sample network as the best one will be, and compare what is read"
        " back: what would fail at the end fails at once",
    )
    trials: int = setting(
        100,
        "total number of children to train; left out with --max_hours: as many as fit",
        minimum=1,
        maximum=MOST_TRIALS,  # stands for any number
    )
    max_hours: float | None = setting(
        None,
        "hours after which no further child begins, or epoch of shared weights; those of all sittings of a run count;"
        " left out: no limit",
        above=0,
        maximum=1e6,
    )
    update_every: int | None = setting(
        None,
        "proposals between two updates of the strategy; left out: 1, for bananas and reinforce 5, for ppo"
        " 10, and 20 with --estimator=shared or --early_stop_rule=halving",
        minimum=1,
        maximum=10_000,
    )
    batches_in_flight: int | None = setting(
        None,
        "batches of --update_every proposals whose children are trained at once: each is proposed from the results of"
        " those so many earlier, whatever finishes first, so that the same seed gives the same run with any number of"
        " workers; with 1, workers wait for the last child of each batch; left out: 1 if --update_every is given,"
        " otherwise 10, for bananas and ppo 2, for reinforce 4",
        minimum=1,
        maximum=1000,
    )
    seed: int = setting(0, "seed of all randomness; same flags and seed, same run", minimum=0, maximum=MAX_SEED)
    determinism: str = setting(
        "auto",
        "make TensorFlow repeat results to the bit; auto: unless there is a GPU or --jit_compile=on, where some"
        " operations cannot",
        choices=("auto", "on", "off"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rebuild and not self.resume:
            raise UsageError("--rebuild is for a run that has trials; give --resume too, or leave it out")

    @property
    def folder(self) -> SearchFolder:
        """The folder of the run; raises `UsageError` if none is given."""
        if self.run_dir is None:
            raise UsageError("--run_dir is missing; give the folder of the run, such as --run_dir=runs/first")
        return SearchFolder(self.run_dir)


@dataclass(frozen=True)
class StrategySettings(Settings):
    """The strategy that searches."""

    title: ClassVar[str] = "Strategy"

    strategy: str = setting(
        "controller",
        f"source of architectures: {', '.join(STRATEGIES)}; or module:NAME, a class of your own, called with a space"
        " and a seed",
    )
    prior: str | None = setting(
        None,
        f"folder of an earlier search of the same space, on other data or by a cheaper proxy, whose trials the model of"
        f" the rewards knows from the start; strategies {' and '.join(MODELED)}",
    )
    failure_reward: str = setting(
        "worst",
        "reward of a failed child: worst: the worst so far; zero: 0, for rewards that are never negative; skip: the"
        " strategy is not shown the child",
        choices=tuple(FAILURE_RULES),
    )


@dataclass(frozen=True)
class ChoiceSettings(Settings):
    """The choice of the best child when a search ends."""

    title: ClassVar[str] = "Choice of the best"

    choose_by: str = setting(
        MODEL,
        f"choose the best of the {KEPT} children with the highest rewards by the reward that a model of all trials"
        f" expects of it, in searches of {FEWEST} successful children or more; or by its own reward, part of which is"
        " noise",
        choices=(MODEL, REWARD),
    )
    confirm: int | None = setting(
        None,
        "train so many of the best children again with other seeds when the search ends, and choose by the mean of"
        " these trainings",
        minimum=1,
        maximum=KEPT,
    )
    confirm_seeds: int = setting(3, "further trainings of each child of --confirm", minimum=1, maximum=MOST_SEEDS)


@dataclass(frozen=True)
class SecondStageSettings(Settings):
    """Longer trainings of the best networks after a search."""

    title: ClassVar[str] = "Then"
    prefix: ClassVar[str] = "then_"

    train: str | None = setting(None, "recipe of `rl_nas train` for longer trainings of the best networks")
    top: int = setting(5, "number of best networks that are trained longer", minimum=1, maximum=1000)
    random: int = setting(0, "random networks that are trained too, for comparison", minimum=0, maximum=1000)
    also: str | None = setting(None, "published networks that are trained too, separated by commas, such as NASNet-A")
    seeds: int = setting(1, "trainings of each network, with seeds 0, 1, ...", minimum=1, maximum=1000)
    full: str | None = setting(None, "recipe of the full training of the best cell found")


@dataclass(frozen=True)
class TrainRunSettings(Settings):
    """One full training."""

    title: ClassVar[str] = "Run"

    genotype: str | None = setting(
        None,
        "needed; a genotype file, a run's folder (which tells data set, image size, splits and task, too), a"
        f" NAS-Bench-201 string, a DARTS Genotype(...), an arc of ENAS' micro space, or one of {', '.join(PUBLISHED)}",
    )
    run_dir: str | None = setting(None, "folder of the training, new or (with --resume) an earlier one; needed")
    resume: bool = setting(False, "continue the training in --run_dir from its last checkpoint")
    final_test: bool = setting(True, "measure the trained network once on the test split, at the end")
    valid_every: int = setting(1, "epochs between two measurements on the held-out images", minimum=1)
    checkpoint_steps: int | None = setting(
        None, "train steps after which the state is saved, besides after every epoch", minimum=1
    )
    checkpoint_dir: str | None = setting(
        None, "folder or bucket (gs://...) of the checkpoints; left out: checkpoints in --run_dir"
    )
    keep: int = setting(3, "number of last checkpoints to keep", minimum=1)
    seed: int = setting(0, "seed of all randomness; same flags and seed, same training", minimum=0, maximum=MAX_SEED)
    determinism: str = setting(
        "auto",
        "make TensorFlow repeat results to the bit; auto: unless there is a GPU or --jit_compile=on, where some"
        " operations cannot",
        choices=("auto", "on", "off"),
    )
