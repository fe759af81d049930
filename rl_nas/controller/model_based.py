"""The strategy `controller`: an RNN policy that practices on a model of the rewards between real children."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.checkpoint import State
from rl_nas.controller.learner import PolicyLearner
from rl_nas.controller.losses import reinforce_loss
from rl_nas.controller.policy import FREE
from rl_nas.controller.reward_model import PairModel, RewardSamples, imagined_rewards, normal_scores
from rl_nas.controller.settings import WARM_UP, ControllerConfig
from rl_nas.spaces.decisions import SearchSpace

SPREADS = (0.5, 0.75, 1.2, 1.7, 2.5)
"""Scales of the model's uncertainty, times the root of the number of decisions, sampled for the children of a batch in
turn: from near the posterior mean to nearly full draws in a space of few decisions. In one of many decisions, full
draws would differ too much from each other to explore any neighborhood twice."""

_MUTATION = 0.5
"""Parameter of the geometric number of decisions that a mutation draws again: mostly one or two, because far from all
trials the best candidate is mostly an error of the model, and now and then many."""

_TARGET_FRACTION = 0.88
"""Largest target of the entropy, as a fraction of the largest entropy."""

_ENTROPY_RATE = 0.05
"""Change of the logarithm of the entropy's weight for each nat between entropy and target, at most 1."""

_ENTROPY_WEIGHTS = (0.005, 5.0)
"""Bounds of that weight."""

_TRIES = 100
"""Random architectures to try when everything that the policy draws is known."""


class ModelBasedLearner(PolicyLearner):
    """REINFORCE on imagined children (Dyna: Sutton 1990), Thompson sampling of real ones.

    Before each proposal functions are drawn from the posterior of `PairModel`, one for each child to
    propose, and the policy takes steps of REINFORCE on their values at architectures that it draws. Then
    each child is the best new architecture, under its function, of all that the policy drew and of mutations
    of these; new means that no trial had the same canonical form. Without mutations a choice that the policy
    has given up would never be tried again, however high the model came to rate it. Every batch of real
    trials is one step of REINFORCE too, on the normal scores of the rewards, so that the policy also learns
    where the model is wrong.

    Two things keep the policy from collapsing on the model's mistakes: the entropy bonus, and advantages in
    units of the scores, not divided by their deviation, which would amplify ever smaller differences.
    """

    def __init__(self, space: SearchSpace[Any], config: ControllerConfig, seeds: Sequence[int]) -> None:
        super().__init__(space, config, seeds)
        self._sizes = sizes = [len(decision.choices) for decision in space.decisions]
        self._shape = (len(sizes), max(sizes))
        self._model = PairModel(self._shape, config.noise, config.memory, len(seeds))
        self._known: list[set[str]] = [set() for _ in seeds]
        self._mixer = np.random.default_rng(0).integers(2**63, size=len(sizes), dtype=np.int64)
        self._hashes: list[set[int]] = [set() for _ in seeds]
        most = sum(np.log(size) for size in sizes)
        self._target = min(config.target_entropy, _TARGET_FRACTION * most)
        self._log_weight = np.full(len(seeds), np.log(config.entropy_weight), np.float32)
        self._conditions = [space.conditions(number) for number in range(len(sizes))]
        runs, features = len(seeds), self._shape[0] * self._shape[1]
        samples = RewardSamples(
            tf.TensorSpec([runs, None, features]),
            tf.TensorSpec([runs, None, features, features]),
            tf.TensorSpec([runs, None, features]),
            tf.TensorSpec([runs, None, None]),
        )
        weight = tf.TensorSpec([runs])
        self._compiled_practice = tf.function(
            self._practice_step, [self.uniform_spec, self.fixed_spec, samples, weight], autograph=False
        )
        self._rate = tf.function(self._imagine, [self.tokens_spec, samples], autograph=False)
        self._encode = tf.function(self._points, [self.tokens_spec], autograph=False)
        self._update = tf.function(
            self._real_step, [self.tokens_spec, self.fixed_spec, self.values_spec, weight], autograph=False
        )

    def propose(self, n: int, fixed: np.ndarray) -> np.ndarray:
        """See `PolicyLearner.propose`. No architecture is proposed twice unless the space seems exhausted."""
        if len(self._model) < WARM_UP:
            pool = super().propose(self.config.candidates, _repeated(fixed, self.config.candidates))
            ratings = np.broadcast_to(np.arange(pool.shape[1], 0, -1), [len(pool), n, pool.shape[1]])
        else:
            spreads = np.resize(SPREADS, n) / np.sqrt(self._shape[0])
            samples = self._model.sample(self.rngs, spreads)
            pool = self._practice(n, samples, fixed)
            ratings = self._rate(pool, samples).numpy()
        self.log_prob = None  # the model chose among what the policy drew
        return np.stack([self._choose(run, pool[run], ratings[run], n, fixed) for run in range(len(pool))])

    def observe(
        self, tokens: np.ndarray, rewards: np.ndarray, fixed: np.ndarray, behavior: np.ndarray | None = None
    ) -> None:
        """Updates the model, and takes one step on the real rewards; see `PolicyLearner.observe`."""
        for run, architectures in enumerate(tokens):
            for architecture in architectures:
                self._remember(run, architecture)
        tokens = tokens.astype(np.int32)
        self._model.observe(self._encode(tokens).numpy(), np.where(np.isfinite(rewards), rewards, -np.inf))
        scores = normal_scores(self._model.rewards)[:, -tokens.shape[1] :]
        baseline = scores.mean(axis=1)
        advantages = (scores - baseline[:, np.newaxis]).astype(np.float32)
        self._figures["baseline"] = baseline
        self._figures["advantage_std"] = advantages.std(axis=1)
        self._figures["gradient_norm"] = self._update(tokens, fixed, advantages, np.exp(self._log_weight)).numpy()

    def state(self) -> State:
        """See `PolicyLearner.state`."""
        return {
            **super().state(),
            "model": self._model.state(),
            "known": [sorted(known) for known in self._known],
            "hashes": [np.array(sorted(hashes), np.int64) for hashes in self._hashes],
            "log_weight": self._log_weight,
        }

    def restore(self, state: State) -> None:
        """See `PolicyLearner.restore`."""
        super().restore(state)
        self._model.restore(state["model"])
        self._known = list(map(set, state["known"]))
        self._hashes = [set(hashes.tolist()) for hashes in state["hashes"]]
        self._log_weight = state["log_weight"]

    def _practice(self, n: int, samples: RewardSamples, fixed: np.ndarray) -> np.ndarray:
        """Takes steps on imagined children; returns all that were drawn, and mutations, int [runs, n, decisions]."""
        batch, candidates = (_repeated(fixed, count) for count in (self.config.practice_batch, self.config.candidates))
        steps, drawn = n * self.config.practice_steps, []
        for step in range(steps):
            one = slice(step % n, step % n + 1)
            sample = RewardSamples(
                samples.single[:, one], samples.pairs[:, one], samples.points, samples.weights[:, one]
            )
            uniforms = self.uniforms(self.config.practice_batch)
            tokens, entropy = self._compiled_practice(uniforms, batch, sample, np.exp(self._log_weight))
            drawn.append(tokens.numpy())
            gap = np.clip(self._target - entropy.numpy(), -1, 1)
            log_weight = np.clip(self._log_weight + _ENTROPY_RATE * gap, *np.log(_ENTROPY_WEIGHTS))
            self._log_weight = log_weight.astype(np.float32)
        drawn.append(super().propose(self.config.candidates, candidates))
        pool = np.concatenate(drawn, axis=1)
        all_fixed = np.concatenate([batch[0]] * steps + [candidates[0]])
        mutations = [self._mutations(rng, one, all_fixed) for rng, one in zip(self.rngs, pool, strict=True)]
        return np.concatenate([pool, np.stack(mutations)], axis=1)

    def _mutations(self, rng: np.random.Generator, drawn: np.ndarray, fixed: np.ndarray) -> np.ndarray:
        """Some of the drawn architectures, [drawn, decisions], with free decisions drawn again uniformly.

        As in `SearchSpace.mutate`, those that become active are drawn by their weights.
        """
        count, numbers = self.config.mutated_candidates, range(len(self._sizes))
        source = rng.integers(len(drawn), size=count)
        parents, fixed = drawn[source], fixed[source]
        again = rng.random(parents.shape).argsort(axis=1) < rng.geometric(_MUTATION, [count, 1])
        # Inactive decisions are drawn too, in case a mutation makes them active.
        active = np.stack([self._active(number, parents) for number in numbers], axis=1)
        tokens = np.where(again | ~active, rng.integers(self._sizes, size=parents.shape), parents)
        for number, decision in enumerate(self.space.decisions):
            if decision.weights and decision.when:
                drawn_by_weight = rng.choice(len(decision.choices), size=count, p=decision.probabilities)
                tokens[:, number] = np.where(active[:, number], tokens[:, number], drawn_by_weight)
        tokens = np.where(fixed == FREE, tokens, fixed)
        for number in numbers:
            tokens[:, number] *= self._active(number, tokens)
        return tokens.astype(np.int32)

    def _active(self, number: int, tokens: np.ndarray) -> np.ndarray:
        """Whether the decision is active, bool [n]; tokens of earlier inactive ones are 0."""
        active = np.ones(len(tokens), bool)
        for parent, allowed in self._conditions[number]:
            active &= np.array(allowed)[tokens[:, parent]]
        return active

    def _practice_step(
        self, uniforms: tf.Tensor, fixed: tf.Tensor, samples: RewardSamples, weight: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        kept = []

        def losses() -> tf.Tensor:
            rollout = self.policy.sample(uniforms, fixed)
            rewards = self._imagine(rollout.tokens, samples)[:, 0]
            advantages = rewards - tf.reduce_mean(rewards, axis=1, keepdims=True)
            kept.extend([rollout.tokens, tf.reduce_mean(rollout.entropy, axis=1)])
            return reinforce_loss(rollout.log_prob, advantages, rollout.entropy, weight[:, tf.newaxis])

        self.step(losses)
        return kept[0], kept[1]

    def _real_step(self, tokens: tf.Tensor, fixed: tf.Tensor, advantages: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        def losses() -> tf.Tensor:
            rollout = self.policy.score(tokens, fixed)
            return reinforce_loss(rollout.log_prob, advantages, rollout.entropy, weight[:, tf.newaxis])

        return self.step(losses)

    def _imagine(self, tokens: tf.Tensor, samples: RewardSamples) -> tf.Tensor:
        return imagined_rewards(self._points(tokens), samples, self._shape[0])

    def _points(self, tokens: tf.Tensor) -> tf.Tensor:
        """One-hot vectors, float [runs, n, features], zero at inactive decisions."""
        active = tf.cast(self.policy.active(tokens), tf.float32)
        points = tf.one_hot(tokens, self._shape[1]) * active[..., tf.newaxis]
        return tf.reshape(points, [*tf.unstack(tf.shape(tokens)[:2]), self._shape[0] * self._shape[1]])

    def _choose(self, run: int, pool: np.ndarray, ratings: np.ndarray, n: int, fixed: np.ndarray) -> np.ndarray:
        """The best new architecture of the pool for each child; random ones where nothing is new."""
        unseen = ~np.isin(pool @ self._mixer, list(self._hashes[run]))
        pool, ratings = pool[unseen], ratings[:, unseen]
        chosen = []
        for child in range(n):
            fits = ((fixed[0, child] == FREE) | (pool == fixed[0, child])).all(axis=1)
            order = pool[fits][np.argsort(-ratings[child, fits], kind="stable")]
            found = next(self._new(run, iter(order)), None)
            chosen.append(self._random(run, fixed[0, child]) if found is None else found)
        return np.stack(chosen)

    def _new(self, run: int, architectures: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        for architecture in architectures:
            if self._remember(run, architecture):
                yield architecture

    def _remember(self, run: int, architecture: np.ndarray) -> bool:
        """Whether the architecture is a valid network new to this run; marks it as known."""
        mixed = int(architecture @ self._mixer)
        if mixed in self._hashes[run]:
            return False
        self._hashes[run].add(mixed)
        genotype = self.space.decode(tuple(map(int, architecture)))
        if not self.space.is_valid(genotype):
            return False
        key = genotype.canonical_key()
        fresh = key not in self._known[run]
        self._known[run].add(key)
        return fresh

    def _random(self, run: int, fixed: np.ndarray) -> np.ndarray:
        choices = {number: int(choice) for number, choice in enumerate(fixed) if choice != FREE}
        samples = (np.array(self.space.sample(self.rngs[run], choices)) for _ in range(_TRIES))
        found = next(self._new(run, samples), None)
        return np.array(self.space.sample(self.rngs[run], choices)) if found is None else found


def _repeated(fixed: np.ndarray, count: int) -> np.ndarray:
    """The rows of `fixed`, [1, n, decisions], in turn, [1, count, decisions]."""
    return fixed[:, np.arange(count) % fixed.shape[1]]
