"""REINFORCE and PPO."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.checkpoint import State
from rl_nas.controller.baseline import BASELINES
from rl_nas.controller.learner import PolicyLearner
from rl_nas.controller.losses import ppo_loss, reinforce_loss
from rl_nas.controller.settings import ControllerConfig
from rl_nas.spaces.decisions import SearchSpace

_TINY = 1e-12
"""Variance of rounding, below which rewards count as equal."""


class ReinforceLearner(PolicyLearner):
    """REINFORCE (Williams 1992) with a baseline and an entropy bonus: one step for each batch of trials.

    A failed trial counts as the worst reward seen so far, so that the policy moves away from it.
    """

    def __init__(self, space: SearchSpace[Any], config: ControllerConfig, seeds: Sequence[int]) -> None:
        super().__init__(space, config, seeds)
        self._baseline = BASELINES[config.baseline](config.baseline_decay)
        self._moments: list[Any] = [0, np.zeros(len(seeds)), np.zeros(len(seeds))]
        self._make_functions()

    def observe(
        self, tokens: np.ndarray, rewards: np.ndarray, fixed: np.ndarray, behavior: np.ndarray | None = None
    ) -> None:
        """One update; see `PolicyLearner.observe`. `figures` then has `baseline`, `advantage_std`, `gradient_norm`."""
        rewards = self.without_failures(rewards)
        advantages = self._baseline.advantages(rewards)
        if self.config.standardize:
            advantages = advantages / self._deviation(rewards)
        if self._baseline.value is not None:
            self._figures["baseline"] = self._baseline.value
        self._figures["advantage_std"] = advantages.std(axis=1)
        self._learn(tokens.astype(np.int32), fixed, advantages.astype(np.float32), behavior)

    def state(self) -> State:
        """See `PolicyLearner.state`."""
        return {**super().state(), "moments": list(self._moments), "baseline": self._baseline.state()}

    def restore(self, state: State) -> None:
        """See `PolicyLearner.restore`."""
        super().restore(state)
        self._moments = list(state["moments"])
        self._baseline.restore(state["baseline"])

    def _deviation(self, rewards: np.ndarray) -> np.ndarray:
        """Standard deviation of all rewards so far, float [runs, 1]; 1 where it is 0."""
        new = (rewards.shape[1], rewards.sum(axis=1), (rewards**2).sum(axis=1))
        count, total, squares = self._moments = [old + more for old, more in zip(self._moments, new, strict=True)]
        variance = np.maximum(squares / count - (total / count) ** 2, 0.0)
        return np.where(variance > _TINY, np.sqrt(variance), 1.0)[:, np.newaxis]

    def _make_functions(self) -> None:
        signature = [self.tokens_spec, self.fixed_spec, self.values_spec]
        self._update = tf.function(self._reinforce_step, signature, autograph=False)
        self._score = tf.function(self._log_prob, [self.tokens_spec, self.fixed_spec], autograph=False)

    def _log_prob(self, tokens: tf.Tensor, fixed: tf.Tensor) -> tf.Tensor:
        return self.policy.score(tokens, fixed).log_prob

    def _learn(
        self, tokens: np.ndarray, fixed: np.ndarray, advantages: np.ndarray, behavior: np.ndarray | None
    ) -> None:
        if behavior is not None:
            # Truncated importance weights (Espeholt et al. 2018, section 4.1): trials of earlier policies count less.
            present = self._score(tokens, fixed).numpy()
            advantages = advantages * np.minimum(1, np.exp(present - _known(behavior, present)))
        self._figures["gradient_norm"] = self._update(tokens, fixed, advantages).numpy()

    def _reinforce_step(self, tokens: tf.Tensor, fixed: tf.Tensor, advantages: tf.Tensor) -> tf.Tensor:
        def losses() -> tf.Tensor:
            rollout = self.policy.score(tokens, fixed)
            return reinforce_loss(rollout.log_prob, advantages, rollout.entropy, self.config.entropy_weight)

        return self.step(losses)


class PPOLearner(ReinforceLearner):
    """Proximal policy optimization (Schulman et al. 2017), the choice of Zoph et al. 2018, appendix A.2.

    Each batch is passed several times, in shuffled minibatches of architectures. The probability ratio is
    that of the whole architecture.
    """

    def _make_functions(self) -> None:
        super()._make_functions()
        signature = [self.tokens_spec, self.fixed_spec, self.values_spec, self.values_spec]
        self._update = tf.function(self._ppo_step, signature, autograph=False)

    def _learn(
        self, tokens: np.ndarray, fixed: np.ndarray, advantages: np.ndarray, behavior: np.ndarray | None
    ) -> None:
        present = self._score(tokens, fixed).numpy()
        old = present if behavior is None else _known(behavior, present)
        count, fixed = tokens.shape[1], np.broadcast_to(fixed, tokens.shape)
        size, steps = min(self.config.ppo_minibatch, count), []
        for _ in range(self.config.ppo_epochs):
            orders = np.stack([rng.permutation(count) for rng in self.rngs])
            # The last minibatch is filled up from the batch's start if sizes do not divide.
            for first in range(0, count, size):
                part = orders[:, np.arange(first, first + size) % count]
                batch = (np.take_along_axis(values, part[:, :, np.newaxis], 1) for values in (tokens, fixed))
                pair = (np.take_along_axis(values, part, 1) for values in (old, advantages))
                steps.append(self._update(*batch, *pair))
        norm, kl, clipped = (np.stack(values) for values in zip(*steps, strict=True))
        self._figures |= {"gradient_norm": norm[-1], "approximate_kl": kl[-1], "clip_fraction": clipped.mean(axis=0)}

    def _ppo_step(
        self, tokens: tf.Tensor, fixed: tf.Tensor, old: tf.Tensor, advantages: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        kept = []

        def losses() -> tf.Tensor:
            rollout = self.policy.score(tokens, fixed)
            config = self.config
            terms = ppo_loss(
                rollout.log_prob,
                old,
                advantages,
                rollout.entropy,
                clip=config.ppo_clip,
                entropy_weight=config.entropy_weight,
            )
            kept.extend([terms.approximate_kl, terms.clip_fraction])
            return terms.loss

        norm = self.step(losses)
        return norm, *kept


def _known(behavior: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Log-probabilities of proposals, those of the present policy where no other made them."""
    return np.where(np.isnan(behavior), present, behavior)
