"""One training in full: its parts, made from flags, and what happens to them from start to end."""

import contextlib
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rl_nas.child.settings import (
    AugmentSettings,
    DataSettings,
    DeviceSettings,
    InitSettings,
    InputPipelineSettings,
    TrainingSettings,
)
from rl_nas.child.training.tf_config import worker_index
from rl_nas.commands import cli
from rl_nas.commands.train_flags import TrainRunSettings
from rl_nas.errors import RunError, UsageError
from rl_nas.flags.parsing import OutputSettings, Parsed
from rl_nas.networks import genotypes
from rl_nas.networks.network import plan_network, size_notation, solve
from rl_nas.networks.settings import NetworkSettings
from rl_nas.report.training_progress import TrainingProgress
from rl_nas.store.files import write_atomically, write_text
from rl_nas.store.run_folder import TrainingFolder

if TYPE_CHECKING:
    from rl_nas.child.data.normalization import Normalization
    from rl_nas.child.training.full_training import Measured
    from rl_nas.report.training_log import TrainingLog

_SHOWN_IMAGES = 8


def check_same_genotype(init: str, genotype: genotypes.Genotype) -> None:
    """Raises `UsageError` if the folder that a training starts from trained another genotype."""
    path = Path(init) if Path(init).is_dir() else Path(init).parent
    other = path / "genotype.json"
    if other.exists() and genotypes.load(other).canonical_key() != genotype.canonical_key():
        raise UsageError(f"--init={init} is a network of another genotype; give --genotype={other}")


class TrainingRun:
    """The parts of a training, made from its flags, and what happens to them from start to end."""

    def __init__(self, parsed: Parsed, folder: TrainingFolder, genotype: genotypes.Genotype) -> None:
        # Imported late: TensorFlow takes seconds, and wrong flags are to be told at once.
        cli.load_tensorflow(debug=parsed.group(OutputSettings).debug)
        from rl_nas.child.data.input_pipeline import InputPipeline
        from rl_nas.child.data.source import ImageSource
        from rl_nas.child.training.checkpoints import last_checkpoint
        from rl_nas.child.training.devices import make_distribution
        from rl_nas.child.training.full_training import global_batch

        self.settings, self.parsed, self.genotype = parsed.group(TrainRunSettings), parsed, genotype
        self.training = parsed.group(TrainingSettings)
        self.devices, self.start = parsed.group(DeviceSettings), parsed.group(InitSettings)
        if self.start.init is not None:
            check_same_genotype(self.start.init, genotype)
        cli.settle_determinism(self.settings.determinism)
        self.first = worker_index(self.devices) == 0
        # Other workers than the first do the same, and write where nobody looks.
        self.folder = folder
        self.written = folder if self.first else TrainingFolder(tempfile.mkdtemp())
        self.place = self.settings.checkpoint_dir or str(folder.checkpoints)
        if not self.settings.resume and last_checkpoint(self.place) is not None:
            raise UsageError(f"--checkpoint_dir={self.place} holds another training's checkpoints; give another one")
        self.strategy = make_distribution(self.devices)
        self.source = ImageSource(parsed.group(DataSettings))
        self.test_split = self.source.test_split if self.settings.final_test else None
        self.pipeline = InputPipeline(self.source, parsed.group(InputPipelineSettings), self.settings.seed)
        if self.test_split:
            self.pipeline.check_labels(self.test_split)
        self.batch = global_batch(self.training, self.pipeline.train_images, self.strategy)
        self.shape, self.classes = self.source.shape, len(self.source.class_names)
        network = parsed.group(NetworkSettings)
        self.skeleton = solve(genotype, network, self.shape, self.classes, default="cifar")
        self.valid: Measured | None = None
        self._make_trainer()

    def run(self) -> dict[str, Any]:
        """Trains, measures and writes; returns the results.

        Raises:
            RunError: the training diverged.
        """
        from rl_nas.child.training.checkpoints import Checkpoints
        from rl_nas.report.training_log import TrainingLog  # imports TensorBoard

        trainer, settings = self.trainer, self.settings
        write_text(self.written.data, json.dumps({**self._data(), **trainer.normalization._asdict()}, indent=2) + "\n")
        self.checkpoints = Checkpoints(trainer.state, self.place, keep=settings.keep, writes=self.first)
        if settings.resume:
            self.checkpoints.restore()
        self.progress = TrainingProgress(trainer.steps, self.training.epochs, trainer.batch, trainer.step)
        shown = self.progress.line if self.first else contextlib.nullcontext()
        log = TrainingLog(self.written.history, self.written.tensorboard, trainer.epoch)
        with self.source.decoding_errors(), log, shown:
            if not trainer.step:
                log.images("training images", trainer.varied_images(_SHOWN_IMAGES))
            while trainer.epoch < self.training.epochs:
                self._train_epoch(log)
            return self._finish(log.written)

    def _make_trainer(self) -> None:
        from rl_nas.child.network.keras_model import build_model
        from rl_nas.child.training.devices import precision
        from rl_nas.child.training.full_training import FullTrainer
        from rl_nas.child.training.transfer import freeze

        steps = self.pipeline.train_images // self.batch * self.training.epochs
        plan = plan_network(self.genotype, self.skeleton, self.shape, self.classes, steps)
        with precision(self.devices.precision):
            model = build_model(plan, seed=self.settings.seed)
        freeze(model, self.start.freeze)
        normalization = self._whitening(model)
        self.trainer = FullTrainer(
            model,
            self.pipeline,
            normalization,
            self.training,
            self.parsed.group(AugmentSettings),
            self.devices,
            strategy=self.strategy,
            classes=self.classes,
            mixup=self.parsed.group(InputPipelineSettings).mixup,
            seed=self.settings.seed,
        )

    def _whitening(self, model: Any) -> "Normalization":
        """Normalization of the data, or of the network whose weights the model gets.

        A resumed training takes up its own, and checks that the data are still the same.
        """
        from rl_nas.child.data.normalization import Normalization
        from rl_nas.child.training.checkpoints import last_checkpoint
        from rl_nas.child.training.transfer import start_from

        if self.settings.resume and self.folder.data.exists():
            data, recorded = self._data(), json.loads(self.folder.data.read_text(encoding="utf-8"))
            changed = ", ".join(name for name in data if recorded.get(name) != data[name])
            if changed:
                raise UsageError(f"--dataset={self.source.name} is not what the training began with: other {changed}")
            if self.start.init is not None and last_checkpoint(self.place) is None:  # it was stopped before the first
                start_from(self.start, model, self.skeleton)
            return Normalization(tuple(recorded["mean"]), tuple(recorded["deviation"]))
        if self.start.init is not None:
            return start_from(self.start, model, self.skeleton).normalization
        return self.pipeline.normalization()

    def _data(self) -> dict[str, Any]:
        """Facts of the data that must be the same when a training goes on."""
        return {
            "classes": list(self.source.class_names),
            "train_images": self.pipeline.train_images,
            "valid_images": self.pipeline.size("valid"),
        }

    def _train_epoch(self, log: "TrainingLog") -> None:
        """Trains for an epoch, or the rest of one, measures, writes figures and checkpoint."""
        from rl_nas.child.training.checkpoints import last_checkpoint
        from rl_nas.child.training.child_training import DivergedError

        trainer, every = self.trainer, self.settings.checkpoint_steps
        began, images_before = time.monotonic(), trainer.step
        seconds_before = log.written[-1]["seconds"] if log.written else 0.0
        last_saved = trainer.step
        try:
            for now in trainer.train_epoch():
                self.progress.follow(*now)
                if every and now.step - last_saved >= every and now.step % trainer.steps_per_epoch:
                    self._save()
                    last_saved = now.step
            trainer.check_finite()
        except DivergedError as error:
            last = last_checkpoint(self.place)
            kept = f"the last good checkpoint stays, {last}" if last else "before the first checkpoint"
            raise RunError(
                f"training diverged: {error}; {kept}; start another run with a lower --learning_rate or --clip_norm"
            ) from error
        seconds = time.monotonic() - began
        figures = {
            "epoch": trainer.epoch,
            "step": trainer.step,
            "learning_rate": trainer.learning_rate,
            "loss": now.loss,
            "accuracy": now.accuracy,
            "images_per_second": (trainer.step - images_before) * trainer.batch / seconds,
        }
        if self.pipeline.size("valid") and self._measures(trainer.epoch):
            self.valid = trainer.measure("valid")
            figures |= {"valid_loss": self.valid.loss, "valid_accuracy": self.valid.accuracy}
        figures["seconds"] = seconds_before + time.monotonic() - began
        log.epoch(figures)
        self.progress.epoch(figures)
        self._save()

    def _measures(self, epoch: int) -> bool:
        return epoch % self.settings.valid_every == 0 or epoch == self.training.epochs

    def _save(self) -> None:
        self.trainer.check_finite()
        self.checkpoints.save(self.trainer.step)

    def _finish(self, history: list[dict[str, float]]) -> dict[str, Any]:
        """Measures on the test split, writes the model and the results."""
        from rl_nas.child.export.serving import Classifier, copy_weights
        from rl_nas.child.network.keras_model import build_model

        trainer, last = self.trainer, history[-1]
        valid = self.valid  # that of the last epoch, unless it was another process that measured it
        if valid is None and self.pipeline.size("valid"):
            valid = trainer.measure("valid")
        final = trainer.measure(self.test_split) if self.test_split else None
        trainer.write_back()
        plan = plan_network(self.genotype, self.skeleton, self.shape, self.classes)
        network = build_model(plan, name="network")
        copy_weights(trainer.model, network)
        classifier = Classifier(network, trainer.normalization, self.source.class_names)
        write_atomically(self.written.model, classifier.keras_model().save)
        cost = plan.cost()
        results = {
            "genotype_name": self.settings.genotype,
            "genotype": genotypes.to_json(self.genotype),
            "network": {
                **asdict(self.skeleton),
                "size": size_notation(self.genotype, self.skeleton),
                "image": list(self.shape),
                "trainable_parameters": cost.trainable,
                "other_parameters": cost.other,
                "multiply_adds": cost.madds,
            },
            "dataset": self.source.name,
            "classes": list(self.source.class_names),
            "train": {"images": self.pipeline.train_images, "loss": last["loss"], "accuracy": last["accuracy"]},
            "valid": valid and valid._asdict(),
            "final_test": final and final._asdict(),
            "epochs": self.training.epochs,
            "steps": trainer.steps,
            "batch_size": trainer.batch,
            "devices": int(self.strategy.num_replicas_in_sync),
            "precision": self.devices.precision,
            "seed": self.settings.seed,
            "split_seed": self.source.settings.split_seed,
            "seconds": last["seconds"],
        }
        write_text(self.written.results, json.dumps(results, indent=2) + "\n")
        return results
