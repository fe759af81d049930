"""Searches, from their parts to the best child's files."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, Self

from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.early_stopping.supervised import supervised
from rl_nas.errors import UsageError
from rl_nas.loops.asynchronous import search_async
from rl_nas.loops.ordered import search
from rl_nas.one_shot.search import FixedProposals
from rl_nas.report.health_log import HealthLog
from rl_nas.report.search_summary import SearchResult
from rl_nas.report.tables import counted
from rl_nas.store.best_child import BestChild
from rl_nas.store.choice import Choice
from rl_nas.store.files import storage_errors
from rl_nas.store.json_files import blaming
from rl_nas.store.run_time import RunTime
from rl_nas.store.trials import TrialStore
from rl_nas.strategies import Strategy
from rl_nas.strategies.failures import FAILURE_RULES
from rl_nas.strategies.warm_start import warm_started
from rl_nas.tasks.sources import tell_user
from rl_nas.trial import Trial
from rl_nas.workflows.batch_advice import batch_advice
from rl_nas.workflows.children import ChildExecutor
from rl_nas.workflows.choice import by_confirmation, ranked
from rl_nas.workflows.confirmation import confirm, confirmed_rewards
from rl_nas.workflows.followed import Follower
from rl_nas.workflows.one_shot import OneShotStage
from rl_nas.workflows.search_end import finished
from rl_nas.workflows.search_parts import SearchParts
from rl_nas.workflows.search_progress import ProgressWatcher, SearchWatcher, search_progress
from rl_nas.workflows.search_watchers import PictureWatcher, Watchers
from rl_nas.workflows.second_stage import SecondStage, candidates
from rl_nas.workflows.tracked_run import TrackedRun
from rl_nas.workflows.tracking import find_trackers, tracked
from rl_nas.workflows.warm_start import first_children


class SearchRun:
    """A search at work. Creation writes nothing; as a context manager it opens the store.

    Attributes:
        parts: of the search.
        config: of the search.
        folder: of the run.
        best: the best child so far.
        one_shot: the training of shared weights; None if networks are trained alone.
    """

    def __init__(self, parts: SearchParts, follower: Follower | None = None) -> None:
        """Takes the parts.

        Args:
            parts: checked and prepared.
            follower: is told of each trial, and may end the search.

        Raises:
            UsageError: there is no such tracker, or the record of the time is broken.
        """
        self.parts, self.config, self.folder, self._follower = parts, parts.config, parts.folder, follower
        self._time, self._trackers = RunTime(parts.folder.time), find_trackers(parts.config.track)
        self.best = BestChild(parts.folder, parts.space.decode)
        self.one_shot: OneShotStage | None = None
        if parts.config.shared:
            self.one_shot = OneShotStage(
                parts.config, parts.folder, parts.strategy, parts.space, parts.reward, parts.setup
            )

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.store = stack.enter_context(TrialStore(self.folder.trials))
            if self.store.alone:
                tell_user(
                    f"{self.folder.path} is on a file system without shared memory: while the search is at work, others"
                    " read a copy of its trials, which may lack the last ones"
                )
            if self.config.run.rebuild:
                self._forget()
            recorded, trials = self.store.trials(), self.config.run.trials
            if not recorded and (self.folder.best / "genotype.json").exists():
                raise UsageError(
                    f"{self.folder.trials} holds no trials, but the run has a best one: restore the file from a copy,"
                    " or, if it is yours, start another run by its flags.cfg"
                )
            if len(recorded) > trials:
                raise UsageError(f"--trials={trials}, but {len(recorded)} are already recorded; give a larger number")
            with blaming(self.folder.trials):
                self.best.restore(recorded)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._exit.close()

    def search(self) -> None:
        """Searches until all trials are recorded, its hours are spent or a follower ends it.

        It continues where an earlier call ended.
        """
        recorded = self.store.trials()
        if self.config.run.max_hours is not None and recorded and self._time.before is None:
            tell_user("the run has not recorded the time of its earlier sittings: --max_hours counts from now on")
        strategy, trials, batch = self._proposals()
        with self.parts.executor(self.config) as executor:
            _, workers = executor.workers
            advice = batch_advice(self.config, workers) if workers and not recorded else None
            if advice is not None:
                tell_user(f"workers: {advice}")
            self._loop(strategy, trials, batch, executor, recorded)
        if self._is_stopped and len(self.store) < trials:
            tell_user(f"ended by a callback after {counted(len(self.store), 'child', 'children')}")
        if len(self.store) < trials and self.is_out_of_time():
            hours = self.config.run.max_hours
            tell_user(
                f"--max_hours={hours:g} is spent after {counted(len(self.store), 'child', 'children')};"
                f" for more: rl_nas search --resume --run_dir={self.folder.path} --max_hours=MORE"
            )

    def _proposals(self) -> tuple[Strategy, int, int]:
        """The strategy that proposes, the number of trials, and that of a batch."""
        run, strategy = self.config.run, self.parts.strategy
        if self.config.warm_start.warm_start == "scores":
            strategy = warm_started(strategy, first_children(self.parts))
        if self.one_shot is None:
            return strategy, run.trials, self.config.batching.size
        order = self.one_shot.architectures(self.parts.child_plan, self._time, self.is_out_of_time)
        return FixedProposals(order), min(run.trials, len(order)), len(order)

    def _loop(
        self, strategy: Strategy, trials: int, batch: int, executor: ChildExecutor, recorded: Sequence[Trial]
    ) -> None:
        config, parts = self.config, self.parts
        flight = config.batching.in_flight if self.one_shot is None else 1
        loop = search_async if config.execution.async_updates else partial(search, batches_in_flight=flight)
        with self._watched(strategy, trials, executor, recorded) as (watchers, shown):
            loop(
                strategy,
                supervised(
                    executor,
                    config.execution,
                    config.early_stop,
                    space=parts.space,
                    epochs=config.training.epochs,
                    states=self.folder.states,
                    recorded=recorded,
                    reward=parts.reward,
                    lag=config.batching.children,
                    seeds=config.reward.reward_seeds,
                    on_rung=shown.rung,
                ),
                self.store,
                reward=parts.reward,
                trials=trials,
                batch_size=batch,
                seed=config.run.seed,
                key=lambda architecture: parts.setup.children.key(parts.space.decode(architecture)),
                health=config.health,
                failures=FAILURE_RULES[config.strategy.failure_reward],
                watcher=watchers,
                stop=lambda: self._is_stopped or self.is_out_of_time(),
            )

    @contextmanager
    def _watched(
        self, strategy: Strategy, trials: int, executor: ChildExecutor, recorded: Sequence[Trial]
    ) -> Iterator[tuple[Watchers, ProgressWatcher]]:
        """All that follows the search, from the best child to the live line, which is also yielded by itself."""
        config, folder, images = self.config, self.folder, len(self.parts.images.valid_images)
        progress = search_progress(config, trials, recorded, executor, self._time, images)
        timed = self._time.kept(lambda: executor.began is not None)
        with ExitStack() as stack, timed, progress.line as line, HealthLog(folder.health, folder.tensorboard) as log:
            self.parts.children.tell = line.tell
            updates = len(log.written)
            log.restore(recorded)
            watcher, shown = SearchWatcher(self.best, log, self._time), ProgressWatcher(progress)
            pictures = PictureWatcher(folder, self.parts.space, strategy, self.best, log, line.tell)
            with blaming(folder.trials):
                pictures.restore(recorded)
            run = TrackedRun(folder.path, config.flags(), self.parts.space, resumed=bool(recorded))
            trackers = stack.enter_context(tracked(self._trackers, run, updates, line.warn))
            yield Watchers([watcher, pictures, *trackers, shown, *filter(None, [self._follower])]), shown

    def confirm(self) -> None:
        """Trains the best children again, as `--confirm` says; those that an earlier call trained are not repeated."""
        if self.config.choice.confirm is not None:
            confirm(self.parts, ranked(self.config, self.parts.space, self.store.trials())[1])

    def finish(self) -> SearchResult:
        """Chooses the best child, and writes its files; errors as of `finished`."""
        trials = self.store.trials()
        result = finished(self.parts, self.best, trials, self._choice(trials))
        shared = None if self.one_shot is None else self.one_shot.result(trials)
        return replace(result, shared=shared)

    def _choice(self, trials: Sequence[Trial]) -> Choice | None:
        choice, best = ranked(self.config, self.parts.space, trials)
        if choice is None or self.config.choice.confirm is None:
            return choice
        confirmed = confirmed_rewards(self.config, self.folder, best)
        return by_confirmation(choice, confirmed) if confirmed else choice

    def is_out_of_time(self) -> bool:
        """Whether the hours that the run may take are spent."""
        hours = self.config.run.max_hours
        return hours is not None and self._time.seconds >= 3600 * hours

    @property
    def _is_stopped(self) -> bool:
        """Whether the process that follows the search has ended it."""
        return self._follower is not None and self._follower.stopped

    def forget_states(self) -> None:
        """Deletes the states of children: the search is over."""
        ChildStates(self.folder.states).clear()

    def _forget(self) -> None:
        """Deletes what can be made again from the recorded trials."""
        self.store.forget()
        self.forget_states()
        if self.one_shot is not None:
            self.one_shot.forget()
        with storage_errors(self.folder.health):
            for log in (self.folder.health, self.folder.decisions):
                log.unlink(missing_ok=True)
        print(f"the strategy learns from {len(self.store)} recorded trials again", file=sys.stderr)

    def second_stage(self, trials: Sequence[Trial]) -> dict[str, Any]:
        """Trains the best networks longer, as the config says; returns the content of then.json."""
        then = self.config.then
        stage = SecondStage(then, self.folder, self.config)
        return stage.run(list(candidates(then, self.parts.space, trials, self.config.run.seed)))
