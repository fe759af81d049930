"""The controller as a search strategy: samples from the RNN policy, learns by REINFORCE."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rl_nas.controller.baseline import MovingAverageBaseline
from rl_nas.controller.losses import clip_by_replica_norm, reinforce_loss
from rl_nas.controller.policy import FREE, RNNPolicy
from rl_nas.controller.settings import ControllerSettings
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.trial import Trial


class Reinforce:
    """REINFORCE with a moving-average baseline of previous rewards and an entropy bonus.

    A failed trial counts as the worst reward seen so far, so that the policy moves away from it.
    """

    def __init__(self, space: SearchSpace[Any], settings: ControllerSettings, seed: int) -> None:
        self._space, self._settings = space, settings
        weights_seed, self._sample_seed = np.random.SeedSequence(seed).generate_state(2)
        self.policy = RNNPolicy(
            space, units=settings.units, init_scale=settings.init_scale, seed=int(weights_seed)
        )
        self._optimizer = keras.optimizers.Adam(settings.learning_rate)
        self._optimizer.build(self.policy.trainable_variables)
        self._baseline = MovingAverageBaseline(settings.baseline_decay)
        # Signatures of any batch size: each function is traced once.
        seed_spec, fixed_spec = tf.TensorSpec([2], tf.int64), tf.TensorSpec([None, len(space.decisions)], tf.int32)
        tokens_spec = tf.TensorSpec([1, None, len(space.decisions)], tf.int32)
        advantages_spec = tf.TensorSpec([1, None], tf.float32)
        self._sample = tf.function(self.policy.sample, [seed_spec, fixed_spec], autograph=False)
        self._update = tf.function(self._train_step, [tokens_spec, fixed_spec, advantages_spec], autograph=False)
        self._proposals, self._proposed = 0, 0
        self._worst: float | None = None
        self._diagnostics: dict[str, float] = {}

    def propose(self, n: int) -> list[Architecture]:
        """Samples `n` architectures from the policy, all in one call of the graph."""
        seed = tf.constant([int(self._sample_seed), self._proposals], tf.int64)
        fixed = self._fixed(range(self._proposed, self._proposed + n))
        self._proposals += 1
        self._proposed += n
        rollout = self._sample(seed, fixed)
        self._diagnostics["entropy"] = float(tf.reduce_mean(tf.reduce_sum(rollout.entropies, -1)))
        return [tuple(map(int, tokens)) for tokens in rollout.tokens[0].numpy()]

    def observe(self, trials: Sequence[Trial]) -> None:
        """One policy-gradient step on a batch of trials."""
        rewards = self._rewards(trials)
        if rewards is None:
            return
        advantages = self._baseline.advantages(rewards)
        tokens = tf.constant([[trial.architecture for trial in trials]], tf.int32)
        fixed = self._fixed([trial.index for trial in trials])
        norm = self._update(tokens, fixed, tf.constant(advantages[np.newaxis], tf.float32))
        self._diagnostics["baseline"] = float(self._baseline.value or 0.0)
        self._diagnostics["gradient_norm"] = float(norm)

    def diagnostics(self) -> Mapping[str, float]:
        """`entropy` of the policy over whole architectures (nats), `baseline`, `gradient_norm`."""
        return dict(self._diagnostics)

    def _fixed(self, trials: Iterable[int]) -> tf.Tensor:
        """The choices that are not free in these trials, int32 [trials, decisions]."""
        numbers = range(len(self._space.decisions))
        fixed = [self._space.fixed(trial) for trial in trials]
        return tf.constant([[choices.get(number, FREE) for number in numbers] for choices in fixed], tf.int32)

    def _rewards(self, trials: Sequence[Trial]) -> np.ndarray | None:
        """Rewards [batch], failures at the worst so far; None when no reward has been seen at all."""
        known = [trial.reward for trial in trials if trial.reward is not None]
        if known:
            self._worst = min(known if self._worst is None else [self._worst, *known])
        if self._worst is None or not trials:
            return None
        return np.array([self._worst if trial.reward is None else trial.reward for trial in trials])

    def _train_step(self, tokens: tf.Tensor, fixed: tf.Tensor, advantages: tf.Tensor) -> tf.Tensor:
        variables = self.policy.trainable_variables
        with tf.GradientTape() as tape:
            rollout = self.policy.score(tokens, fixed)
            loss = reinforce_loss(
                tf.reduce_sum(rollout.log_probs, -1),
                advantages,
                tf.reduce_sum(rollout.entropies, -1),
                self._settings.entropy_weight,
            )
        gradients, norm = clip_by_replica_norm(tape.gradient(loss, variables), self._settings.clip_norm)
        self._optimizer.apply(gradients, variables)
        return norm[0]
