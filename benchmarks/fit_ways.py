"""Two ways of training children by Keras' `fit`, as other programs do."""

import gc
import tempfile
import time
from typing import Any

import numpy as np
from random_children import RandomChildren, Tell

from rl_nas.trial import Job


def by_tuner(children: RandomChildren, tell: Tell) -> None:
    """Keras Tuner, whose hyperparameter is the number of the child."""
    import keras_tuner

    train, valid = _arrays(children)
    count, training = len(children.jobs), children.config.training

    class Cells(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return _compiled(children, children.jobs[hp.Int("child", 0, count - 1)])

    class Tuner(keras_tuner.GridSearch):
        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            tell()

    with tempfile.TemporaryDirectory() as folder:
        tuner = Tuner(Cells(), objective="val_accuracy", max_trials=count, directory=folder)
        size, epochs = training.batch_size, training.epochs
        tuner.search(*train, batch_size=size, epochs=epochs, validation_data=valid, verbose=0)


def by_fit(children: RandomChildren, tell: Tell) -> None:
    """A loop around Keras' `fit` that forgets every child before the next."""
    import keras

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.times: list[float] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.times.append(time.perf_counter())

    (images, labels), valid = _arrays(children)
    training = children.config.training
    for job in children.jobs:
        model, clock = _compiled(children, job), Clock()
        model.fit(images, labels, training.batch_size, training.epochs, verbose=0, callbacks=[clock])
        trained = time.perf_counter()
        model.evaluate(*valid, batch_size=500, verbose=0)
        measuring = time.perf_counter() - trained
        del model
        keras.backend.clear_session()
        gc.collect()
        tell(steady=float(np.mean(np.diff(clock.times))) * children.steps, measuring=measuring)


def _compiled(children: RandomChildren, job: Job) -> Any:
    """A child for Keras' `fit`: without augmentation, weight decay and clipping, which cost our ways time."""
    import keras

    from rl_nas.child.network.keras_model import build_model

    training, planned = children.config.training, build_model(children.plan(job), seed=job.seed)
    model = keras.Model(planned.input, planned.output["logits"])
    schedule = keras.optimizers.schedules.CosineDecay(training.learning_rate, children.steps)
    model.compile(
        keras.optimizers.SGD(schedule, momentum=training.momentum),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=training.compiled,
    )
    return model


def _arrays(children: RandomChildren) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Normalized training and held-out images with their labels."""
    images, normalize = children.images, children.images.normalization()
    return (
        (normalize(images.train_images).numpy(), images.train_targets),
        (normalize(images.valid_images).numpy(), images.valid_targets),
    )
