"""Full training, from config to a trained network and its results."""

import contextlib
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from rl_nas.child.data.input_pipeline import InputPipeline
from rl_nas.child.data.normalization import Normalization
from rl_nas.child.export.serving import NETWORK, copy_weights
from rl_nas.child.network.composed import build_network
from rl_nas.child.training.checkpoints import Checkpoints, last_checkpoint
from rl_nas.child.training.child_training import DivergedError
from rl_nas.child.training.devices import make_distribution, precision
from rl_nas.child.training.full_training import FullTrainer, Measured, global_batch
from rl_nas.child.training.tf_config import worker_index
from rl_nas.child.training.transfer import freeze, rate_factors, start_from
from rl_nas.errors import RunError, UsageError
from rl_nas.evaluation.averaged_views import AveragedViews
from rl_nas.networks.genotypes import load
from rl_nas.networks.layer import Cost
from rl_nas.report.training_log import TrainingLog
from rl_nas.report.training_progress import TrainingProgress
from rl_nas.spaces.decisions import Genotype
from rl_nas.store.files import write_atomically, write_text
from rl_nas.store.run_folder import TrainingFolder
from rl_nas.tasks.sources import open_source, tell_user
from rl_nas.workflows.backbone import load_backbone, read_weights
from rl_nas.workflows.config import TrainConfig
from rl_nas.workflows.networks import make_networks
from rl_nas.workflows.run_config import without_unread
from rl_nas.workflows.tensorflow_setup import settle_determinism
from rl_nas.workflows.training_results import measured_views, training_facts, write_training_examples

_SHOWN_IMAGES = 8


class TrainingRun:
    """A full training and its parts. Creation checks everything and writes nothing.

    Attributes:
        config: of the training, with the task that was found.
        first: whether this process writes; only one of several machines does.
    """

    def __init__(self, config: TrainConfig, folder: TrainingFolder, genotype: Genotype) -> None:
        settings, self.folder, self._genotype = config.run, folder, genotype
        if config.start.init is not None:
            _check_same_genotype(config.start.init, genotype)
        settle_determinism(settings.determinism)
        self.first = worker_index(config.devices) == 0
        # Other workers do the same, but write to a temporary folder.
        self._written = folder if self.first else TrainingFolder(tempfile.mkdtemp())
        self._place = settings.checkpoint_dir or str(folder.checkpoints)
        if not settings.resume and last_checkpoint(self._place) is not None:
            raise UsageError(f"--checkpoint_dir={self._place} holds another training's checkpoints; give another one")
        self._distribution = make_distribution(config.devices)
        self._task, self._source = open_source(config.data, config.task.task, config.flags())
        config.check_task(self._task)
        if config.pipeline.mixup:
            self._task.require("mixup", f"--mixup={config.pipeline.mixup:g}")
        self.config = replace(config, task=replace(config.task, task=config.task.task or self._task.name))
        self._test_split = self._source.test_split if settings.final_test else None
        self._pipeline = InputPipeline(self._source, config.pipeline, settings.seed)
        if self._test_split:
            self._source.check_targets(self._test_split, "leave it out with --nofinal_test")
        problem = config.problem(self._task, self._source.class_names)
        self._problem = self._task.on_targets(problem, self._pipeline.train_targets, tell_user)
        if settings.resume and config.parts.backbone is None:
            network = without_unread(config.network, genotype, self._task.head(self._problem))
            self.config = replace(self.config, network=network)
        what, shape = f"--genotype={settings.genotype}", self._source.shape
        self._networks, self._backbone = make_networks(
            self._task, self._problem, genotype, what, self.config.flags(), shape, preset="cifar"
        )
        if config.start.init is not None and self._backbone is not None and self._backbone.file is not None:
            raise UsageError(
                f"--init={config.start.init} and --backbone={self._backbone.name} both bring weights of the backbone;"
                " leave out --init, or give the backbone's genotype alone, with its sizes"
            )
        self._keras = None if self._backbone is None else self._backbone.keras
        self._problem, self._head = self._networks.problem, self._networks.head(genotype)
        self._skeleton = self._networks.skeleton(genotype)
        evaluation = self.config.evaluation
        self._views: AveragedViews | None = None
        if evaluation.asked:
            self._views = AveragedViews(evaluation, self._networks, genotype, self._keras)
        self._valid: Measured | None = None
        self._trainer = self._make_trainer()

    def run(self) -> dict[str, Any]:
        """Trains, measures and writes; returns the results.

        Raises:
            RunError: the training diverged.
        """
        trainer, settings, epochs = self._trainer, self.config.run, self.config.training.epochs
        data = {**self._data(), **trainer.normalization._asdict()}
        write_text(self._written.data, json.dumps(data, indent=2) + "\n")
        self._checkpoints = Checkpoints(trainer.state, self._place, keep=settings.keep, writes=self.first)
        if settings.resume:
            self._checkpoints.restore()
        self._progress = TrainingProgress(trainer.steps, epochs, trainer.batch, trainer.step)
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
        if self._views is None or not self.first:
            return results
        trained = read_weights(self.folder.model, f"--run_dir={self.folder.path}")
        with self._source.decoding_errors():
            measured = measured_views(self._views, *trained, self._pipeline, self._test_split)
        whole = {**results, "views": measured}
        write_text(self.folder.results, json.dumps(whole, indent=2) + "\n")
        return whole

    def _make_trainer(self) -> FullTrainer:
        config, images = self.config, self._pipeline.train_images
        steps = images // global_batch(config.training, images, self._distribution) * config.training.epochs
        plan = self._networks.plan(self._genotype, steps)
        with precision(config.devices.precision):
            model = build_network(plan, self._keras, seed=config.run.seed)
        freeze(model, config.start.freeze, self._head)
        return FullTrainer(
            model,
            self._pipeline,
            self._normalization(model),
            self._task.objective(self._problem),
            config.training,
            config.augmentation,
            config.devices,
            annotation=self._source.annotation,
            metric=lambda: self._task.metric(self._problem),
            strategy=self._distribution,
            mixup=config.pipeline.mixup,
            seed=config.run.seed,
            factors=rate_factors(model, config.start.backbone_rate, self._head),
        )

    def _normalization(self, model: keras.Model) -> Normalization:
        """The normalization of the data, or of the network whose weights the model gets.

        A resumed training restores its own, and checks that the data are still the same.
        """
        if not (self.config.run.resume and self.folder.data.exists()):
            return self._start(model) or self._pipeline.normalization()
        data, recorded = self._data(), self.folder.read_data()
        changed = ", ".join(name for name in data if recorded.get(name) != data[name])
        if changed:
            raise UsageError(f"--dataset={self._source.name} differs from that at the training's start: {changed}")
        if last_checkpoint(self._place) is None:  # it was stopped before the first one
            self._start(model)
        return Normalization(tuple(recorded["mean"]), tuple(recorded["deviation"]))

    def _start(self, model: keras.Model) -> Normalization | None:
        """Copies the trained weights that the flags name, if any; returns the normalization of their images."""
        start = self.config.start
        if start.init is not None:
            return start_from(start, model, self._skeleton, self._head).normalization
        if self._keras is not None:
            return self._keras.normalization  # the model has its weights
        if self._backbone is None or self._backbone.file is None:
            return None
        backbone = load_backbone(self._backbone, self._networks, self._genotype)
        for variable in model.variables:
            if variable.path in backbone.weights:
                variable.assign(backbone.weights[variable.path])
        return backbone.normalization

    def _data(self) -> dict[str, Any]:
        """Facts of the data that must not change when a training is continued."""
        return {
            "classes": list(self._source.class_names),
            "train_images": self._pipeline.train_images,
            "valid_images": self._pipeline.size("valid"),
        }

    def _train_epoch(self, log: TrainingLog) -> None:
        """Trains for an epoch, or the rest of one, measures, writes figures and checkpoint."""
        trainer, every = self._trainer, self.config.run.checkpoint_steps
        began, step_before = time.monotonic(), trainer.step
        seconds_before = log.written[-1]["seconds"] if log.written else 0.0
        last_saved = trainer.step
        try:
            for now in trainer.train_epoch():
                self._progress.follow(now.step, now.figures)
                if every and now.step - last_saved >= every and now.step % trainer.steps_per_epoch:
                    self._save()
                    last_saved = now.step
            trainer.check_finite()
        except DivergedError as error:
            last = last_checkpoint(self._place)
            kept = f"the last good checkpoint is kept, {last}" if last else "before the first checkpoint"
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
        trainer = self._trainer
        if not history or not history[-1].keys() >= set(trainer.figure_names):
            raise UsageError(f"{self._written.history} lacks the last epoch; restore the file, or start another run")
        valid = self._valid  # of the last epoch, unless another process measured it
        if valid is None and self._pipeline.size("valid"):
            valid = trainer.measure("valid")
        final = trainer.measure(self._test_split) if self._test_split else None
        trainer.write_back()
        plan = self._networks.plan(self._genotype)
        network = build_network(plan, self._keras, name=NETWORK)
        copy_weights(trainer.model, network)
        serving = self._task.serving(self._problem, network, trainer.normalization)
        write_atomically(self._written.model, serving.keras_model().save)
        if self.first and valid is not None:
            name = self.config.run.genotype or "network"
            write_training_examples(self._task, self._source, self._pipeline, serving, valid, self._written, name)
        cost = plan.cost() + (Cost() if self._keras is None else self._keras.cost)
        results = {
            **training_facts(self.config, self._networks, self._genotype, cost, self._source),
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


def _check_same_genotype(init: str, genotype: Genotype) -> None:
    """Raises `UsageError` if the folder that a training starts from trained another genotype."""
    path = Path(init) if Path(init).is_dir() else Path(init).parent
    other = path / "genotype.json"
    if other.exists() and load(other).canonical_key() != genotype.canonical_key():
        raise UsageError(f"--init={init} is a network of another genotype; give --genotype={other}")
