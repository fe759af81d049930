"""Losses of segmentation: means over the labeled pixels of a batch.

Targets are uint8 [batch, height, width], logits float [batch, height, width, classes]. A pixel is labeled if its target
is a class, 0 to classes - 1; others (`IGNORE`) have no part in a loss or its gradient. Without any, a loss is 0.
`weights` of classes are float [classes]; None stands for ones. All is computed in float32, in static shapes.
"""

import tensorflow as tf

_SMALLEST = 1e-12


def cross_entropy(targets: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """Mean cross-entropy, weighted by each pixel's class; nats."""
    labels = one_hot(targets, logits)
    return _mean(pixel_cross_entropy(labels, logits), labels, weights)


def focal(targets: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None = None, *, gamma: float = 2.0) -> tf.Tensor:
    """Mean focal loss, weighted by each pixel's class (Lin et al. 2017, section 3, with a softmax over the classes).

    Args:
        targets: classes.
        logits: of the network.
        weights: of the classes.
        gamma: exponent of the factor (1 - probability of the right class); 0 is the cross-entropy.
    """
    labels = one_hot(targets, logits)
    losses = pixel_cross_entropy(labels, logits)
    # The power of an exact 0 has an infinite or undefined gradient where gamma < 1.
    wrong = tf.maximum(-tf.math.expm1(-losses), _SMALLEST)
    return _mean(wrong**gamma * losses, labels, weights)


def dice(targets: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor | None = None) -> tf.Tensor:
    """1 - soft Dice coefficient, the weighted mean over the classes that occur in the batch's targets.

    A class's coefficient is 2 sum(p y) / (sum(p^2) + sum(y^2)) over all labeled pixels of the batch together, with
    probabilities p and one-hot targets y (Milletari et al. 2016, section 3).
    """
    labels = one_hot(targets, logits)
    labeled = tf.reduce_sum(labels, axis=-1, keepdims=True)
    probabilities = labeled * tf.nn.softmax(tf.cast(logits, tf.float32))
    occurrences = _over_pixels(labels)
    overlaps = _over_pixels(probabilities * labels)
    squares = _over_pixels(tf.square(probabilities)) + occurrences
    coefficients = tf.math.divide_no_nan(2 * overlaps, squares)
    return _weighted(1 - coefficients, tf.cast(occurrences > 0, tf.float32) * (1.0 if weights is None else weights))


def one_hot(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Targets as float32 [batch, height, width, classes]; zeros for pixels that are not labeled."""
    return tf.one_hot(targets, logits.shape[-1])


def pixel_cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy of every pixel, float32 [batch, height, width]; 0 if it is not labeled.

    Args:
        labels: of `one_hot`.
        logits: of the network.
    """
    # TensorFlow's own cross-entropies take longer on CPUs, and their kernels for GPUs are not deterministic.
    return -tf.reduce_sum(labels * tf.nn.log_softmax(tf.cast(logits, tf.float32)), axis=-1)


def _over_pixels(values: tf.Tensor) -> tf.Tensor:
    """Sums over all pixels of a batch, float32 [classes]."""
    pixels = tf.reshape(values, [-1, values.shape[-1]])
    # A product takes a third of the time of a sum and its gradient on CPUs.
    return tf.linalg.matvec(pixels, tf.ones_like(pixels[:, 0]), transpose_a=True)


def _mean(losses: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    """Mean of the pixels' losses, weighted by their classes."""
    return _weighted(losses, tf.reduce_sum(labels if weights is None else labels * weights, axis=-1))


def _weighted(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Weighted mean; 0 if all weights are."""
    return tf.math.divide_no_nan(tf.reduce_sum(weights * values), tf.reduce_sum(weights))
