"""The two layers that Keras lacks: scheduled drop path, and the training fraction that it follows."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("rl_nas")
class TrainingFractionLayer(keras.layers.Layer):
    """The fraction of a training that is done: min(1, step / steps), a scalar.

    The step is a weight, saved with the model; every call in training mode is one step.

    Args:
        steps: total train steps.
        **kwargs: those of every Keras layer.
    """

    def __init__(self, steps: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.steps = steps

    def build(self, input_shape: Any) -> None:
        """Creates the step counter."""
        self.step = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="step")

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The fraction before this step; the input only triggers it."""
        fraction = ops.minimum(1.0, ops.cast(self.step.value, "float32") / self.steps)
        if training:
            self.step.assign(self.step + 1)
        return fraction

    def compute_output_spec(self, inputs: Any, training: bool = False) -> Any:
        """A float scalar."""
        return keras.KerasTensor((), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """Arguments of an equal layer."""
        return {**super().get_config(), "steps": self.steps}


@keras.saving.register_keras_serializable("rl_nas")
class ScheduledDropPath(keras.layers.Layer):
    """Zeroes its input for whole examples in training, more and more often (Zoph et al. 2018).

    Each example is kept with probability p = 1 - fraction * (1 - keep) and then divided by p: the rule of
    the released code, in which `keep` also falls from cell to cell.

    Args:
        keep: probability of keeping an example at the end of the training.
        seed: the dropped examples are a function of it and of the number of the call.
        **kwargs: those of every Keras layer.
    """

    def __init__(self, keep: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep, self.seed = keep, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, fraction: Any, training: bool = False) -> Any:
        """Inputs [batch, height, width, channels] and the fraction of the training that is done, a scalar."""
        if not training:
            return inputs
        probability = ops.cast(1 - fraction * (1 - self.keep), inputs.dtype)
        shape = (ops.shape(inputs)[0], 1, 1, 1)
        kept = keras.random.uniform(shape, seed=self.seed_generator, dtype=inputs.dtype) < probability
        return ops.where(kept, inputs / probability, ops.zeros_like(inputs))

    def compute_output_spec(self, inputs: Any, fraction: Any, training: bool = False) -> Any:
        """A tensor like the inputs."""
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """Arguments of an equal layer."""
        return {**super().get_config(), "keep": self.keep, "seed": self.seed}
