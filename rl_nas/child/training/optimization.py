"""Learning-rate schedules, optimizers and averaged weights of the published recipes."""

from typing import Any

import keras
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
    else:
        schedule = keras.optimizers.schedules.ExponentialDecay(
            first, settings.decay_epochs * per_epoch, settings.decay_rate, staircase=True
        )
    if settings.warmup_epochs:
        schedule = WarmUp(schedule, max(1, round(settings.warmup_epochs * per_epoch)))
    return schedule


class _GradientsSummed:
    """An optimizer of gradients that are already summed over all devices.

    Keras would sum them again, and TensorFlow keeps every graph that does so forever: 10 MB a child.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


class _SGD(_GradientsSummed, keras.optimizers.SGD):
    pass


class _RMSprop(_GradientsSummed, keras.optimizers.RMSprop):
    pass


def make_optimizer(settings: TrainingSettings, batch: int, steps: int) -> keras.Optimizer:
    """The optimizer of one flat vector of weights; arguments as in `learning_rate`.

    It does not clip; on several devices it expects the sum of their gradients.
    """
    rate = learning_rate(settings, batch, steps)
    if settings.optimizer == "sgd":
        return _SGD(rate, settings.momentum, settings.nesterov, name="sgd")
    # epsilon is under the root, as in TensorFlow 1, which the recipes were written for; there the squares'
    # average starts at 1, here at 0.
    return _RMSprop(rate, settings.rms_decay, settings.momentum, settings.rms_epsilon, name="rmsprop")


class Average:
    """Exponential moving average of a vector.

    The decay starts small, min(decay, (1 + n) / (10 + n)) at the n-th update, as in TensorFlow 1's
    ExponentialMovingAverage with `num_updates`, so that short trainings do not end at their first weights.
    """

    def __init__(self, vector: keras.Variable, decay: float) -> None:
        self._vector, self._decay = vector, decay
        self.value = keras.Variable(vector.numpy(), name=f"{vector.name}_average", trainable=False)

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
