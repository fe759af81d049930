"""The RNN policy against analytic values, in every space."""

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.controller.agent import Reinforce
from rl_nas.controller.policy import FREE, RNNPolicy
from rl_nas.controller.settings import ControllerSettings
from rl_nas.spaces.catalog import SPACES, find_space
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.trial import Measurement, Trial, TrialState


@pytest.mark.parametrize("name", SPACES)
def test_fresh_policy_is_uniform_and_scores_what_it_samples(name: str) -> None:
    space = find_space(SpaceSettings(space=name, blocks=2, layers=4))
    policy = RNNPolicy(space, units=8, init_scale=0.1, seed=0, replicas=2)
    total = sum(np.log(len(decision.choices)) for decision in space.decisions)
    free = tf.fill([3, len(space.decisions)], FREE)
    rollout = policy.sample(tf.constant([1, 2], tf.int64), free)
    np.testing.assert_allclose(tf.reduce_sum(rollout.log_probs, -1), np.full((2, 3), -total), rtol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(rollout.entropies, -1), np.full((2, 3), total), rtol=1e-5)
    policy.softmax_kernels.assign(tf.random.stateless_normal(policy.softmax_kernels.shape, [3, 4]))
    rollout = policy.sample(tf.constant([5, 6], tf.int64), free)
    scored = policy.score(rollout.tokens)
    np.testing.assert_allclose(scored.log_probs, rollout.log_probs, atol=1e-5)
    np.testing.assert_allclose(scored.entropies, rollout.entropies, atol=1e-5)
    for architecture in rollout.tokens.numpy().reshape(-1, len(space.decisions)):
        space.validate([int(token) for token in architecture])


def test_what_a_schedule_fixes_counts_for_nothing() -> None:
    space = nas_rl(4, start_layers=2, grow_every=3)
    agent = Reinforce(space, ControllerSettings(units=8), seed=0)
    proposals = agent.propose(6)
    assert [len(space.decode(a).layers) for a in proposals] == [2, 2, 2, 4, 4, 4]
    rollout = agent.policy.score(tf.constant([proposals]), agent._fixed(range(6)))
    free = [[d for i, d in enumerate(space.decisions) if space.is_active(i, a) and i > 0] for a in proposals]
    expected = [-sum(np.log(len(d.choices)) for d in decisions) for decisions in free]
    np.testing.assert_allclose(tf.reduce_sum(rollout.log_probs, -1)[0], expected, rtol=1e-5)
    before = agent.policy.softmax_kernels.numpy()
    measurement = Measurement(0.5, 1.0, 1, 1, 1, 1.0)
    agent.observe([Trial(i, a, TrialState.OK, i / 5, measurement) for i, a in enumerate(proposals)])
    changed = np.any(agent.policy.softmax_kernels.numpy() != before, axis=(0, 2, 3))
    assert not changed[0]
    assert np.all(changed[1:])
