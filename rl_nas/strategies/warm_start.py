"""A warm start: the first proposals are networks that look good before any is trained, whatever the strategy."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.spaces.decisions import Architecture
from rl_nas.strategies import Recovering, Resumable, Sampling, Strategy, Withdrawing, WithProbabilities
from rl_nas.trial import Trial


def vote(scores: np.ndarray) -> np.ndarray:
    """Numbers of networks by the mean of their ranks, the best first, int [n]; of equals the earlier first.

    Equal scores share their mean rank, so that all scores weigh the same whatever their units.

    Args:
        scores: float [scores, n], higher is better; NaN counts as the lowest.
    """
    values = np.where(np.isnan(scores), -np.inf, scores)
    ordered = np.sort(values, axis=1)
    pairs = list(zip(ordered, values, strict=True))
    ranks = np.array(
        [np.searchsorted(known, own, "left") + np.searchsorted(known, own, "right") for known, own in pairs]
    )
    return np.asarray(np.argsort(-ranks.sum(axis=0), kind="stable"))


def warm_started(strategy: Strategy, first: Sequence[Architecture]) -> Strategy:
    """A strategy whose first proposals are given; it learns from their trials, and can do all that it could.

    Args:
        strategy: fresh.
        first: the first proposals.
    """
    parts = {
        Recovering: _Recovering,
        Resumable: _Resumable,
        Sampling: _Sampling,
        WithProbabilities: _WithProbabilities,
        Withdrawing: _Withdrawing,
    }
    bases = tuple(part for protocol, part in parts.items() if isinstance(strategy, protocol))
    made: Strategy = type(type(strategy).__name__, (*bases, _WarmStarted), {})(strategy, first)
    return made


class _WarmStarted:
    """Proposes the given architectures, then what the strategy does."""

    def __init__(self, strategy: Any, first: Sequence[Architecture]) -> None:
        self._strategy, self._first, self._given = strategy, first, 0

    def propose(self, n: int) -> list[Architecture]:
        given = [*self._first[self._given : self._given + n]]
        self._given += len(given)
        return [*given, *(self._strategy.propose(n - len(given)) if len(given) < n else [])]

    def observe(self, trials: Sequence[Trial]) -> None:
        self._strategy.observe(trials)

    def diagnostics(self) -> Mapping[str, float]:
        figures: Mapping[str, float] = self._strategy.diagnostics()
        return figures


class _Recovering(_WarmStarted):
    def temper(self) -> None:
        self._strategy.temper()

    def restart(self) -> None:
        self._strategy.restart()


class _Resumable(_WarmStarted):
    def state(self) -> State:
        return {"given": self._given, "strategy": self._strategy.state()}

    def restore(self, state: State) -> None:
        self._strategy.restore(state["strategy"])
        self._given = state["given"]


class _Sampling(_WarmStarted):
    def sample(self, n: int) -> list[Architecture]:
        drawn: list[Architecture] = self._strategy.sample(n)
        return drawn


class _WithProbabilities(_WarmStarted):
    def choice_probabilities(self) -> list[np.ndarray]:
        probabilities: list[np.ndarray] = self._strategy.choice_probabilities()
        return probabilities


class _Withdrawing(_WarmStarted):
    def withdraw(self, architectures: Sequence[Architecture]) -> None:
        self._strategy.withdraw(architectures)
