"""Full training, from config to a trained network and its results."""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rl_nas.child.data.normalization import Normalization
from rl_nas.child.export.serving import NETWORK, load_weights
from rl_nas.child.training.checkpoints import Checkpoints, saved_states
from rl_nas.child.training.child_training import DivergedError
from rl_nas.child.training.compilation import settled_compilation
from rl_nas.child.training.devices import is_one_gpu, make_distribution
from rl_nas.child.training.full_training import FullTrainer, Measured, global_batch
from rl_nas.child.training.tf_config import worker_index
from rl_nas.child.training.transfer import rate_factors
from rl_nas.errors import RunError, UsageError
from rl_nas.report.first_lines import network_line, small_data_line
from rl_nas.report.heartbeat import working
from rl_nas.report.tables import counted
from rl_nas.report.training_log import TrainingLog
from rl_nas.report.training_progress import TrainingProgress
from rl_nas.spaces.decisions import Genotype
from rl_nas.store.class_results import write_class_results
from rl_nas.store.files import check_is_no_pattern, write_atomically, write_text
from rl_nas.store.json_files import read_text
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.tasks.sources import tell_user
from rl_nas.units import size_text
from rl_nas.workflows.backbone import read_weights
from rl_nas.workflows.config import TrainConfig
from rl_nas.workflows.devices import distribution_line
from rl_nas.workflows.network_files import write_network
from rl_nas.workflows.run_data import checked_data, described
from rl_nas.workflows.step_memory import step_bytes
from rl_nas.workflows.tensorflow_setup import settle_determinism
from rl_nas.workflows.training_results import measured_views, training_facts, write_training_examples
from rl_nas.workflows.training_setup import set_up_training

_SHOWN_IMAGES = 8


class TrainingRun:
    """A full training and its parts. Creation checks everything and writes nothing.

    Attributes:
        config: of the training, with the task that was found.
        data: the fingerprint of its data.
        first: whether this process writes; only one of several machines does.
    """

    def __init__(
        self, config: TrainConfig, folder: TrainingFolder, genotype: Genotype, asked: Collection[str] = ()
    ) -> None:
        """Checks everything; arguments as of `set_up_training`."""
        settings, self.folder = config.run, folder
        settle_determinism(settings.determinism, jit_compile=config.training.compiled)
        self.first = worker_index(config.devices) == 0
        # Other workers do the same, but write to a temporary folder.
        self._written = folder if self.first else TrainingFolder(tempfile.mkdtemp())
        self.config, self._place = config, settings.checkpoint_dir or str(folder.checkpoints)
        self._check_place()
        self._distribution = make_distribution(config.devices)
        self._tell(distribution_line(self._distribution, config.training.precision))
        with working(f"data: opening {config.data.dataset}"):
            self._setup = set_up_training(config, genotype, asked)
        self._tell(described(self._setup.source, self._setup.task))
        self.data = checked_data(self._setup.source, folder, resumed=settings.resume)
        self.config, self._source, self._pipeline = self._setup.config, self._setup.source, self._setup.pipeline
        self._valid: Measured | None = None
        self._check_images()
        self._trainer = self._make_trainer()

    def run(self) -> dict[str, Any]:
        """Trains, measures and writes; returns the results.

        Raises:
            RunError: the training diverged.
        """
        trainer, settings, epochs = self._trainer, self.config.run, self.config.training.epochs
        data = {**self._setup.facts(), **trainer.normalization._asdict()}
        write_text(self._written.data, json.dumps(data, indent=2) + "\n")
        self._checkpoints = Checkpoints(trainer.state, self._place, keep=settings.keep, writes=self.first)
        if settings.resume:
            self._checkpoints.restore(tell_user)
        if self._setup.pretraining is not None and not trainer.step:
            trainer.load(self._setup.pretraining(self._setup.genotype).weights)
        held_out = self._pipeline.size("valid")
        self._progress = TrainingProgress(trainer.steps, epochs, trainer.batch, trainer.step, images=held_out)
        shown = self._progress.line if self.first else contextlib.nullcontext()
        log = TrainingLog(self._written.history, self._written.tensorboard, trainer.epoch)
        with self._source.decoding_errors(), log, shown:
            if not trainer.step:
                log.images("training images", trainer.augmented_images(_SHOWN_IMAGES))
            while trainer.epoch < epochs:
                self._train_epoch(log)
            return self._finish(log.written)

    def add_views(self, results: dict[str, Any]) -> dict[str, Any]:
        """The results of the finished training with the views that the flags ask for, which it measures and writes.

        Raises:
            UsageError: the trained network cannot be read.
        """
        setup = self._setup
        if setup.views is None or not self.first:
            return results
        trained = read_weights(self.folder.model, f"--run_dir={self.folder.path}")
        with self._source.decoding_errors():
            measured = measured_views(setup.views, *trained, self._pipeline, setup.test_split)
        whole = {**results, "views": measured}
        write_text(self.folder.results, json.dumps(whole, indent=2) + "\n")
        return whole

    def _tell(self, line: str) -> None:
        """Tells the user a line, once if there are several processes."""
        if self.first:
            tell_user(line)

    def _check_place(self) -> None:
        """Raises `UsageError` if the checkpoints are another training's, or those of this one are gone."""
        there = bool(saved_states(self._place))
        if not self.config.run.resume:
            if "://" not in self._place:
                check_is_no_pattern("--checkpoint_dir", Path(self._place))
            if there:
                raise UsageError(
                    f"--checkpoint_dir={self._place} holds another training's checkpoints; give another one"
                )
        elif not there and self.folder.history.exists() and not self.folder.results.exists():
            epochs = read_text(self.folder.history).count("\n")
            if epochs > 1:  # a kill between an epoch's line and its checkpoint leaves one
                raise UsageError(
                    f"--checkpoint_dir={self._place} holds no checkpoint, but {epochs} epochs are done: restore it,"
                    " give the folder that holds it, or start another run"
                )
            tell_user(f"no checkpoint in {self._place}; the training starts again at epoch 1")

    def _check_images(self) -> None:
        """Raises `UsageError` if images that are measured after epochs, or after all of them, cannot be decoded."""
        if self.config.run.resume and self.folder.data.exists():
            return  # its first part has looked at them
        parts = [part for part in ("valid", self._setup.test_split) if part and self._pipeline.size(part)]
        count = sum(map(self._pipeline.size, parts))
        with working(f"data: decoding the {counted(count, 'image')} that are measured, once"):
            for part in parts:
                self._pipeline.check(part)

    def _make_trainer(self) -> FullTrainer:
        config, setup, images = self.config, self._setup, self._pipeline.train_images
        batch = global_batch(config.training, images, self._distribution)
        if config.training.batch_size > images:
            self._tell(small_data_line(config.training.batch_size, images))
        steps = images // batch * config.training.epochs
        needed = step_bytes(setup.networks.plan(setup.genotype, steps), batch, setup.source.shape)
        told = f"{counted(steps, 'train step')} of {counted(batch, 'image')}, about {size_text(needed)} of memory"
        self._tell(network_line(setup.cost, f"; {told}"))
        cores = os.cpu_count() or 1 if is_one_gpu(self._distribution) else 0
        config = replace(config, training=settled_compilation(config.training, steps, cores, self._tell))
        self.config = config
        weights, normalization = self._start(steps)
        trainer = FullTrainer(
            setup.trained_network(steps),
            self._pipeline,
            normalization,
            setup.task.objective(setup.problem),
            config.training,
            config.augmentation,
            config.devices,
            annotation=self._source.annotation,
            metric=lambda: setup.task.metric(setup.problem),
            strategy=self._distribution,
            mixup=config.pipeline.mixup,
            seed=config.run.seed,
            factors=lambda network: rate_factors(network, config.start.backbone_rate, setup.head),
        )
        trainer.load(weights)
        return trainer

    def _start(self, steps: int) -> tuple[Mapping[str, np.ndarray], Normalization]:
        """Trained weights by path, and the normalization of their images, or of the data.

        A resumed training restores its own, and checks that the data are still the same.
        """
        if not (self.config.run.resume and self.folder.data.exists()):
            with working("data: measuring the mean and deviation of its images"):
                weights, normalization = self._setup.start(steps)
                return weights, normalization or self._pipeline.normalization()
        data, recorded = self._setup.facts(), self.folder.read_data()
        changed = ", ".join(name for name in data if recorded.get(name) != data[name])
        if changed:
            raise UsageError(f"--dataset={self._source.name} differs from that at the training's start: {changed}")
        stopped_before_the_first = not saved_states(self._place)
        weights = self._setup.start(steps)[0] if stopped_before_the_first else {}
        return weights, Normalization(tuple(recorded["mean"]), tuple(recorded["deviation"]))

    def _train_epoch(self, log: TrainingLog) -> None:
        """Trains for an epoch, or the rest of one, measures, writes figures and checkpoint."""
        trainer, every = self._trainer, self.config.run.checkpoint_steps
        began, step_before = time.monotonic(), trainer.step
        seconds_before = log.written[-1]["seconds"] if log.written else 0.0
        last_saved, waited = trainer.step, 0.0
        try:
            for now in trainer.train_epoch():
                self._progress.follow(now.step, now.figures, now.waited)
                waited += now.waited
                if every and now.step - last_saved >= every and now.step % trainer.steps_per_epoch:
                    self._save()
                    last_saved = now.step
            trainer.check_finite()
        except DivergedError as error:
            states = saved_states(self._place)
            kept = f"the last good checkpoint is kept, {states[0]}" if states else "before the first checkpoint"
            raise RunError(
                f"training diverged: {error}; {kept}; start another run with a lower --learning_rate or --clip_norm"
            ) from error
        seconds = time.monotonic() - began
        measured = {**now.figures, **self._measured_after(trainer.epoch)}
        log.epoch(
            {
                "epoch": trainer.epoch,
                "step": trainer.step,
                "learning_rate": trainer.learning_rate,
                **measured,
                "images_per_second": (trainer.step - step_before) * trainer.batch / seconds,
                "waiting": waited / seconds,
                "seconds": seconds_before + time.monotonic() - began,
            }
        )
        self._progress.epoch(measured)
        self._save()

    def _measured_after(self, epoch: int) -> dict[str, float]:
        """Metrics on the held-out images if they are due; those with a slash are too many for a line."""
        due = epoch % self.config.run.valid_every == 0 or epoch == self.config.training.epochs
        if not self._pipeline.size("valid") or not due:
            return {}
        self._valid = self._trainer.measure("valid")
        return {f"valid_{name}": value for name, value in self._valid.metrics.items() if "/" not in name}

    def _save(self) -> None:
        self._trainer.check_finite()
        self._checkpoints.save(self._trainer.step)

    def _finish(self, history: list[dict[str, float]]) -> dict[str, Any]:
        """Measures on the test split, writes the model and the results.

        Raises:
            UsageError: the history lacks the last epoch.
        """
        trainer, setup = self._trainer, self._setup
        if not history or not history[-1].keys() >= set(trainer.figure_names):
            raise UsageError(f"{self._written.history} lacks the last epoch; restore the file, or start another run")
        valid = self._valid  # of the last epoch, unless another process measured it
        if valid is None and self._pipeline.size("valid"):
            valid = trainer.measure("valid")
        final = trainer.measure(setup.test_split) if setup.test_split else None
        trainer.write_back()
        network = setup.network(name=NETWORK)
        load_weights(network, trainer.network.values)
        serving = setup.task.serving(setup.problem, network, trainer.normalization)
        write_atomically(self._written.model, serving.keras_model().save)
        plan = None if setup.keras_backbone else setup.networks.plan(setup.genotype)
        write_network(self._written.network, serving, setup.problem, plan, self._source.annotation.extras)
        if self.first and valid is not None:
            write_training_examples(setup, serving, valid, self._written)
        splits = {"valid": valid and valid.classes, "final_test": final and final.classes}
        if any(splits.values()):
            write_class_results(self._written.classes, splits)
        results = {
            **training_facts(setup),
            "train": {
                "images": self._pipeline.train_images,
                **{name: history[-1][name] for name in trainer.figure_names},
            },
            "steps": trainer.steps,
            "batch_size": trainer.batch,
            "devices": int(self._distribution.num_replicas_in_sync),
            "seconds": history[-1]["seconds"],
            "valid": valid and valid.document(),
            "final_test": final and final.document(),
        }
        write_text(self._written.results, json.dumps(results, indent=2) + "\n")
        return self.add_views(results)  # which takes long: the results are written before
