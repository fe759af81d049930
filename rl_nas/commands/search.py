"""`rl_nas search`: from flags to a searched cell, its picture and its SavedModel."""

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from rl_nas.child.settings import DataSettings
from rl_nas.commands import cli, one_shot, run_config
from rl_nas.commands.catalog import STRATEGIES, StrategyOptions
from rl_nas.commands.children import Children
from rl_nas.commands.early_stopping import supervised
from rl_nas.commands.search_flags import CHANGEABLE, SEARCH, SearchRunSettings, SecondStageSettings, StrategySettings
from rl_nas.commands.second_stage import SecondStage, candidates, check
from rl_nas.controller.settings import ControllerSettings
from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.early_stopping.thresholds import EarlyStopSettings
from rl_nas.errors import RunError, UsageError
from rl_nas.evaluation.rewards import RewardSettings, make_reward
from rl_nas.evaluation.settings import EstimatorSettings
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.flags.parsing import OutputSettings, Parsed
from rl_nas.loops.asynchronous import search_async
from rl_nas.loops.synchronous import search
from rl_nas.loops.updates import Watcher
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.one_shot.search import FixedProposals
from rl_nas.report.progress import SearchProgress
from rl_nas.report.search_summary import SearchResult, summary_json, summary_text
from rl_nas.report.second_stage import second_stage_text
from rl_nas.report.tables import counted
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.decisions import Architecture
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.best_child import BestChild
from rl_nas.store.files import storage_errors
from rl_nas.store.run_folder import SearchFolder
from rl_nas.store.trials import TrialStore
from rl_nas.strategies.failures import FAILURE_RULES
from rl_nas.strategies.health import HealthSettings
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.trial import Job, Trial, child_seed

if TYPE_CHECKING:
    from rl_nas.report.health_log import HealthLog

_CHECKED_IMAGES = 64
"""Held-out images on which the exported SavedModel is compared with the child."""


def main(argv: Sequence[str]) -> int:
    """Runs the verb; returns its exit code."""
    return cli.run(SEARCH, _run, argv)


def _run(parsed: Parsed) -> int:
    if parsed.group(EstimatorSettings).estimator == "shared":
        parsed = one_shot.with_defaults(parsed)
    run = parsed.group(SearchRunSettings)
    folder = run.folder
    check(parsed.group(SecondStageSettings))
    if run.resume:
        recorded = folder.reopen()
        merged = run_config.merge(parsed, recorded["flags"], CHANGEABLE)
        _check_together(merged)
        continued = _Search(merged, folder)
        folder.write_config(run_config.changed(recorded, merged))
        return continued.run()
    _check_together(parsed)
    folder.check_new()
    started = _Search(parsed, folder)  # checks data and network before anything is written
    folder.create(run_config.config(parsed), run_config.repeating_flagfile(parsed, SEARCH.name))
    return started.run()


def _check_together(parsed: Parsed) -> None:
    """Raises `UsageError` for flags that exclude each other."""
    if parsed.group(EstimatorSettings).estimator == "shared":
        one_shot.check(parsed)
    if parsed.group(EarlyStopSettings).rule == "halving" and parsed.group(ExecutionSettings).async_updates:
        raise UsageError("--early_stop_rule=halving compares the children of a batch; leave --async_updates out")


class _Search:
    """The parts of a search, made from its flags, and what happens to them from start to end."""

    def __init__(self, parsed: Parsed, folder: SearchFolder) -> None:
        # Imported late: TensorFlow takes seconds, and wrong flags are to be told at once.
        cli.load_tensorflow(debug=parsed.group(OutputSettings).debug)
        from rl_nas.child.data.images import load_images

        self.folder, self.parsed = folder, parsed
        self.then = parsed.group(SecondStageSettings)
        self.settings = parsed.group(SearchRunSettings)
        self.json = parsed.group(OutputSettings).json
        sharing = parsed.group(EstimatorSettings).estimator == "shared"
        self.children = Children(run_config.portable(parsed.values), folder, hide_gpus=not sharing)
        cli.settle_determinism(self.settings.determinism)
        self.space = find_space(parsed.group(SpaceSettings))
        self.reward, self.health = make_reward(parsed.group(RewardSettings)), parsed.group(HealthSettings)
        self.data = load_images(parsed.group(DataSettings))
        self.best = BestChild(folder, self.space.decode)
        # Raises where images are too small.
        self._plan(self.space.sample(np.random.default_rng(0)), steps=1)
        options = StrategyOptions(parsed.group(ControllerSettings), parsed.group(EvolutionSettings))
        name = parsed.group(StrategySettings).strategy
        self.strategy = STRATEGIES[name](self.space, options, self.settings.seed)
        self.shared = one_shot.OneShotStage(parsed, folder, self.strategy, self.space, self.reward) if sharing else None

    def run(self) -> int:
        """Searches, writes the best files, prints the summary; Ctrl-C ends only the searching."""
        with TrialStore(self.folder.trials) as store:
            recorded = store.trials()
            if len(recorded) > self.settings.trials:
                raise UsageError(
                    f"--trials={self.settings.trials}, but {len(recorded)} are recorded already; give a larger number"
                )
            self.best.restore(recorded)
            try:
                self._search(store, recorded)
            except KeyboardInterrupt:
                return self._stop(store)
            result = self._finish(store)
            ChildStates(self.folder.states).clear()
            if self.then.train is None:
                self._print(result)
                return cli.DONE
            if not self.json:
                self._print(result)
            return self._retrain(result)

    def _search(self, store: TrialStore, recorded: Sequence[Trial]) -> None:
        from rl_nas.child.data.image_cache import image_cache
        from rl_nas.report.health_log import HealthLog  # imports TensorBoard

        strategy, trials, batch = self.strategy, self.settings.trials, self.settings.update_every
        if self.shared is not None:
            ranked = self.shared.architectures(self.data, self._plan)
            strategy, trials, batch = FixedProposals(ranked), min(trials, len(ranked)), len(ranked)
        with image_cache(self.data, self.folder.images), self.children.executor() as executor:
            progress = SearchProgress(trials, recorded, workers=lambda: executor.workers)
            with progress.line, HealthLog(self.folder.health, self.folder.tensorboard) as log:
                log.restore(recorded)
                loop = search_async if self.children.settings.async_updates else search
                loop(
                    strategy,
                    supervised(executor, self.parsed, self.folder, recorded, self.reward),
                    store,
                    reward=self.reward,
                    trials=trials,
                    batch_size=batch,
                    seed=self.settings.seed,
                    key=self.space.canonical_key,
                    health=self.health,
                    failures=FAILURE_RULES[self.parsed.group(StrategySettings).failure_reward],
                    watcher=_Watcher(self.best, progress, log),
                )

    def _stop(self, store: TrialStore) -> int:
        done = len(store.trials())
        if self.shared is not None and not done:
            epochs = counted(self.shared.epochs, "epoch")
            print(f"stopped; the shared weights after {epochs} are kept", file=sys.stderr)
        elif self.best.trial is None:
            print(f"stopped; {done} children finished, none successfully", file=sys.stderr)
        else:
            print(f"stopped; {done} children finished; writing the best files (Ctrl-C again: don't)", file=sys.stderr)
            with contextlib.suppress(KeyboardInterrupt):
                self._print(self._finish(store))
        print(f"resume with: rl_nas search --resume --run_dir={self.folder.path}", file=sys.stderr)
        return cli.INTERRUPTED

    def _retrain(self, result: SearchResult) -> int:
        stage = SecondStage(self.then, self.folder, self.parsed)
        try:
            document = stage.run(list(candidates(self.then, self.space, result.trials, self.settings.seed)))
        except KeyboardInterrupt:
            print(f"stopped; continue with: rl_nas search --resume --run_dir={self.folder.path}", file=sys.stderr)
            return cli.INTERRUPTED
        print(json.dumps({**summary_json(result), "then": document}) if self.json else second_stage_text(document))
        return cli.DONE

    def _print(self, result: SearchResult) -> None:
        print(json.dumps(summary_json(result)) if self.json else summary_text(result), flush=True)

    def _finish(self, store: TrialStore) -> SearchResult:
        from rl_nas.report.picture import draw_genotype  # imports matplotlib

        best, trials = self.best.trial, store.trials()
        if best is None or best.measurement is None:
            raise RunError(f"all {len(trials)} children failed; the first: {trials[0].state}, {trials[0].error}")
        genotype = self.space.decode(best.architecture)
        title = f"trial {best.index}, held-out accuracy {best.measurement.accuracy:.4f}"
        with storage_errors(self.folder.best):
            draw_genotype(genotype, self.folder.best / "cell.png", title=title)
            difference = self._export(best)
        return SearchResult(
            trials=trials,
            best=best,
            genotype=genotype,
            epochs=best.measurement.epochs,
            valid_images=len(self.data.valid_labels),
            files=self.folder.files(),
            export_difference=difference,
            shared=None if self.shared is None else self.shared.result(trials),
        )

    def _export(self, best: Trial) -> float:
        from rl_nas.child.export.serving import Classifier
        from rl_nas.child.export.writers import write_checked_saved_model
        from rl_nas.child.network.keras_model import build_model

        if not self.best.weights.exists():
            print(f"training trial {best.index} again: its weights are on another machine", file=sys.stderr)
            job = Job(best.index, best.architecture, child_seed(self.settings.seed, best.index))
            curve = best.measurement.curve if best.measurement else ()
            self.children.repeat(job.until(len(curve)) if curve else job)
        network = build_model(self._plan(best.architecture))
        self.best.load_weights(network)
        classifier = Classifier(network, self.data.normalization(), self.data.class_names)
        images = self.data.valid_images[:_CHECKED_IMAGES]
        return write_checked_saved_model(classifier, images, self.folder.best / "saved_model")

    def _plan(self, architecture: Architecture, steps: int | None = None) -> Plan:
        network, shape = self.parsed.group(NetworkSettings), self.data.image_shape
        return plan_network(self.space.decode(architecture), network, shape, self.data.classes, steps)


class _Watcher(Watcher):
    """Keeps the best child, shows the progress, writes the figures."""

    def __init__(self, best: BestChild, progress: SearchProgress, log: "HealthLog") -> None:
        self._best, self._progress, self._log = best, progress, log

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        self._best.follow(trial)
        self._progress.follow(trial, figures)
        self._log.trial(trial)

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        self._log.update(number, figures)

    def collapse(self, message: str) -> None:
        self._progress.line.warn(message)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
