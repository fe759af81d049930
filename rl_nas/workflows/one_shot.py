"""The one-shot stage of a search: from config to a ranking by shared weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, cast

from rl_nas.child.data.training_data import DeviceData
from rl_nas.errors import RunError
from rl_nas.networks.plan import Plan
from rl_nas.one_shot.result import OneShotResult, one_shot_result, order_of_confirmation
from rl_nas.one_shot.search import (
    Ranked,
    SampledStrategy,
    rank,
    train_one_shot,
)
from rl_nas.one_shot.state import OneShotState
from rl_nas.one_shot.supernet import TrainedSupernet
from rl_nas.report.health_log import HealthLog
from rl_nas.report.heartbeat import QUIET, working
from rl_nas.report.one_shot_progress import OneShotProgress
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.store.json_files import blaming
from rl_nas.store.run_time import RunTime
from rl_nas.store.search_folder import SearchFolder
from rl_nas.strategies import Strategy
from rl_nas.strategies.failures import FAILURE_RULES
from rl_nas.tasks.sources import tell_user
from rl_nas.trial import Reward, Trial
from rl_nas.workflows.child_setup import ChildSetup
from rl_nas.workflows.config import SearchConfig


class OneShotStage:
    """The training of the shared weights, and the ranking by them.

    Args:
        config: of the search.
        folder: of the run.
        strategy: fresh.
        space: the search space.
        reward: to maximize.
        setup: networks and data.
    """

    def __init__(
        self,
        config: SearchConfig,
        folder: SearchFolder,
        strategy: Strategy,
        space: SearchSpace[Any],
        reward: Reward,
        setup: ChildSetup,
    ) -> None:
        self._config, self._folder, self._space, self._reward = config, folder, space, reward
        self._setup = setup
        self._strategy = cast(SampledStrategy, strategy)
        self._store = OneShotState(folder.shared)

    @property
    def epochs(self) -> int:
        """Number of epochs that are saved."""
        last = self._store.checkpoint()
        return last.updates if last else 0

    def forget(self) -> None:
        """Deletes the state of the shared weights, which are to be trained again."""
        self._store.forget()

    def architectures(
        self, plan: Callable[[Architecture, int | None], Plan], time: RunTime, stop: Callable[[], bool]
    ) -> list[Architecture]:
        """The networks to be trained alone, in this order; first trains and ranks if that is not done yet.

        Args:
            plan: plans networks.
            time: of the run.
            stop: whether the hours of the run are spent.

        Raises:
            RunError: they were spent before all epochs.
        """
        ranking = self._store.ranking()
        if ranking is None:
            ranking = [asdict(ranked) for ranked in self._ranked(plan, time, stop)]
            self._store.save_ranking(ranking)
        order = order_of_confirmation(len(ranking), self._config.run.seed)
        with blaming(self._store.path, "delete the file to rank again"):
            for entry in ranking:
                self._space.validate(entry["architecture"])
        return [tuple(ranking[place]["architecture"]) for place in order]

    def result(self, trials: Sequence[Trial]) -> OneShotResult:
        """The ranking, with the results of the networks that were trained alone."""
        return one_shot_result(self._store.ranking() or [], trials, self._config.run.seed)

    def supernet(
        self,
        plan: Callable[[Architecture, int | None], Plan],
        on_step: Callable[[int, int], None] = lambda done, steps: None,
    ) -> TrainedSupernet:
        """The shared weights, fresh.

        Args:
            plan: plans networks.
            on_step: called with the number of every finished train step of an epoch, and of all of them.
        """
        config, networks = self._config, self._setup.networks
        task, problem = networks.task, networks.problem
        return TrainedSupernet(
            plan,
            DeviceData(self._setup.images, self._setup.annotation),
            task.objective(problem),
            lambda: task.metric(problem),
            replace(config.training, epochs=config.estimator.shared_epochs),
            config.augmentation,
            limits=config.limits,
            seed=config.run.seed,
            on_step=on_step,
        )

    def _ranked(
        self, plan: Callable[[Architecture, int | None], Plan], time: RunTime, stop: Callable[[], bool]
    ) -> list[Ranked]:
        config, settings = self._config, self._config.estimator
        last = self._store.checkpoint()
        progress = OneShotProgress(settings.shared_epochs, start=last.updates if last else 0)
        supernet = self.supernet(plan, lambda done, steps: progress.doing(f"step {done}/{steps}"))
        with progress.line, HealthLog(self._folder.health, self._folder.tensorboard) as log:

            def on_epoch(epoch: int, figures: Mapping[str, float]) -> None:
                time.save()
                progress.follow(epoch, figures)
                log.update(epoch, figures)

            done = train_one_shot(
                self._strategy,
                supernet,
                self._store,
                last,
                reward=self._reward,
                epochs=settings.shared_epochs,
                warmup=settings.shared_warmup,
                updates=settings.shared_updates,
                batch_size=config.batching.size,
                failures=FAILURE_RULES[config.strategy.failure_reward],
                on_epoch=on_epoch,
                on_update=lambda update: progress.doing(f"update {update}/{settings.shared_updates}"),
                stop=stop,
            )
        if done < settings.shared_epochs:
            time.save(spare=False)
            raise RunError(
                f"--max_hours={config.run.max_hours:g} is spent after {done} of {settings.shared_epochs} epochs of the"
                f" shared weights; go on with rl_nas search --resume --run_dir={self._folder.path} --max_hours=MORE"
            )
        what, key = f"ranking {settings.shared_samples} networks on all held-out images", self._space.canonical_key
        tell_user(what)
        with working(what, first=QUIET):
            return rank(self._strategy, supernet, settings.shared_samples, reward=self._reward, key=key)
