"""The RNN policy: emits an architecture token by token (Zoph and Le 2017; Zoph et al. 2018)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from rl_nas.controller.attention import AnchorAttention, is_selection, selection_sets
from rl_nas.controller.lstm import LSTM
from rl_nas.controller.settings import ControllerConfig
from rl_nas.spaces.decisions import FREE, SearchSpace

_NEVER = -1e9
"""Logit of a choice that a decision does not offer; its probability is exactly zero."""


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

    @property
    def log_prob(self) -> tf.Tensor:
        """Log-probability of each architecture, float [replicas, batch]."""
        return tf.reduce_sum(self.log_probs, -1)

    @property
    def entropy(self) -> tf.Tensor:
        """Entropy of the policy along each architecture, nats, float [replicas, batch]."""
        return tf.reduce_sum(self.entropies, -1)


def _log_weights(space: SearchSpace[Any], width: int) -> np.ndarray:
    """Logarithms of the weights of all choices, float32 [decisions, width]; 0 without weights, and beyond choices."""
    rows = np.zeros([len(space.decisions), width], np.float32)
    for row, decision in zip(rows, space.decisions, strict=True):
        row[: len(decision.weights)] = np.log(decision.weights or [])
    return rows


class RNNPolicy(tf.Module):
    """An LSTM with a separate softmax and embedding for every decision.

    The embedding of each token is the input of the next step. Decisions that select earlier layers are made
    at one step by attention over the layers' anchors (Zoph and Le 2017, section 3.3); their embeddings are
    summed. One policy per seed is computed side by side: every variable, and every tensor, has them as its
    first axis.

    All weights start uniform in +-init_scale as in the papers, except those right before a softmax, which
    start at zero: a departure that makes the fresh policy exactly the uniform one, so that a search begins
    as random search. Where a decision has weights, their logarithms are added to its logits, to the same end.

    Args:
        space: the decisions to make.
        config: units, layers, init_scale, temperature, tanh and pointers are used.
        seeds: of the initial weights, one for each replica.
    """

    def __init__(self, space: SearchSpace[Any], config: ControllerConfig, seeds: Sequence[int]) -> None:
        super().__init__(name="rnn_policy")
        sizes = [len(decision.choices) for decision in space.decisions]
        self._sizes, self._config = sizes, config
        self._offered = np.arange(max(sizes)) < np.array(sizes)[:, np.newaxis]  # [decisions, choices]
        self._prior = _log_weights(space, max(sizes))
        self._conditions = [space.conditions(number) for number in range(len(sizes))]
        self._steps = selection_sets(space)
        self._step_of = [step for step, made in enumerate(self._steps) for _ in made]
        self._pointing = [
            i for i, d in enumerate(space.decisions) if d.points_to and (is_selection(d) or config.pointers)
        ]
        rngs = [np.random.default_rng(seed) for seed in seeds]
        replicas, units = len(seeds), config.units

        def uniform(*shape: int, name: str) -> tf.Variable:
            values = [rng.uniform(-config.init_scale, config.init_scale, shape) for rng in rngs]
            return tf.Variable(np.stack(values).astype(np.float32), name=name)

        def lstm(kind: str, rows: int) -> list[tf.Variable]:
            return [uniform(rows, 4 * units, name=f"lstm_{layer}_{kind}") for layer in range(config.layers)]

        self.start = uniform(1, units, name="start")
        self.input_kernels = lstm("input_kernel", units)
        self.recurrent_kernels = lstm("recurrent_kernel", units)
        self.biases = lstm("bias", 1)
        # All decisions in one variable, padded to the largest number of choices.
        self.embeddings = uniform(len(sizes), max(sizes), units, name="embeddings")
        self.softmax_kernels = tf.Variable(tf.zeros([replicas, len(sizes), units, max(sizes)]), name="softmax_kernels")
        self.softmax_biases = tf.Variable(tf.zeros([replicas, len(sizes), max(sizes)]), name="softmax_biases")
        if self._pointing:
            self.attention = AnchorAttention(space, self._pointing, self._step_of, uniform, replicas, units)

    def sample(self, uniforms: tf.Tensor, fixed: tf.Tensor) -> Rollout:
        """Draws architectures; a function of the weights and of its arguments, with gradients to the weights.

        Args:
            uniforms: random numbers of the draws, uniform in [0, 1), float [replicas, batch, decisions].
            fixed: fixed choices of each architecture, int32 [replicas or 1, batch, decisions]; FREE for the others.
        """
        x = tf.repeat(self.start, tf.shape(uniforms)[1], axis=1)  # [replicas, batch, units]
        # What each step needs of larger tensors is taken out at once: the fewer operations, the faster a graph.
        draws, chosen, free = (tf.unstack(part, axis=2) for part in (uniforms[..., tf.newaxis], fixed, fixed == FREE))
        kernels, biases, embeddings = (
            tf.unstack(of_decisions, axis=1)
            for of_decisions in (self.softmax_kernels, self.softmax_biases[:, :, tf.newaxis], self.embeddings)
        )
        layers = self._layers()
        states = [layer.zero(tf.shape(uniforms)[1]) for layer in layers]
        tokens, hidden, log_probs = list[tf.Tensor](), list[tf.Tensor](), list[tf.Tensor]()
        for made in self._steps:
            for number, layer in enumerate(layers):
                states[number] = layer.step(x, states[number])
                x = states[number].hidden
            hidden.append(x)
            if made[0] in self._pointing:  # as all decisions that are made together
                log_probs += tf.unstack(self._log_softmax(tf.stack(hidden, axis=2), made), num=len(made), axis=2)
            else:  # it looks at the present state alone
                logits = tf.matmul(hidden[-1], kernels[made[0]]) + biases[made[0]]
                log_probs.append(self._normalized(logits, made[0]))
            for number in made:
                token = self._draw(log_probs[number], draws[number], self._sizes[number])
                token = tf.where(free[number], token, chosen[number])
                active = self._active(number, tokens)
                tokens.append(token if active is None else tf.where(active, token, 0))
            embedded = [tf.gather(embeddings[number], tokens[number], batch_dims=1) for number in made]
            x = tf.add_n(embedded) if len(made) > 1 else embedded[0]
        return self._rollout(tokens, tf.stack(log_probs, axis=2), fixed)

    def score(self, tokens: tf.Tensor, fixed: tf.Tensor | None = None) -> Rollout:
        """Probabilities of given architectures, int [replicas, batch, decisions]; `fixed` as in `sample`.

        The tokens being known, the inputs of each LSTM layer and all softmaxes are computed at once.
        """
        places = tf.broadcast_to(tf.range(len(self._sizes)), tf.shape(tokens))
        embedded = tf.gather_nd(self.embeddings, tf.stack([places, tokens], -1), batch_dims=1)
        if len(self._steps) < len(self._sizes):
            parts = tf.split(embedded, [len(made) for made in self._steps], axis=2)
            embedded = tf.stack([tf.reduce_sum(part, axis=2) for part in parts], axis=2)
        start = tf.repeat(self.start, tf.shape(tokens)[1], axis=1)
        states = tf.concat([start[:, :, tf.newaxis], embedded[:, :, :-1]], axis=2)
        for layer in self._layers():
            states = layer.sequence(states)
        log_probs = self._log_softmax(states, range(len(self._sizes)))
        return self._rollout(tf.unstack(tokens, num=len(self._sizes), axis=2), log_probs, fixed)

    def _layers(self) -> list[LSTM]:
        weights = zip(self.input_kernels, self.recurrent_kernels, self.biases, strict=True)
        return [LSTM(*of_layer) for of_layer in weights]

    def _log_softmax(self, states: tf.Tensor, decisions: Sequence[int]) -> tf.Tensor:
        """Log-probabilities of consecutive decisions.

        Args:
            states: those of the RNN at each step so far, float [replicas, batch, steps, units].
            decisions: their numbers.

        Returns:
            float [replicas, batch, decisions, choices].
        """
        span = slice(decisions[0], decisions[-1] + 1)
        rows = [row for row, number in enumerate(self._pointing) if number in decisions]
        at_decisions = tf.gather(states, self._step_of[span], axis=2)
        kernels, biases = self.softmax_kernels[:, span], self.softmax_biases[:, span]
        logits = tf.einsum("rbtu,rtun->rbtn", at_decisions, kernels) + biases[:, tf.newaxis]
        if rows:
            places = [self._pointing[row] - span.start for row in rows]
            pointing = tf.gather(at_decisions, places, axis=2)
            pointed = self.attention.logits(pointing, states, slice(rows[0], rows[-1] + 1))
            # For each decision, its row of the softmax's or the attention's logits.
            order = np.arange(len(decisions))
            order[places] = len(decisions) + np.arange(len(rows))
            logits = tf.gather(tf.concat([logits, pointed], axis=2), order, axis=2)
        return self._normalized(logits, span)

    def _normalized(self, logits: tf.Tensor, span: int | slice) -> tf.Tensor:
        """Log-probabilities from logits of a decision, or of a span of them, float [..., choices]."""
        if self._config.temperature != 1:
            logits = logits / self._config.temperature
        if self._config.tanh:
            logits = self._config.tanh * tf.tanh(logits)
        if np.any(self._prior[span]):
            logits += self._prior[span]
        if not np.all(self._offered[span]):
            logits = tf.where(self._offered[span], logits, _NEVER)
        return tf.nn.log_softmax(logits)

    def _draw(self, log_probs: tf.Tensor, uniforms: tf.Tensor, size: int) -> tf.Tensor:
        """Inverts the distribution function: int32 [replicas, batch] from [replicas, batch, choices] and [..., 1]."""
        below = tf.cast(uniforms >= tf.cumsum(tf.exp(log_probs), axis=-1), tf.int32)
        return tf.minimum(tf.reduce_sum(below, axis=-1), size - 1)  # in case the sum is not quite 1

    def temper(self) -> None:
        """Halves the weights and biases of the softmaxes, and the attention vector: preferences stay, but weaker."""
        attention = [self.attention.vector] if self._pointing else []
        for variable in [self.softmax_kernels, self.softmax_biases, *attention]:
            variable.assign(variable / 2)

    def _all_active(self, tokens: list[tf.Tensor]) -> tf.Tensor:
        everywhere = tf.ones_like(tokens[0], tf.bool)
        active = [self._active(number, tokens) for number in range(len(tokens))]
        return tf.stack([everywhere if a is None else a for a in active], axis=-1)

    def _active(self, number: int, tokens: list[tf.Tensor]) -> tf.Tensor | None:
        """Whether the decision is active, bool [replicas, batch]; None if it always is."""
        active = None
        for parent, table in self._conditions[number]:
            allowed = tf.gather(tf.constant(table), tokens[parent])
            active = allowed if active is None else active & allowed
        return active

    def _rollout(self, tokens: list[tf.Tensor], log_probs: tf.Tensor, fixed: tf.Tensor | None) -> Rollout:
        """Picks the chosen tokens' log-probabilities; zeroes those of inactive and fixed decisions."""
        counts = self._all_active(tokens)
        if fixed is not None:
            counts = counts & (fixed == FREE)
        chosen = tf.stack(tokens, axis=-1)
        entropies = -tf.reduce_sum(tf.exp(log_probs) * log_probs, axis=-1)
        return Rollout(
            chosen,
            tf.where(counts, tf.gather(log_probs, chosen, batch_dims=3), 0.0),
            tf.where(counts, entropies, 0.0),
        )
