"""The mathematics of policy-gradient updates: pure functions on tensors."""

from typing import NamedTuple

import tensorflow as tf


def reinforce_loss(
    log_prob: tf.Tensor, advantage: tf.Tensor, entropy: tf.Tensor, entropy_weight: float | tf.Tensor
) -> tf.Tensor:
    """Loss whose gradient is the score-function estimate (Williams 1992), with an entropy bonus.

    Args:
        log_prob: log-probability of every sampled architecture, float [replicas, batch].
        advantage: reward minus baseline, same shape; no gradient flows through it.
        entropy: entropy of the policy along every sample, nats, same shape.
        entropy_weight: weight of the bonus, one number or float [replicas, 1].

    Returns:
        One loss per replica, float [replicas]: the mean over the batch.
    """
    tf.debugging.assert_shapes([(log_prob, "RB"), (advantage, "RB"), (entropy, "RB")])
    return -tf.reduce_mean(tf.stop_gradient(advantage) * log_prob + entropy_weight * entropy, axis=-1)


class PPOTerms(NamedTuple):
    """A clipped loss and how far the policy has moved, each float [replicas].

    Attributes:
        loss: the mean over the batch.
        approximate_kl: mean of (ratio - 1) - log ratio, nats: an estimate of KL(old, new) that is never negative.
        clip_fraction: fraction of the ratios outside the clip range.
    """

    loss: tf.Tensor
    approximate_kl: tf.Tensor
    clip_fraction: tf.Tensor


def ppo_loss(
    log_prob: tf.Tensor,
    old_log_prob: tf.Tensor,
    advantage: tf.Tensor,
    entropy: tf.Tensor,
    *,
    clip: float,
    entropy_weight: float,
) -> PPOTerms:
    """The clipped surrogate of Schulman et al. 2017, equation 7, with an entropy bonus.

    Args:
        log_prob: log-probability of every sampled architecture, float [replicas, batch].
        old_log_prob: the same under the policy that sampled it; no gradient flows through it.
        advantage: reward minus baseline, same shape; no gradient flows through it.
        entropy: entropy of the policy along every sample, nats, same shape.
        clip: the ratio is clipped to 1 +- this.
        entropy_weight: weight of the bonus.
    """
    tf.debugging.assert_shapes([(log_prob, "RB"), (old_log_prob, "RB"), (advantage, "RB"), (entropy, "RB")])
    advantage, log_ratio = tf.stop_gradient(advantage), log_prob - tf.stop_gradient(old_log_prob)
    ratio = tf.exp(log_ratio)
    surrogate = tf.minimum(ratio * advantage, tf.clip_by_value(ratio, 1 - clip, 1 + clip) * advantage)
    outside = tf.cast(tf.abs(ratio - 1) > clip, ratio.dtype)
    return PPOTerms(
        loss=-tf.reduce_mean(surrogate + entropy_weight * entropy, axis=-1),
        approximate_kl=tf.reduce_mean(ratio - 1 - log_ratio, axis=-1),
        clip_fraction=tf.reduce_mean(outside, axis=-1),
    )


def clip_by_replica_norm(gradients: list[tf.Tensor], limit: float) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Scales the gradients of every replica down to a global norm of at most `limit`.

    Args:
        gradients: one per variable, float [replicas, ...].
        limit: largest norm; 0: no clipping.

    Returns:
        The gradients, and their norms before clipping, float [replicas].
    """
    squares = [tf.reduce_sum(g**2, axis=list(range(1, len(g.shape)))) for g in gradients]
    norm = tf.sqrt(tf.add_n(squares))
    if not limit:
        return gradients, norm
    scale = limit / tf.maximum(norm, limit)
    return [g * tf.reshape(scale, [-1] + [1] * (len(g.shape) - 1)) for g in gradients], norm
