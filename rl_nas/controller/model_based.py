"""The strategy `controller`: an RNN policy that practices on a model of the rewards between real children."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from rl_nas.checkpoint import OutdatedStateError, State
from rl_nas.controller.entropy import fresh_entropy
from rl_nas.controller.learner import PolicyLearner
from rl_nas.controller.losses import reinforce_loss
from rl_nas.controller.settings import WARM_UP, ControllerConfig
from rl_nas.spaces.decisions import FREE, Architecture, SearchSpace, fixed_mapping
from rl_nas.surrogate.acquisition import choose_batch
from rl_nas.surrogate.candidates import Mutations, enumerated
from rl_nas.surrogate.earlier import EarlierTrials
from rl_nas.surrogate.gaussian_process import GaussianProcess
from rl_nas.surrogate.proposed import Proposed

SPREADS = (0.0, 0.5, 1.0, 2.0)
"""What is imagined of a child, in standard deviations above the model's mean, in the steps of a practice in turn."""

_MOST_PRACTICE = 40
"""Most steps of a practice, however many children are proposed at once."""

_COMPARED = 5
"""Trials whose mean score is the baseline of the last of them, where that is observed alone, without a batch."""

_PARENTS = 10
"""Best trials that are mutated beside what the policy draws."""

_TARGET_FRACTION = 0.88
"""Largest target of the entropy, as a fraction of the fresh policy's."""

_ENTROPY_RATE = 0.05
"""Change of the logarithm of the entropy's weight for each nat between entropy and target, at most 1."""

_ENTROPY_WEIGHTS = (0.005, 5.0)
"""Bounds of that weight."""

_TRIES = 100
"""Random architectures to try when everything that the policy draws is known."""


class ModelBasedLearner(PolicyLearner):
    """REINFORCE on imagined children (Dyna: Sutton 1990), expected improvement for the choice of real ones.

    Before each proposal the policy takes steps of REINFORCE on what a Gaussian process of the rewards says of
    architectures that it draws, from the mean to two deviations above it. Then the children are chosen by expected
    improvement from all that the policy drew, and from mutations of these and of the best trials; none is a network
    that a trial had. Without mutations a choice that the policy has given up would never be tried again, however high
    the model came to rate it. Every batch of real trials is one step of REINFORCE too, on the normal scores of the
    rewards, so that the policy also learns where the model is wrong.

    Two things keep the policy from collapsing on the model's mistakes: the entropy bonus, and advantages in
    units of the scores, not divided by their deviation, which would amplify ever smaller differences.
    """

    def __init__(
        self,
        space: SearchSpace[Any],
        config: ControllerConfig,
        seeds: Sequence[int],
        earlier: Sequence[EarlierTrials | None] | None = None,
        rungs: int = 1,
    ) -> None:
        super().__init__(space, config, seeds)
        known: Sequence[EarlierTrials | None] = earlier or [None] * len(seeds)
        self._models = [GaussianProcess(space, config.memory, earlier=own, rungs=rungs) for own in known]
        self._mutations = Mutations(space)
        self._met = [Proposed(space) for _ in seeds]
        self._log_weight = np.full(len(seeds), np.log(config.entropy_weight), np.float32)
        self._update = tf.function(
            self._reinforce,
            [self.tokens_spec, self.fixed_spec, self.values_spec, tf.TensorSpec([len(seeds)])],
            autograph=False,
        )

    def propose(self, n: int, fixed: np.ndarray) -> np.ndarray:
        """See `PolicyLearner.propose`. No architecture is proposed twice unless the space seems exhausted."""
        if len(self._models[0]) < WARM_UP and self._models[0].earlier is None:
            pool = super().propose(self.config.candidates, _repeated(fixed, self.config.candidates))
            chosen = [self._first(run, drawn, fixed[0]) for run, drawn in enumerate(pool)]
        else:
            drawn, of_draws = self._practice(n, fixed)
            chosen = [self._best(run, drawn[run], of_draws, fixed[0]) for run in range(len(drawn))]
        self.log_prob = None  # the model chose among what the policy drew
        for met, of_run in zip(self._met, chosen, strict=True):
            met.wait_for(tuple(map(int, tokens)) for tokens in of_run)
        return np.array(chosen)

    def observe(
        self, tokens: np.ndarray, rewards: np.ndarray, fixed: np.ndarray, behavior: np.ndarray | None = None
    ) -> None:
        """Updates the model, and takes one step on the real rewards; see `PolicyLearner.observe`.

        With several rungs, rewards are float [runs, n, rungs], NaN at those that a trial did not reach, -inf at the
        first of one that failed.
        """
        for run, model in enumerate(self._models):
            for architecture in tokens[run]:
                self._met[run].meet(architecture)
            model.observe(tokens[run], rewards[run])
        self.withdraw(tokens)
        count = tokens.shape[1]
        compared = count if count > 1 else _COMPARED
        scores = np.stack([model.scores[-compared:] for model in self._models])
        baseline = scores.mean(axis=1)
        advantages = (scores[:, -count:] - baseline[:, np.newaxis]).astype(np.float32)
        self._figures["baseline"] = baseline
        self._figures["advantage_std"] = scores.std(axis=1)
        weight = np.exp(self._log_weight)
        self._figures["gradient_norm"] = self._update(tokens.astype(np.int32), fixed, advantages, weight).numpy()

    def withdraw(self, tokens: np.ndarray) -> None:
        """See `PolicyLearner.withdraw`."""
        for met, of_run in zip(self._met, tokens.tolist(), strict=True):
            met.forget(of_run)

    def reward_again(self, reward: Callable[[Architecture], float]) -> None:
        """Gives all trials of all runs other rewards; see `GaussianProcess.reward_again`."""
        for model in self._models:
            model.reward_again(reward)

    def figures(self) -> dict[str, np.ndarray]:
        """See `PolicyLearner.figures`; with those of the models."""
        of_models = [model.figures() for model in self._models]
        return {**super().figures(), **{name: np.array([one[name] for one in of_models]) for name in of_models[0]}}

    def state(self) -> State:
        """See `PolicyLearner.state`."""
        return {
            **super().state(),
            "models": [model.state() for model in self._models],
            "met": [met.state() for met in self._met],
            "log_weight": self._log_weight,
        }

    def restore(self, state: State) -> None:
        """See `PolicyLearner.restore`; raises `OutdatedStateError` for a state of the model of earlier versions."""
        if not {"models", "met"} <= state.keys():
            raise OutdatedStateError
        super().restore(state)
        for model, of_model in zip(self._models, state["models"], strict=True):
            model.restore(of_model)
        for met, of_run in zip(self._met, state["met"], strict=True):
            met.restore(of_run)
        self._log_weight = state["log_weight"]

    def _practice(self, n: int, fixed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Takes steps on imagined children.

        Returns:
            All that were drawn, int32 [runs, drawn, decisions], and their fixed choices, [drawn, decisions].
        """
        batch, candidates = (_repeated(fixed, count) for count in (self.config.practice_batch, self.config.candidates))
        steps = min(n * self.config.practice_steps, _MOST_PRACTICE)
        most = fresh_entropy(self.space, tuple(fixed[0, 0].tolist()))
        target = min(self.config.target_entropy, _TARGET_FRACTION * most)
        drawn = []
        for step in range(steps):
            tokens = super().propose(self.config.practice_batch, batch)
            rewards = self._imagined(tokens, SPREADS[step % len(SPREADS)])
            advantages = (rewards - rewards.mean(axis=1, keepdims=True)).astype(np.float32)
            self._update(tokens, batch, advantages, np.exp(self._log_weight))
            gap = np.clip(target - self._figures["entropy"], -1, 1)
            log_weight = np.clip(self._log_weight + _ENTROPY_RATE * gap, *np.log(_ENTROPY_WEIGHTS))
            self._log_weight = log_weight.astype(np.float32)
            drawn.append(tokens)
        drawn.append(super().propose(self.config.candidates, candidates))
        return np.concatenate(drawn, axis=1), np.concatenate([batch[0]] * steps + [candidates[0]])

    def _imagined(self, tokens: np.ndarray, spread: float) -> np.ndarray:
        """Rewards of architectures by the models, in normal scores, float [runs, n]."""
        beliefs = [model.posterior(drawn) for model, drawn in zip(self._models, tokens, strict=True)]
        return np.stack([belief.mean + spread * np.sqrt(belief.variance) for belief in beliefs])

    def _reinforce(self, tokens: tf.Tensor, fixed: tf.Tensor, advantages: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
        def losses() -> tf.Tensor:
            rollout = self.policy.score(tokens, fixed)
            return reinforce_loss(rollout.log_prob, advantages, rollout.entropy, weight[:, tf.newaxis])

        return self.step(losses)

    def _best(self, run: int, drawn: np.ndarray, of_draws: np.ndarray, fixed: np.ndarray) -> list[np.ndarray]:
        """The children of the largest expected improvement, of what was drawn and of mutations, or of a small space."""
        every = enumerated(self.space)
        pool = self._with_mutations(run, drawn, of_draws, fixed) if every is None else every
        met = self._met[run]
        chosen = choose_batch(self._models[run], met.unmet(pool), fixed, met.meet, met.waiting())
        return [self._random(run, want) if one is None else one for one, want in zip(chosen, fixed, strict=True)]

    def _with_mutations(self, run: int, drawn: np.ndarray, of_draws: np.ndarray, fixed: np.ndarray) -> np.ndarray:
        """What was drawn, mutations of it, and as many of the best trials, int32 [n, decisions]."""
        rng, best = self.rngs[run], self._models[run].best(_PARENTS)
        of_best = self.config.mutated_candidates // 2
        of_drawn = rng.integers(len(drawn), size=self.config.mutated_candidates - of_best)
        parents = np.concatenate([drawn[of_drawn], best[rng.integers(len(best), size=of_best)]])
        wanted = np.concatenate([of_draws[of_drawn], fixed[np.arange(of_best) % len(fixed)]])
        return np.unique(np.concatenate([drawn, self._mutations.draw(rng, parents, wanted)]), axis=0)

    def _first(self, run: int, drawn: np.ndarray, fixed: np.ndarray) -> list[np.ndarray]:
        """For each child the first new architecture that was drawn for it."""
        return [
            self._new(run, (one for one in drawn if ((want == FREE) | (one == want)).all()), want) for want in fixed
        ]

    def _random(self, run: int, fixed: np.ndarray) -> np.ndarray:
        choices = fixed_mapping(fixed)
        samples = (np.array(self.space.sample(self.rngs[run], choices), np.int32) for _ in range(_TRIES))
        found = next(filter(self._met[run].meet, samples), None)
        return np.array(self.space.sample(self.rngs[run], choices), np.int32) if found is None else found

    def _new(self, run: int, architectures: Iterable[np.ndarray], fixed: np.ndarray) -> np.ndarray:
        """The first new one; a random one if there is none."""
        found = next(filter(self._met[run].meet, architectures), None)
        return self._random(run, fixed) if found is None else found


def _repeated(fixed: np.ndarray, count: int) -> np.ndarray:
    """The rows of `fixed`, [1, n, decisions], in turn, [1, count, decisions]."""
    return fixed[:, np.arange(count) % fixed.shape[1]]
