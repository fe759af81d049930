"""Learning-rate schedules, optimizers and averaged weights of the published recipes."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rl_nas.child.training.settings import TrainingSettings


class WarmUp(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule whose first steps are scaled linearly from 0 up to 1; they do not delay it.

    Args:
        schedule: step -> learning rate.
        steps: of the warm-up.
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, steps: int) -> None:
        self._schedule, self._steps = schedule, steps

    def __call__(self, step: Any) -> Any:
        """The learning rate of a step, the first being 0."""
        fraction = tf.minimum(1.0, tf.cast(step, tf.float32) / self._steps)
        return fraction * self._schedule(step)

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return {"schedule": self._schedule, "steps": self._steps}


def learning_rate(
    settings: TrainingSettings, batch: int, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """The learning rate as a function of the step.

    Args:
        settings: `schedule` and its parameters.
        batch: images of a step, over all devices.
        steps: of the whole training.
    """
    first, per_epoch = settings.learning_rate, steps / settings.epochs
    if settings.learning_rate_batch is not None:  # linear scaling: Goyal et al. 2017, section 2.1
        first *= batch / settings.learning_rate_batch
    schedule: keras.optimizers.schedules.LearningRateSchedule
    if settings.schedule == "cosine":
        schedule = keras.optimizers.schedules.CosineDecay(first, steps, alpha=settings.final_rate)
    elif settings.schedule == "cosine_restarts":
        length = max(1, round(settings.restart_epochs * per_epoch))
        schedule = keras.optimizers.schedules.CosineDecayRestarts(
            first, length, t_mul=settings.restart_growth, alpha=settings.final_rate
        )
    elif settings.schedule == "exponential":
        schedule = keras.optimizers.schedules.ExponentialDecay(
            first, settings.decay_epochs * per_epoch, settings.decay_rate, staircase=True
        )
    elif settings.schedule == "step":
        rates = [first * settings.step_factor**number for number in range(len(settings.steps) + 1)]
        # Keras' boundaries still have the rate before them.
        boundaries = [round(epoch * per_epoch) - 1 for epoch in settings.steps]
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay(boundaries, rates)
    else:  # Chen et al. 2017, "Rethinking Atrous Convolution", section 4.1
        schedule = keras.optimizers.schedules.PolynomialDecay(
            first, steps, end_learning_rate=first * settings.final_rate, power=settings.poly_power
        )
    if settings.warmup_epochs:
        schedule = WarmUp(schedule, max(1, round(settings.warmup_epochs * per_epoch)))
    return schedule


class _Flat:
    """An optimizer of one vector, by gradients that are already summed over all devices.

    Keras would sum them again, and TensorFlow keeps every graph that does so forever: 10 MB a child.

    Attributes:
        factors: of the learning rate, for each weight; None: all 1.
        decay: decoupled weight decay of each weight; None: none.
    """

    factors: np.ndarray | None = None
    decay: np.ndarray | float | None = None

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        # Every update of Keras' is linear in the learning rate, which may therefore be a vector.
        rate = learning_rate if self.factors is None else learning_rate * self.factors
        if self.decay is not None:
            variable.assign_sub(rate * self.decay * variable)
        super().update_step(gradient, variable, rate)  # type: ignore[misc]


class _SGD(_Flat, keras.optimizers.SGD):
    pass


class _RMSprop(_Flat, keras.optimizers.RMSprop):
    pass


class _Adam(_Flat, keras.optimizers.Adam):
    pass


def make_optimizer(
    settings: TrainingSettings,
    batch: int,
    steps: int,
    *,
    is_kernel: np.ndarray | float = 1.0,
    factors: np.ndarray | None = None,
) -> keras.Optimizer:
    """The optimizer of one flat vector of weights.

    It does not clip; on several devices it expects the sum of their gradients. Only that of adamw decays weights: the
    gradient of the others is to have the L2 term.

    Args:
        settings: `optimizer`, its parameters and those of the schedule.
        batch: images of a step, over all devices.
        steps: of the whole training.
        is_kernel: 1 for the weights that adamw decays, 0 for others; float [weights], or one number for all.
        factors: of the learning rate; float [weights]. None: 1.
    """
    rate = learning_rate(settings, batch, steps)
    optimizer: _Flat
    if settings.optimizer == "sgd":
        optimizer = _SGD(rate, settings.momentum, settings.nesterov, name="sgd")
    elif settings.optimizer == "rmsprop":
        # epsilon is under the root, as in TensorFlow 1, which the recipes were written for; there the squares'
        # average starts at 1, here at 0.
        optimizer = _RMSprop(rate, settings.rms_decay, settings.momentum, settings.rms_epsilon, name="rmsprop")
    else:
        optimizer = _Adam(rate, settings.momentum, settings.adam_beta2, settings.adam_epsilon, name=settings.optimizer)
    optimizer.factors = factors
    if settings.optimizer == "adamw" and settings.weight_decay:
        optimizer.decay = settings.weight_decay * is_kernel
    return optimizer


class Average:
    """Exponential moving average of a vector.

    The decay starts small, min(decay, (1 + n) / (10 + n)) at the n-th update, as in TensorFlow 1's
    ExponentialMovingAverage with `num_updates`, so that short trainings do not end at their first weights.
    """

    def __init__(self, vector: keras.Variable, decay: float) -> None:
        self._vector, self._decay = vector, decay
        self.value = keras.Variable(vector.numpy(), name=f"{vector.name}_average", trainable=False)

    def restart(self) -> None:
        """Puts the vector's value in the average's place."""
        self.value.assign(self._vector)

    def update(self, n: tf.Tensor) -> None:
        """Adds the vector's value after the n-th update, counted from 0; traced in a tf.function."""
        n = tf.cast(n, tf.float32)
        decay = tf.minimum(self._decay, (1 + n) / (10 + n))

        def assign(value: tf.Variable, vector: tf.Tensor) -> None:
            value.assign(decay * value + (1 - decay) * vector)

        def on_all(strategy: tf.distribute.Strategy) -> None:
            # Every device averages its own copy.
            strategy.extended.update(self.value.value, assign, args=(self._vector.value,), group=False)

        tf.__internal__.distribute.interim.maybe_merge_call(on_all, tf.distribute.get_strategy())

    def write_back(self) -> None:
        """Puts the average in the vector's place."""
        self._vector.assign(self.value)
