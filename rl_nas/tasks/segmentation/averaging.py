"""Mean predictions over several views of the same images."""

from collections.abc import Sequence

import tensorflow as tf

from rl_nas.child.network.flat_weights import Outputs

_LEAST = 1e-30
"""Least probability, whose logarithm is finite."""


def averaged(views: Sequence[tuple[Outputs, bool]], size: tuple[int, int]) -> Outputs:
    """The logits of the mean probabilities of every pixel.

    Args:
        views: outputs of the network for the images at several sizes, and whether the images were mirrored.
        size: height and width of the result; logits of other sizes are interpolated.
    """
    total: tf.Tensor = 0.0
    for outputs, mirrored in views:
        logits = tf.image.resize(tf.cast(outputs["logits"], tf.float32), size)
        total += tf.nn.softmax(tf.reverse(logits, [2]) if mirrored else logits)
    return {"logits": tf.math.log(tf.maximum(total / len(views), _LEAST))}
