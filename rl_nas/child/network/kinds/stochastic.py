"""Layers whose output differs from train step to train step."""

import keras
import tensorflow as tf

from rl_nas.child.network.keras_layers import ScheduledDropPath, TrainingFractionLayer
from rl_nas.child.network.kinds.kind import LayerKind
from rl_nas.child.network.layer_call import LayerCall, LayerPullback, taped
from rl_nas.networks import layers


@taped
def _dropout(call: LayerCall, x: tf.Tensor) -> tf.Tensor:
    if not call.training:
        return x
    return tf.nn.experimental.stateless_dropout(x, call.layer.rate, call.seed)


def _fraction(call: LayerCall, x: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    fraction = tf.minimum(1.0, tf.cast(call.step, tf.float32) / call.layer.steps) if call.training else tf.zeros([])
    return fraction, lambda gradient: ([None], [])


def _drop_path(call: LayerCall, x: tf.Tensor, fraction: tf.Tensor) -> tuple[tf.Tensor, LayerPullback]:
    if not call.training:
        return x, lambda gradient: ([gradient, None], [])
    keep = 1 - fraction * (1 - call.layer.keep)
    kept = tf.random.stateless_uniform([x.shape[0], 1, 1, 1], call.seed) < keep
    scale = tf.cast(tf.where(kept, 1 / keep, 0.0), x.dtype)
    return x * scale, lambda gradient: ([gradient * scale, None], [])


DROPOUT = LayerKind(
    layers.Dropout,
    keras=lambda layer, site: keras.layers.Dropout(layer.rate, seed=site.seed, name=site.name),
    compute=_dropout,
    narrow=False,
)
TRAINING_FRACTION = LayerKind(
    layers.TrainingFraction,
    keras=lambda layer, site: TrainingFractionLayer(layer.steps, name=site.name),
    compute=_fraction,
    narrow=False,
)
DROP_PATH = LayerKind(
    layers.DropPath,
    keras=lambda layer, site: ScheduledDropPath(layer.keep, seed=site.seed, name=site.name),
    compute=_drop_path,
)
