"""The RNN policy against analytic values."""

import numpy as np
import tensorflow as tf

from rl_nas.controller.policy import RNNPolicy
from rl_nas.spaces.nasnet import nasnet


def test_fresh_policy_is_uniform_and_scores_what_it_samples() -> None:
    space = nasnet(2)
    policy = RNNPolicy(space, units=8, init_scale=0.1, seed=0, replicas=2)
    total = sum(np.log(len(decision.choices)) for decision in space.decisions)
    rollout = policy.sample(tf.constant([1, 2], tf.int64), tf.constant(3))
    np.testing.assert_allclose(tf.reduce_sum(rollout.log_probs, -1), np.full((2, 3), -total), rtol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(rollout.entropies, -1), np.full((2, 3), total), rtol=1e-5)
    policy.softmax_kernels.assign(tf.random.stateless_normal(policy.softmax_kernels.shape, [3, 4]))
    rollout = policy.sample(tf.constant([5, 6], tf.int64), tf.constant(3))
    scored = policy.score(rollout.tokens)
    np.testing.assert_allclose(scored.log_probs, rollout.log_probs, atol=1e-5)
    np.testing.assert_allclose(scored.entropies, rollout.entropies, atol=1e-5)
    for architecture in rollout.tokens.numpy().reshape(-1, len(space.decisions)):
        space.validate([int(token) for token in architecture])
