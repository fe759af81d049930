"""The mathematics of policy-gradient updates: pure functions on tensors."""

import tensorflow as tf


def reinforce_loss(
    log_prob: tf.Tensor, advantage: tf.Tensor, entropy: tf.Tensor, entropy_weight: float
) -> tf.Tensor:
    """Loss whose gradient is the score-function estimate (Williams 1992), with an entropy bonus.

    Args:
        log_prob: log-probability of every sampled architecture, float [replicas, batch].
        advantage: reward minus baseline, same shape; no gradient flows through it.
        entropy: entropy of the policy along every sample, nats, same shape.
        entropy_weight: weight of the bonus.

    Returns:
        One loss per replica, float [replicas]: the mean over the batch.
    """
    tf.debugging.assert_shapes([(log_prob, "RB"), (advantage, "RB"), (entropy, "RB")])
    return -tf.reduce_mean(tf.stop_gradient(advantage) * log_prob + entropy_weight * entropy, axis=-1)


def clip_by_replica_norm(gradients: list[tf.Tensor], limit: float) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Scales the gradients of every replica down to a global norm of at most `limit`.

    Args:
        gradients: one per variable, float [replicas, ...].
        limit: largest norm; 0 leaves the gradients as they are.

    Returns:
        The gradients, and their norms before clipping, float [replicas].
    """
    squares = [tf.reduce_sum(g**2, axis=list(range(1, len(g.shape)))) for g in gradients]
    norm = tf.sqrt(tf.add_n(squares))
    if not limit:
        return gradients, norm
    scale = limit / tf.maximum(norm, limit)
    return [g * tf.reshape(scale, [-1] + [1] * (len(g.shape) - 1)) for g in gradients], norm
