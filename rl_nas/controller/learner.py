"""Base of REINFORCE, PPO and the model-based controller: policies side by side, their draws, their optimizer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rl_nas.checkpoint import State
from rl_nas.controller.losses import clip_by_replica_norm
from rl_nas.controller.policy import RNNPolicy
from rl_nas.controller.settings import ControllerConfig
from rl_nas.spaces.decisions import SearchSpace

_EXAMINED = 256
"""Architectures that are drawn to find how often choices are made."""


class PolicyLearner(ABC):
    """Independent runs of one learning algorithm, a policy each, computed as one.

    A run is a function of its seed and of its observations, whatever the other runs.

    Attributes:
        policy: makes the proposals.
        log_prob: of the last proposals, float [runs, n]; None if they were not made by the policy alone.

    Args:
        space: the decisions to make.
        config: of all runs.
        seeds: one for each run.
    """

    def __init__(self, space: SearchSpace[Any], config: ControllerConfig, seeds: Sequence[int]) -> None:
        self.space, self.config = space, config
        self._seeds = list(seeds)
        self._restarts = 0
        self.policy = RNNPolicy(space, config, self._begin())
        self._optimizer = keras.optimizers.Adam(config.learning_rate)
        self._optimizer.build(self.policy.trainable_variables)
        self._worst = np.full(len(self._seeds), np.nan)
        self._figures: dict[str, np.ndarray] = {}
        self.log_prob: np.ndarray | None = None
        size = len(space.decisions)
        # Signatures of any batch size: each function is traced once.
        self.uniform_spec = tf.TensorSpec([len(seeds), None, size], tf.float32)
        self.tokens_spec = tf.TensorSpec([len(seeds), None, size], tf.int32)
        self.fixed_spec = tf.TensorSpec([None, None, size], tf.int32)
        self.values_spec = tf.TensorSpec([len(seeds), None], tf.float32)
        self._draw = tf.function(self.policy.sample, [self.uniform_spec, self.fixed_spec], autograph=False)

    def propose(self, n: int, fixed: np.ndarray) -> np.ndarray:
        """The next `n` architectures of every run, int [runs, n, decisions]; `fixed` as in `RNNPolicy.sample`."""
        rollout = self._draw(self.uniforms(n), fixed)
        self.log_prob = np.asarray(rollout.log_prob)
        entropies = tf.reduce_mean(rollout.entropies, axis=1).numpy()
        self._figures["entropy"] = entropies.sum(axis=-1)
        self._figures |= {f"entropy/{d.name}": entropies[:, i] for i, d in enumerate(self.space.decisions)}
        return np.asarray(rollout.tokens)

    def choice_frequencies(self, fixed: np.ndarray) -> list[np.ndarray]:
        """How often the policies make each choice of each decision: for every decision, float [runs, choices].

        It is counted over draws in which the decision is active, all 0 if there are none. They are the same at every
        call, evenly spread over [0, 1) for each decision, and not of the runs' generators: later proposals do not
        depend on them.

        Args:
            fixed: of one architecture, as in `RNNPolicy.sample`.
        """
        rng, shape = np.random.default_rng(0), (_EXAMINED, len(self.space.decisions))
        places = rng.permuted(np.repeat(np.arange(_EXAMINED)[:, np.newaxis], shape[1], axis=1), axis=0)
        uniforms = ((places + rng.random(shape)) / _EXAMINED).astype(np.float32)
        drawn = self._draw(np.tile(uniforms, [len(self._seeds), 1, 1]), np.repeat(fixed, _EXAMINED, axis=1)).tokens
        tokens, frequencies = np.asarray(drawn), []
        for number, decision in enumerate(self.space.decisions):
            counted = self.space.active(number, tokens)
            made = (tokens[:, :, number, np.newaxis] == np.arange(len(decision.choices))) & counted[..., np.newaxis]
            frequencies.append(made.sum(axis=1) / np.maximum(counted.sum(axis=1), 1)[:, np.newaxis])
        return frequencies

    @abstractmethod
    def observe(
        self, tokens: np.ndarray, rewards: np.ndarray, fixed: np.ndarray, behavior: np.ndarray | None = None
    ) -> None:
        """Learns from the trials of proposals.

        Args:
            tokens: their architectures, int [runs, n, decisions].
            rewards: float [runs, n]; NaN where the trial failed.
            fixed: that of their proposal.
            behavior: log-probabilities under the policies that proposed them, float [runs, n], where these were
                earlier ones; NaN, or None for all: the present one.
        """

    def withdraw(self, tokens: np.ndarray) -> None:  # noqa: B027 (most learners do not know them)
        """Forgets proposals whose trials will not come, int [runs, n, decisions]."""

    def figures(self) -> dict[str, np.ndarray]:
        """Figures of health, each float [runs]: `entropy` of whole architectures and of each decision, in nats."""
        return self._figures

    def restart(self) -> None:
        """Makes fresh policies; everything else learned stays."""
        fresh = RNNPolicy(self.space, self.config, self._begin())
        for variable, start in zip(self.policy.variables, fresh.variables, strict=True):
            variable.assign(start)
        for variable in self._optimizer.variables:
            if "learning_rate" not in variable.path:
                variable.assign(tf.zeros_like(variable))

    def state(self) -> State:
        """State that later proposals depend on."""
        return {
            "rngs": [rng.bit_generator.state for rng in self.rngs],
            "restarts": self._restarts,
            "policy": [variable.numpy() for variable in self.policy.variables],
            "optimizer": [variable.numpy() for variable in self._optimizer.variables],
            "worst": self._worst,
            "figures": dict(self._figures),
        }

    def restore(self, state: State) -> None:
        """Restores the state of a learner of the same space, config and seeds."""
        for rng, generator in zip(self.rngs, state["rngs"], strict=True):
            rng.bit_generator.state = generator
        variables = [*self.policy.variables, *self._optimizer.variables]
        for variable, value in zip(variables, [*state["policy"], *state["optimizer"]], strict=True):
            variable.assign(value)
        self._restarts, self._worst, self._figures = state["restarts"], state["worst"], dict(state["figures"])

    def uniforms(self, n: int) -> np.ndarray:
        """Draws from [0, 1) for `n` architectures of every run, float [runs, n, decisions]."""
        size = len(self.space.decisions)
        return np.stack([rng.random((n, size), np.float32) for rng in self.rngs])

    def without_failures(self, rewards: np.ndarray) -> np.ndarray:
        """Rewards with failures replaced by the run's worst reward so far, 0 before any."""
        usable = np.where(np.isfinite(rewards), rewards, np.inf).min(axis=1, initial=np.inf)
        self._worst = np.fmin(self._worst, np.where(np.isinf(usable), np.nan, usable))
        worst = np.nan_to_num(self._worst)[:, np.newaxis]
        return np.where(np.isfinite(rewards), rewards, worst)

    def step(self, losses: Callable[[], tf.Tensor]) -> tf.Tensor:
        """One step of Adam on the gradient of losses [runs]; returns its norms [runs] before clipping."""
        variables = self.policy.trainable_variables
        with tf.GradientTape() as tape:
            value = losses()
        gradients = tape.gradient(value, variables, unconnected_gradients="zero")
        # Embeddings get sparse gradients, which can't be clipped by replica.
        gradients, norm = clip_by_replica_norm([tf.convert_to_tensor(g) for g in gradients], self.config.clip_norm)
        self._optimizer.apply(gradients, variables)
        return norm

    def _begin(self) -> list[int]:
        """Sets the generators of the draws; returns the seeds of the weights."""
        states = [np.random.SeedSequence([seed, self._restarts]).spawn(2) for seed in self._seeds]
        self._restarts += 1
        self.rngs = [np.random.default_rng(draws) for _, draws in states]
        return [int(weights.generate_state(1)[0]) for weights, _ in states]
