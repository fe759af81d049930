"""Searches, from config to the best child's files."""

import sys
from collections.abc import Collection, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from typing import Any, Self

import numpy as np

from rl_nas.child.data.image_cache import image_cache
from rl_nas.child.data.images import selected
from rl_nas.child.export.serving import Serving
from rl_nas.child.export.writers import write_checked_saved_model
from rl_nas.child.network.composed import build_network
from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.early_stopping.supervised import supervised
from rl_nas.errors import RunError, UsageError
from rl_nas.evaluation.rewards import make_reward
from rl_nas.loops.asynchronous import search_async
from rl_nas.loops.synchronous import search
from rl_nas.loops.updates import check_recovery
from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import BACKBONE
from rl_nas.networks.plan import Plan
from rl_nas.one_shot.search import FixedProposals
from rl_nas.report.event_log import EventLog
from rl_nas.report.health_log import BEST_CELLS, HealthLog
from rl_nas.report.heartbeat import QUIET, working
from rl_nas.report.picture import draw_genotype
from rl_nas.report.search_summary import SearchResult
from rl_nas.report.tables import counted, measured_text
from rl_nas.spaces.decisions import Architecture
from rl_nas.store.best_child import BestChild
from rl_nas.store.files import storage_errors, write_atomically
from rl_nas.store.json_files import blaming
from rl_nas.store.run_folder import SearchFolder
from rl_nas.store.run_time import RunTime
from rl_nas.store.trials import TrialStore
from rl_nas.strategies.catalog import find_strategy
from rl_nas.strategies.failures import FAILURE_RULES
from rl_nas.tasks.sources import tell_user
from rl_nas.trial import Job, Trial, child_seed
from rl_nas.workflows.child_setup import set_up
from rl_nas.workflows.children import Children
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.examples import batch_size, examined, write_examples
from rl_nas.workflows.network_files import write_network
from rl_nas.workflows.networks import check_parts
from rl_nas.workflows.one_shot import OneShotStage
from rl_nas.workflows.planned_networks import plan_networks
from rl_nas.workflows.pretraining import check_pretraining
from rl_nas.workflows.run_config import without_unread
from rl_nas.workflows.run_data import checked_data, described, open_data, read_images
from rl_nas.workflows.search_progress import ProgressWatcher, SearchWatcher, search_progress
from rl_nas.workflows.search_watchers import PictureWatcher, Watchers
from rl_nas.workflows.second_stage import SecondStage, candidates
from rl_nas.workflows.space import any_genotype, search_space
from rl_nas.workflows.tensorflow_setup import settle_determinism
from rl_nas.workflows.tracked_run import TrackedRun
from rl_nas.workflows.tracking import find_trackers, tracked

_CHECKED_IMAGES = 64
"""Held-out images on which the exported SavedModel is compared with the child."""


class SearchRun:
    """A search and its parts. Creation checks everything and writes nothing; as a context manager it opens the store.

    Attributes:
        config: of the search, with the task that was found.
        data: the fingerprint of its data.
        folder: of the run.
        task: that the data have.
        source: of the data.
        space: of the search.
        strategy: fresh.
        children: their execution.
        images: in memory.
        setup: what children have in common.
        best: the best child so far.
        one_shot: the training of shared weights; None if networks are trained alone.
    """

    def __init__(
        self,
        config: SearchConfig,
        folder: SearchFolder,
        *,
        resumed: bool = False,
        debug: bool = False,
        asked: Collection[str] = (),
    ) -> None:
        """Checks data, space, network and strategy.

        Args:
            config: of the search.
            folder: of the run.
            resumed: leave out settings of an earlier part that have no effect, and tell; otherwise refuse them.
            debug: let workers' TensorFlow print its own log.
            asked: names of the flags that the command line itself gives.

        Raises:
            UsageError: data, space, network or strategy do not fit together.
        """
        self.folder, self._time = folder, RunTime(folder.time)
        self.children = Children(config.execution, folder, debug=debug, hide_gpus=not config.shared)
        tell_user(self.children.device_line)
        settle_determinism(config.run.determinism, jit_compile=config.training.jit_compile)
        self.space = search_space(config)
        self._reward = make_reward(config.reward)
        self._trackers = find_trackers(config.track)
        genotype = any_genotype(self.space)
        with working(f"data: opening {config.data.dataset}"):
            config, opened = open_data(config)
            self.data = checked_data(opened.source, folder, resumed=resumed)
        self.task, self.source = (task := opened.task), (source := opened.source)
        config.check_task(task)
        for ability, flag in _asked(config):
            task.require(ability, flag)
        # Before images are decoded and features are computed.
        space, is_backbone = f"--space={config.space.space}", family_of(genotype).part == BACKBONE
        check_parts(task, genotype, space, config.flags())
        check_pretraining(config.pretraining, task, space, is_backbone=is_backbone)
        make_strategy = find_strategy(config.strategy.strategy)
        self.strategy = make_strategy(self.space, config.strategies, config.run.seed)
        check_recovery(self.strategy, config.health)
        tell_user(described(source, task))
        found = source.settings  # what flags left open, so that the record says what was done
        self.config = replace(config, task=replace(config.task, task=config.task.task or task.name), data=found)
        if resumed and config.parts.backbone is None:
            head = task.head(config.problem(task, source.class_names))
            network = without_unread(self.config.network, genotype, head)
            self.config = replace(self.config, network=network)
        planned = plan_networks(self.config, genotype, opened).fitting(self.space, asked)
        self.config = planned.config(self.config)
        tell_user(planned.line(self.space))
        self.images = read_images(source)
        with working("still preparing what children share", first=QUIET):
            self.setup = set_up(self.config, genotype, opened, self.images, folder, planned=planned)
        self.best = BestChild(folder, self.space.decode)
        self.one_shot: OneShotStage | None = None
        if config.shared:
            self.one_shot = OneShotStage(self.config, folder, self.strategy, self.space, self._reward, self.setup)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.store = stack.enter_context(TrialStore(self.folder.trials))
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
        """Searches until all trials are recorded, or its hours are spent; continues where an earlier call ended."""
        config, recorded = self.config, self.store.trials()
        if config.run.max_hours is not None and recorded and self._time.before is None:
            tell_user("the run has not recorded the time of its earlier sittings: --max_hours counts from now on")
        strategy, trials, batch = self.strategy, config.run.trials, config.run.update_every
        if self.one_shot is not None:
            ranked = self.one_shot.architectures(self._plan, self._time, self.is_out_of_time)
            strategy, trials, batch = FixedProposals(ranked), min(trials, len(ranked)), len(ranked)
        pretraining, folder = self.setup.pretraining, self.folder
        kept = image_cache(pretraining.images, folder.pretraining_images, tell_user) if pretraining else nullcontext()
        with image_cache(self.images, folder.images, tell_user), kept, self.children.executor(config) as executor:
            progress = search_progress(config, trials, recorded, executor, self._time, len(self.images.valid_images))
            timed = self._time.kept(lambda: executor.began is not None)
            health = HealthLog(self.folder.health, self.folder.tensorboard)
            with ExitStack() as stack, timed, progress.line, health as log:
                updates = len(log.written)
                log.restore(recorded)
                watcher, shown = SearchWatcher(self.best, log, self._time), ProgressWatcher(progress)
                pictures = PictureWatcher(self.folder, self.space, strategy, self.best, log, progress.line.tell)
                with blaming(self.folder.trials):
                    pictures.restore(recorded)
                run = TrackedRun(self.folder.path, config.flags(), self.space, resumed=bool(recorded))
                trackers = stack.enter_context(tracked(self._trackers, run, updates, progress.line.warn))
                loop = search_async if config.execution.async_updates else search
                loop(
                    strategy,
                    supervised(
                        executor,
                        config.execution,
                        config.early_stop,
                        epochs=config.training.epochs,
                        states=self.folder.states,
                        recorded=recorded,
                        reward=self._reward,
                        lag=config.run.update_every,
                        seeds=config.reward.reward_seeds,
                        on_rung=shown.rung,
                    ),
                    self.store,
                    reward=self._reward,
                    trials=trials,
                    batch_size=batch,
                    seed=config.run.seed,
                    key=lambda architecture: self.setup.children.key(self.space.decode(architecture)),
                    health=config.health,
                    failures=FAILURE_RULES[config.strategy.failure_reward],
                    watcher=Watchers([watcher, pictures, *trackers, shown]),
                    stop=self.is_out_of_time,
                )
        if len(self.store) < trials and self.is_out_of_time():
            tell_user(
                f"--max_hours={config.run.max_hours:g} is spent after {counted(len(self.store), 'child', 'children')};"
                f" for more: rl_nas search --resume --run_dir={self.folder.path} --max_hours=MORE"
            )

    def finish(self) -> SearchResult:
        """Writes pictures and the SavedModel of the best child.

        Raises:
            RunError: all children failed, or the SavedModel computes something else.
        """
        best, trials = self.best.trial, self.store.trials()
        if not trials:
            raise RunError("no child was trained: the time of --max_hours was spent before the first; give more")
        if best is None or best.measurement is None:
            raise RunError(f"all {len(trials)} children failed; the first: {trials[0].state}, {trials[0].error}")
        genotype, measured = self.space.decode(best.architecture), best.measurement
        images = len(self.images.valid_images)
        figure = measured_text(measured.quality_name, measured.quality, images)
        title = f"trial {best.index}, {figure} on {images:,} held-out images"
        with working("still writing the files of the best child"), storage_errors(self.folder.best):
            picture = self.folder.best / "cell.png"
            draw_genotype(genotype, picture, title=title)
            with EventLog(self.folder.tensorboard) as events:
                events.png(BEST_CELLS, picture.read_bytes(), best.index)
            agreement = self._export(best, title)
        return SearchResult(
            trials=trials,
            best=best,
            genotype=genotype,
            epochs=measured.epochs or self.config.training.epochs,
            runs=self.config.reward.reward_seeds,
            valid_images=len(self.images.valid_images),
            valid_split=self.config.data.valid_split,
            files=self.folder.files(),
            agreement=agreement,
            shared=None if self.one_shot is None else self.one_shot.result(trials),
        )

    def is_out_of_time(self) -> bool:
        """Whether the hours that the run may take are spent."""
        hours = self.config.run.max_hours
        return hours is not None and self._time.seconds >= 3600 * hours

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
        return stage.run(list(candidates(then, self.space, trials, self.config.run.seed)))

    def _export(self, best: Trial, title: str) -> dict[str, float]:
        if not self.best.weights.exists():
            print(f"training trial {best.index} again: its weights are on another machine", file=sys.stderr)
            job = Job(best.index, best.architecture, child_seed(self.config.run.seed, best.index))
            curve = best.measurement.curve if best.measurement else ()
            self.children.repeat(self.config, job.until(len(curve)) if curve else job)
        networks = self.setup.networks
        plan = networks.plan(self.space.decode(best.architecture))
        network = build_network(plan, self.setup.keras)
        self.best.load_weights(network, self.setup.start)
        serving = self.task.serving(networks.problem, network, self.setup.normalization)
        held_out = self.images.valid_images, self.images.valid_targets
        images, targets = selected(held_out, slice(_CHECKED_IMAGES))
        extras = self.setup.annotation.extras
        agreement = write_checked_saved_model(serving, images, targets, self.folder.best / "saved_model", extras)
        write_atomically(self.folder.model, serving.keras_model().save)
        whole = None if self.setup.keras else plan
        write_network(self.folder.network, serving, networks.problem, whole, extras)
        self._write_examples(serving, title)
        return agreement

    def _write_examples(self, serving: Serving, title: str) -> None:
        data, seed = self.images, self.config.run.seed
        count = examined(len(data.valid_images))
        chosen = np.sort(np.random.default_rng(seed).permutation(len(data.valid_images))[:count])
        size = batch_size(data.image_shape)
        parts = [chosen[start : start + size] for start in range(0, count, size)]
        batches = (selected((data.valid_images, data.valid_targets), part) for part in parts)
        annotation = self.setup.annotation
        write_examples(self.task, annotation, serving, batches, count, seed, self.folder.examples, title)

    def _plan(self, architecture: Architecture, steps: int | None = None) -> Plan:
        return self.setup.children.plan(self.space.decode(architecture), steps)


def _asked(config: SearchConfig) -> list[tuple[str, str]]:
    """Abilities of the task that a config needs, each with its flag."""
    asked = [("one_shot", "--estimator=shared")] if config.shared else []
    return asked + ([(config.filter.filter, f"--filter={config.filter.filter}")] if config.filter.filter else [])
