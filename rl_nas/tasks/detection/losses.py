"""Losses of detection: sums over the anchors of a batch, divided by the number of the positive ones, at least 1.

`classes` are int32 [batch, A]: the class of an anchor, `NEGATIVE` or `NEITHER`. All is computed in float32.
"""

import tensorflow as tf

from rl_nas.tasks.detection.matching import NEITHER

ALPHA, GAMMA, BETA = 0.25, 2.0, 1.0


def focal(logits: tf.Tensor, classes: tf.Tensor, *, alpha: float = ALPHA, gamma: float = GAMMA) -> tf.Tensor:
    """Focal loss with a sigmoid for every class (Lin et al. 2017, section 3); anchors that are `NEITHER` have none.

    Args:
        logits: float [batch, A, C].
        classes: of the anchors.
        alpha: weight of the right class; the other classes of an anchor weigh 1 - alpha.
        gamma: exponent of the factor (1 - probability of what is true).
    """
    return tf.reduce_sum(focal_sums(logits, classes, alpha=alpha, gamma=gamma)) / positives(classes)


def focal_sums(logits: tf.Tensor, classes: tf.Tensor, *, alpha: float = ALPHA, gamma: float = GAMMA) -> tf.Tensor:
    """The focal losses of every image's anchors, not divided, float32 [batch]; arguments as in `focal`."""
    logits = tf.cast(logits, tf.float32)
    right = tf.range(logits.shape[-1]) == classes[..., tf.newaxis]
    against = tf.where(right, -logits, logits)  # logit of the opposite of what is true, p its probability
    entropies = tf.math.softplus(against)
    # p is exp(against - entropies): unlike a power of p, this has a finite gradient where p is 0.
    terms = tf.where(right, alpha, 1 - alpha) * tf.exp(gamma * (against - entropies)) * entropies
    of_anchors = tf.reduce_sum(terms, axis=-1)
    return tf.reduce_sum(tf.where(classes == NEITHER, 0.0, of_anchors), axis=-1)


def smooth_l1(codes: tf.Tensor, targets: tf.Tensor, classes: tf.Tensor, *, beta: float = BETA) -> tf.Tensor:
    """Smooth L1 loss of the positive anchors' codes (Girshick 2015, section 2.3).

    Args:
        codes: float [batch, A, 4], as in `boxes.encode`.
        targets: float32 [batch, A, 4]; finite.
        classes: of the anchors.
        beta: difference at which the loss turns from a square to an absolute value, above 0.
    """
    return tf.reduce_sum(smooth_l1_sums(codes, targets, classes, beta=beta)) / positives(classes)


def smooth_l1_sums(codes: tf.Tensor, targets: tf.Tensor, classes: tf.Tensor, *, beta: float = BETA) -> tf.Tensor:
    """The losses of every image's positive anchors, not divided, float32 [batch]; arguments as in `smooth_l1`."""
    differences = tf.abs(tf.cast(codes, tf.float32) - targets)
    losses = tf.where(differences < beta, tf.square(differences) / (2 * beta), differences - 0.5 * beta)
    return tf.reduce_sum(tf.where((classes >= 0)[..., tf.newaxis], losses, 0.0), axis=[1, 2])


def positives(classes: tf.Tensor) -> tf.Tensor:
    """The number of positive anchors of the whole batch, but at least 1; float32."""
    return tf.maximum(tf.reduce_sum(tf.cast(classes >= 0, tf.float32)), 1.0)
