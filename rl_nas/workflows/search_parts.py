"""The parts of a search, checked and prepared before anything is written."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from rl_nas.child.data.image_cache import image_cache
from rl_nas.child.data.images import ImageData
from rl_nas.child.data.source import ImageSource
from rl_nas.child.training.child_training import training_steps
from rl_nas.child.training.compilation import settled_compilation
from rl_nas.early_stopping.thresholds import rungs
from rl_nas.errors import UsageError
from rl_nas.evaluation.rewards import make_reward
from rl_nas.fidelities import WHOLE, Fidelities
from rl_nas.loops.updates import check_recovery
from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import BACKBONE
from rl_nas.networks.plan import Plan
from rl_nas.report.first_lines import small_data_line
from rl_nas.report.heartbeat import QUIET, working
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.store.search_folder import SearchFolder
from rl_nas.strategies import Strategy
from rl_nas.strategies.catalog import find_strategy
from rl_nas.surrogate.earlier import EarlierTrials
from rl_nas.tasks.sources import tell_user
from rl_nas.tasks.task import Task
from rl_nas.trial import Reward
from rl_nas.workflows.affordable import affordable
from rl_nas.workflows.child_setup import ChildSetup, set_up
from rl_nas.workflows.children import ChildExecutor, Children
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.networks import check_parts
from rl_nas.workflows.planned_networks import plan_networks
from rl_nas.workflows.pretraining import check_pretraining
from rl_nas.workflows.prior import earlier_trials, prior_document
from rl_nas.workflows.run_config import without_unread
from rl_nas.workflows.run_data import checked_data, described, open_data, read_images
from rl_nas.workflows.space import any_genotype, search_space
from rl_nas.workflows.tensorflow_setup import settle_determinism


@dataclass(frozen=True)
class SearchParts:
    """The parts of a search.

    Attributes:
        config: with the task and all else that was found.
        folder: of the run.
        data: the fingerprint of the data.
        task: that the data have.
        source: of the data.
        images: in memory.
        space: that is searched.
        strategy: fresh.
        reward: what the strategy maximizes.
        children: their execution.
        setup: what children have in common.
        earlier: trials of an earlier search that the strategy knows, if there are any.
    """

    config: SearchConfig
    folder: SearchFolder
    data: dict[str, Any]
    task: Task
    source: ImageSource
    images: ImageData
    space: SearchSpace[Any]
    strategy: Strategy
    reward: Reward
    children: Children
    setup: ChildSetup
    earlier: EarlierTrials | None = None

    def child_plan(self, architecture: Architecture, steps: int | None = None) -> Plan:
        """The network that is trained as the child of an architecture; with `steps`, for so many train steps."""
        return self.setup.children.plan(self.space.decode(architecture), steps)

    @property
    def prior(self) -> dict[str, Any]:
        """What the run's config records of its prior knowledge; nothing if there is none."""
        return prior_document(self.earlier)

    @contextmanager
    def executor(self, config: SearchConfig) -> Iterator[ChildExecutor]:
        """The executor of the children, whose workers find the images decoded; `config` is of their training."""
        pretraining, folder = self.setup.pretraining, self.folder
        kept = image_cache(pretraining.images, folder.pretraining_images, tell_user) if pretraining else nullcontext()
        with image_cache(self.images, folder.images, tell_user), kept, self.children.executor(config) as executor:
            yield executor


def prepare_search(
    config: SearchConfig,
    folder: SearchFolder,
    *,
    resumed: bool = False,
    debug: bool = False,
    asked: Collection[str] = (),
) -> SearchParts:
    """Checks data, space, network and strategy, and reads the images; writes nothing.

    Args:
        config: of the search.
        folder: of the run.
        resumed: leave out settings of an earlier part that have no effect, and tell; otherwise refuse them.
        debug: let workers' TensorFlow print its own log.
        asked: names of the flags that the command line itself gives.

    Raises:
        UsageError: data, space, network or strategy do not fit together.
    """
    children = Children(config.execution, folder, debug=debug, hide_gpus=not config.shared)
    tell_user(children.device_line(config.training.precision))
    settle_determinism(config.run.determinism, jit_compile=config.training.compiled)
    space, reward = search_space(config), make_reward(config.reward)
    genotype = any_genotype(space)
    with working(f"data: opening {config.data.dataset}"):
        config, opened = open_data(config)
        data = checked_data(opened.source, folder, resumed=resumed)
    task, source = opened.task, opened.source
    _check_task(config, task, genotype, source.class_names)  # before images are decoded and features are computed
    earlier = earlier_trials(config, space, folder, resumed=resumed)
    make_strategy = find_strategy(config.strategy.strategy)
    tell_user(described(source, task))
    # What flags left open, so that the record says what was done.
    config = replace(config, task=replace(config.task, task=config.task.task or task.name), data=source.settings)
    if resumed and config.parts.backbone is None:
        head = task.head(config.problem(task, source.class_names))
        config = replace(config, network=without_unread(config.network, genotype, head))
    planned = plan_networks(config, genotype, opened).fitting(space, asked)
    config = planned.config(config)
    tell_user(planned.line(space))
    if children.share_gpus:
        children.divide_gpus(planned.child_bytes(space, source, config.training.batch_size))
    space = affordable(space, config.limits, planned.planned_cost)
    options = replace(config.strategies, earlier=earlier, fidelities=_fidelities(config, reward))
    strategy = make_strategy(space, options, config.run.seed)
    check_recovery(strategy, config.health)
    images = read_images(source)
    if config.training.batch_size > len(images.train_images):
        tell_user(small_data_line(config.training.batch_size, len(images.train_images)))
    shortest = min(options.fidelities.epochs, default=config.training.epochs)  # of a child that does not fail
    steps = training_steps(replace(config.training, epochs=shortest), len(images.train_images))
    cores = 0 if config.shared else children.cores_per_gpu
    config = replace(config, training=settled_compilation(config.training, steps, cores, tell_user, " a child"))
    with working("still preparing what children share", first=QUIET):
        setup = set_up(config, genotype, opened, images, folder, planned=planned)
    parts = (config, folder, data, task, source, images, space, strategy, reward, children, setup)
    return SearchParts(*parts, earlier=earlier)


def _fidelities(config: SearchConfig, reward: Reward) -> Fidelities:
    """The rungs at which children may be stopped; none if they are all trained to the end."""
    if not config.early_stop.stops:
        return WHOLE
    return Fidelities(tuple(rungs(config.early_stop, config.training.epochs)), reward)


def _check_task(config: SearchConfig, task: Task, genotype: Any, class_names: Sequence[str]) -> None:
    """Raises `UsageError` for a config that the task or the parts of its networks do not allow."""
    config.check_task(task)
    task.check(config.problem(task, class_names))
    if config.shared:
        task.require("one_shot", "--estimator=shared")
    if config.filter.filter:
        task.require(config.filter.filter, f"--filter={config.filter.filter}")
    if config.warm_start.warm_start == "scores":
        names = config.warm_start.names(task.supports)
        if not names:
            raise UsageError(
                f"--warm_start=scores: --task={task.name} has no scores of untrained networks; leave it out"
            )
        for name in names:
            task.require(name, f"--warm_start_scores={name}")
    space = f"--space={config.space.space}"
    check_parts(task, genotype, space, config.flags())
    check_pretraining(config.pretraining, task, space, is_backbone=family_of(genotype).part == BACKBONE)
