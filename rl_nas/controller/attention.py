"""Choices among results of earlier decisions, by attention over the RNN's states at those decisions."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.spaces.decisions import Decision, SearchSpace

_ABSENT = 0
"""Row of the keys that stands for "nothing is selected"."""


def is_selection(decision: Decision) -> bool:
    """Whether a decision selects an earlier layer or not: choices (no, yes), of which the second points to it."""
    return len(decision.points_to) == 2 and decision.points_to[0] is None and decision.points_to[1] is not None


def selection_sets(space: SearchSpace[Any]) -> list[list[int]]:
    """The decisions in order; consecutive selections, which are made at one step, share a list."""
    steps: list[list[int]] = []
    for number, decision in enumerate(space.decisions):
        joins = is_selection(decision) and steps and is_selection(space.decisions[steps[-1][0]])
        if joins:
            steps[-1].append(number)
        else:
            steps.append([number])
    return steps


class AnchorAttention(tf.Module):
    """Logits v . tanh(W_prev h_anchor + W_curr h) of choices that point to earlier decisions.

    A selection has this logit for yes and 0 for no, so that its probability is the sigmoid of Zoph and Le
    2017, section 3.3. Where all choices are candidates (Pham et al. 2018), those that no decision made, such as
    the inputs of a cell, have learned states. v starts at zero: a fresh policy is uniform.

    Args:
        space: whose decisions point.
        pointing: numbers of the decisions that are made by attention.
        step_of: number of a decision -> the RNN's step that makes it.
        uniform: makes a variable of random weights from its shape and name.
        replicas: number of independent policies.
        units: of the RNN.
    """

    def __init__(
        self,
        space: SearchSpace[Any],
        pointing: Sequence[int],
        step_of: Sequence[int],
        uniform: Callable[..., tf.Variable],
        replicas: int,
        units: int,
    ) -> None:
        super().__init__(name="attention")
        width = max(len(decision.choices) for decision in space.decisions)
        unmade = max([0, *(d.points_to.count(None) for i, d in enumerate(space.decisions) if i in pointing)])
        position = {decision.name: i for i, decision in enumerate(space.decisions)}
        self._first_step = 1 + unmade
        anchors = np.full((len(pointing), width), _ABSENT)
        for row, number in enumerate(pointing):
            decision, learned = space.decisions[number], 1
            for choice, name in enumerate(decision.points_to):
                if name is not None:
                    anchors[row, choice] = self._first_step + step_of[position[name]]
                elif not is_selection(decision):
                    anchors[row, choice], learned = learned, learned + 1
        self._anchors = anchors
        self.learned = uniform(unmade, units, name="attention_learned_states")
        self.previous = uniform(units, units, name="attention_previous")
        self.current = uniform(units, units, name="attention_current")
        self.vector = tf.Variable(tf.zeros([replicas, units]), name="attention_vector")

    def logits(self, hidden: tf.Tensor, states: tf.Tensor, rows: slice) -> tf.Tensor:
        """Logits of pointing decisions.

        Args:
            hidden: the RNN's state at each of them, float [replicas, batch, rows, units].
            states: its states at all steps so far, float [replicas, batch, steps, units].
            rows: of the pointing decisions.

        Returns:
            float [replicas, batch, rows, choices].
        """
        batch = tf.shape(states)[1]
        learned = tf.repeat(self.learned[:, tf.newaxis], batch, axis=1)
        known = tf.concat([tf.zeros_like(states[:, :, :1]), learned, states], axis=2)
        keys = tf.einsum("rbtu,ruv->rbtv", known, self.previous)
        queries = tf.einsum("rbtu,ruv->rbtv", hidden, self.current)
        anchors = self._anchors[rows]
        energies = tf.tanh(tf.gather(keys, anchors, axis=2) + queries[:, :, :, tf.newaxis])
        return tf.where(anchors != _ABSENT, tf.einsum("rbtcu,ru->rbtc", energies, self.vector), 0.0)
