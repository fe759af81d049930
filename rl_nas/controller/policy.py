"""The RNN policy: emits an architecture token by token (Zoph and Le 2017; Zoph et al. 2018)."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rl_nas.spaces.decisions import SearchSpace

_NEVER = -1e9
"""Logit of a choice that a decision does not offer; its probability is exactly zero."""

FREE = -1
"""What a decision that the policy is to make is fixed to."""


class Rollout(NamedTuple):
    """Architectures with their probabilities under the policy.

    Attributes:
        tokens: int32 [replicas, batch, decisions].
        log_probs: log-probability of each token given those before it, float [replicas, batch, decisions].
        entropies: entropy of each decision given the tokens before it, nats, same shape.

    Decisions that are inactive (token 0) or fixed have log-probability 0 and entropy 0.
    """

    tokens: tf.Tensor
    log_probs: tf.Tensor
    entropies: tf.Tensor


class RNNPolicy(tf.Module):
    """An LSTM with a softmax and an embedding of its own for every decision.

    The embedding of each token is the input of the next step. `replicas` independent policies are
    computed side by side: every variable, and every tensor, has them as its first axis.

    All weights start uniform in +-init_scale as in the papers, except the softmax weights, which start at
    zero: a departure that makes the fresh policy exactly the uniform one, so that a search begins as
    random search.

    Args:
        space: the decisions to make.
        units: LSTM units.
        init_scale: half-width of the initial distribution.
        seed: the initial weights are a function of it.
        replicas: number of independent policies.
    """

    def __init__(
        self, space: SearchSpace[Any], *, units: int, init_scale: float, seed: int, replicas: int = 1
    ) -> None:
        super().__init__(name="rnn_policy")
        sizes = [len(decision.choices) for decision in space.decisions]
        self._steps = len(sizes)
        self._offered = tf.sequence_mask(sizes, max(sizes))  # bool [decisions, choices]
        self._conditions = [space.conditions(step) for step in range(self._steps)]
        rng = np.random.default_rng(seed)

        def uniform(*shape: int, name: str) -> tf.Variable:
            values = rng.uniform(-init_scale, init_scale, (replicas, *shape))
            return tf.Variable(values.astype(np.float32), name=name)

        self.start = uniform(1, units, name="start")
        self.input_kernel = uniform(units, 4 * units, name="lstm_input_kernel")
        self.recurrent_kernel = uniform(units, 4 * units, name="lstm_recurrent_kernel")
        self.bias = uniform(1, 4 * units, name="lstm_bias")
        # Those of all decisions in one variable, padded to the largest number of choices.
        self.embeddings = uniform(self._steps, max(sizes), units, name="embeddings")
        self.softmax_kernels = tf.Variable(tf.zeros([replicas, self._steps, units, max(sizes)]), name="softmax_kernels")
        self.softmax_biases = tf.Variable(tf.zeros([replicas, self._steps, max(sizes)]), name="softmax_biases")

    def sample(self, seed: tf.Tensor, fixed: tf.Tensor) -> Rollout:
        """Draws architectures; a function of the weights, of `seed` (int [2]) and of `fixed`.

        Args:
            seed: of the draws.
            fixed: for each architecture the choices that are not free, int32 [batch, decisions], else FREE.
        """
        seeds = tf.random.split(seed, self._steps)
        x = tf.repeat(self.start, tf.shape(fixed)[0], axis=1)  # [replicas, batch, units]
        state = (tf.zeros_like(x), tf.zeros_like(x))
        tokens: list[tf.Tensor] = []
        log_probs = []
        for step in range(self._steps):
            state = self._lstm(tf.matmul(x, self.input_kernel), state)
            log_probs.append(self._log_softmax(state[0][:, :, tf.newaxis], slice(step, step + 1)))
            token = _draw(log_probs[-1][:, :, 0], seeds[step])
            token = tf.where(fixed[:, step] == FREE, token, fixed[:, step])
            active = self._active(step, tokens)
            tokens.append(token if active is None else tf.where(active, token, 0))
            x = tf.gather(self.embeddings[:, step], tokens[-1], batch_dims=1)
        return self._rollout(tokens, tf.concat(log_probs, axis=2), fixed)

    def score(self, tokens: tf.Tensor, fixed: tf.Tensor | None = None) -> Rollout:
        """Probabilities of given architectures, int [replicas, batch, decisions]; `fixed` as in `sample`.

        The tokens being known, all but the LSTM's recurrence is computed for all decisions at once.
        """
        batch = tf.shape(tokens)[1]
        steps = tf.range(self._steps)
        embedded = tf.gather_nd(
            self.embeddings, tf.stack([tf.broadcast_to(steps, tf.shape(tokens)), tokens], -1), batch_dims=1
        )
        inputs = tf.concat([tf.repeat(self.start, batch, axis=1)[:, :, tf.newaxis], embedded[:, :, :-1]], axis=2)
        gates = tf.einsum("rbtu,rug->rbtg", inputs, self.input_kernel)
        state = (tf.zeros_like(inputs[:, :, 0]),) * 2
        hidden = []
        for gate in tf.unstack(gates, num=self._steps, axis=2):
            state = self._lstm(gate, state)
            hidden.append(state[0])
        log_probs = self._log_softmax(tf.stack(hidden, axis=2), slice(None))
        return self._rollout(tf.unstack(tokens, num=self._steps, axis=2), log_probs, fixed)

    def _lstm(self, gates: tf.Tensor, state: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """One step; `gates` is the input's part of them."""
        hidden, cell = state
        gates = gates + tf.matmul(hidden, self.recurrent_kernel) + self.bias
        update, forget, candidate, output = tf.split(gates, 4, axis=-1)
        cell = tf.sigmoid(forget) * cell + tf.sigmoid(update) * tf.tanh(candidate)
        return tf.sigmoid(output) * tf.tanh(cell), cell

    def _log_softmax(self, hidden: tf.Tensor, steps: slice) -> tf.Tensor:
        """Log-probabilities [replicas, batch, steps, choices] from hidden states [replicas, batch, steps, units]."""
        kernels, biases = self.softmax_kernels[:, steps], self.softmax_biases[:, steps]
        logits = tf.einsum("rbtu,rtun->rbtn", hidden, kernels) + biases[:, tf.newaxis]
        return tf.nn.log_softmax(tf.where(self._offered[steps], logits, _NEVER))

    def _active(self, step: int, tokens: list[tf.Tensor]) -> tf.Tensor | None:
        """Where the decision is active, bool [replicas, batch]; None when it always is."""
        active = None
        for parent, table in self._conditions[step]:
            allowed = tf.gather(tf.constant(table), tokens[parent])
            active = allowed if active is None else active & allowed
        return active

    def _rollout(self, tokens: list[tf.Tensor], log_probs: tf.Tensor, fixed: tf.Tensor | None) -> Rollout:
        """Keeps the chosen tokens' log-probabilities, and only what is active and free."""
        everywhere = tf.ones_like(tokens[0], tf.bool)
        active = [self._active(step, tokens) for step in range(self._steps)]
        counts = tf.stack([everywhere if a is None else a for a in active], axis=-1)
        if fixed is not None:
            counts &= fixed == FREE
        chosen = tf.stack(tokens, axis=-1)
        entropies = -tf.reduce_sum(tf.exp(log_probs) * log_probs, axis=-1)
        return Rollout(
            chosen,
            tf.where(counts, tf.gather(log_probs, chosen, batch_dims=3), 0.0),
            tf.where(counts, entropies, 0.0),
        )


def _draw(log_probs: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """One token, int [replicas, batch], for each distribution of `log_probs` [replicas, batch, choices]."""
    shape = tf.shape(log_probs)
    flat = tf.reshape(log_probs, [-1, shape[2]])
    return tf.reshape(tf.random.stateless_categorical(flat, 1, seed, dtype=tf.int32), shape[:2])
