"""Rankings of networks by several ways of training, and by scores of untrained networks."""

import math
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from rl_nas.child.data.image_cache import image_cache
from rl_nas.child.data.images import ImageData
from rl_nas.child.data.settings import DataSettings
from rl_nas.child.data.source import ImageSource
from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.evaluation.proxy_ranking import Proxy
from rl_nas.evaluation.rewards import quality
from rl_nas.evaluation.zero_cost import SCORES, first_images
from rl_nas.execution.supervision import SupervisedExecutor
from rl_nas.loops.finished import FinishedSearch
from rl_nas.loops.ordered import search
from rl_nas.loops.updates import Watcher
from rl_nas.report.heartbeat import working
from rl_nas.report.progress import SearchProgress
from rl_nas.settings import Settings
from rl_nas.store.files import make_folder
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import TrialStore
from rl_nas.strategies.random_search import RandomSearch
from rl_nas.tasks.catalog import TASK_SETTINGS
from rl_nas.tasks.sources import Opened, Unsplit, open_examples, tell_user
from rl_nas.trial import Trial, child_seed
from rl_nas.workflows.child_setup import set_up
from rl_nas.workflows.children import Children
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.planned_networks import plan_networks
from rl_nas.workflows.run_data import described, read_images, sized
from rl_nas.workflows.space import any_genotype, search_space
from rl_nas.workflows.trust import TrustSettings

FULL = "full"
"""Name of the training that proxies are compared with, and of its folder in the run's."""


class ProxyTraining:
    """The training of random networks in one way. Creation checks everything and writes nothing.

    Args:
        name: of the way, and of its folder in the run's.
        way: config of this training.
        config: of full training, whose networks are used in all ways.
        folder: of the run.
        asked: names of the flags that the command line itself gives.

    Raises:
        UsageError: data, space and network do not fit together.
    """

    def __init__(
        self, name: str, way: SearchConfig, config: SearchConfig, folder: SearchFolder, asked: Collection[str] = ()
    ) -> None:
        self._name, self._run = name, config.run
        self._folder, self._space = SearchFolder(folder.path / name), search_space(config)
        self._children = Children(way.execution, self._folder)
        if name == FULL:
            tell_user(self._children.device_line(way.training.precision))
        genotype, opened = any_genotype(self._space), _opened(way)
        planned = plan_networks(way, genotype, opened).fitting(self._space, asked)
        self._way = way = planned.config(way)
        if name == FULL:
            tell_user(planned.line(self._space))
        if self._children.share_gpus:
            self._children.divide_gpus(planned.child_bytes(self._space, opened.source, way.training.batch_size))
        self._data = _read(opened.source)
        setup = set_up(way, genotype, opened, self._data, self._folder, planned=planned)
        self._networks = setup.children

    def rank(self) -> Proxy:
        """Trains the networks; reads trials that an earlier call has finished from its store."""
        for path in (self._folder.path, *self._folder.folders):
            make_folder(path)
        print(f"{self._name}:", file=sys.stderr)
        with TrialStore(self._folder.trials) as store:
            if self._run.rebuild:
                store.forget()
            self._search(store)
            trials = store.trials()
        ChildStates(self._folder.states).clear()
        seconds = [trial.measurement.seconds or 0.0 for trial in trials if trial.measurement]
        return Proxy(self._name, tuple(trial.reward for trial in trials), float(np.mean(seconds)) if seconds else 0.0)

    def _search(self, store: TrialStore) -> None:
        run, way, space = self._run, self._way, self._space
        with image_cache(self._data, self._folder.images, tell_user), self._children.executor(way) as executor:
            progress = SearchProgress(
                run.trials, store.trials(), activity=executor, images=len(self._data.valid_images)
            )
            with progress.line:
                search(
                    RandomSearch(space, run.seed),  # the same networks for all
                    SupervisedExecutor(executor, way.execution),
                    store,
                    reward=quality,
                    trials=run.trials,
                    batch_size=run.trials,
                    seed=way.run.seed,
                    key=lambda architecture: self._networks.key(space.decode(architecture)),
                    watcher=_Watcher(progress),
                )


def check_scores(scores: Sequence[str], config: SearchConfig) -> None:
    """Raises `UsageError` if the task does not have one of the scores."""
    for name in scores:
        _opened(config).task.require(name, f"--scores={name}")


def scored(scores: Sequence[str], config: SearchConfig, folder: SearchFolder) -> Iterator[Proxy]:
    """Yields scores of the networks of full training, untrained."""
    if not scores:
        return
    with TrialStore(SearchFolder(folder.path / FULL).trials) as store:
        architectures = [trial.architecture for trial in store.trials()]
    opened, space = _opened(config), search_space(config)
    setup = set_up(config, any_genotype(space), opened, _read(opened.source), SearchFolder(folder.path / FULL))
    objective = opened.task.objective(setup.networks.problem)
    batch = first_images(setup.training_data(), objective, config.filter.filter_images)
    for name in scores:
        started, values = time.monotonic(), list[float | None]()
        for number, architecture in enumerate(architectures):
            plan = setup.children.plan(space.decode(architecture))
            score = SCORES[name](plan, child_seed(config.run.seed, number), batch)
            values.append(score if math.isfinite(score) else None)
        yield Proxy(name, tuple(values), (time.monotonic() - started) / len(values))


def sized_by_data(config: SearchConfig) -> SearchConfig:
    """The config with the flags that follow the data, which are told.

    Raises:
        UsageError: the data cannot be opened.
    """
    return sized(config, _examples(config), tell_user)


def _examples(config: SearchConfig) -> Unsplit:
    return _open(config.data.dataset, config.data.data_dir, config.task.task, _of_task(config))


def _of_task(config: SearchConfig) -> tuple[tuple[str, Any], ...]:
    groups: tuple[type[Settings], ...] = (TrustSettings, *TASK_SETTINGS)
    return tuple(sorted((name, config.flags()[name]) for group in groups for name in group().flags()))


@cache
def _open(dataset: str | None, data_dir: str | None, task: str | None, flags: tuple[tuple[str, Any], ...]) -> Unsplit:
    """A data set, opened once for all ways that use it."""
    with working(f"data: opening {dataset}"):
        return open_examples(DataSettings(dataset=dataset, data_dir=data_dir), task, dict(flags))


def _opened(config: SearchConfig) -> Opened:
    return _split(config.data, config.task.task, _of_task(config))


@cache
def _split(settings: DataSettings, task: str | None, flags: tuple[tuple[str, Any], ...]) -> Opened:
    """A data set, divided once for all ways that divide it so."""
    opened = _open(settings.dataset, settings.data_dir, task, flags).split(settings)
    tell_user(described(opened.source, opened.task))
    return opened


@cache
def _read(source: ImageSource) -> ImageData:
    """The images of a data set, decoded once for all ways that use them."""
    return read_images(source)


class _Watcher(Watcher):
    def __init__(self, progress: SearchProgress) -> None:
        self._progress = progress

    def trial(self, trial: Trial, figures: object) -> None:
        self._progress.follow(trial, {})

    def end(self, finished: FinishedSearch) -> None:
        """Nothing: it is told if all failed."""
