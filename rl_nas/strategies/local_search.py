"""Local search: hill climbing with restarts (White et al. 2021)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.spaces.decisions import Architecture, SearchSpace
from rl_nas.trial import Trial
from rl_nas.waiting import Waiting

_TRIES = 1000
"""Random starts to try for a new one."""


class LocalSearch:
    """Evaluates neighbors of the current architecture, moves to a better one, restarts if there is none.

    Neighbors differ in one decision and come in random order; the search moves to the first better one at once,
    a departure from White et al. 2021, who evaluate all and move to the best: it finds more in the same time.
    In batches it moves to the best of the batch. With several batches in flight, neighbors that the search has moved on
    from have to beat the architecture that they were proposed for too, and a start that comes in the middle of a climb
    has to beat it. No network is proposed twice, even by another architecture, unless the space seems exhausted.

    Args:
        space: the space to search.
        seed: all randomness is a function of it.
    """

    def __init__(self, space: SearchSpace[Any], seed: int = 0) -> None:
        self._space = space
        self._rng = np.random.default_rng(seed)
        self._known: set[str] = set()
        self._proposed, self._climbs = 0, 0
        self._reward = -np.inf
        self._current: Architecture | None = None
        self._ended = True  # no neighbors were left
        self._fixed: dict[int, int] = {}
        self._neighbors: Iterator[Architecture] = iter(())
        self._met = 0  # neighbors taken from the iterator
        self._order: dict[str, Any] | None = None  # state of the generator before their order was drawn
        self._waiting = Waiting[float]()  # with the reward of the architecture whose neighbor it is; NaN: a start

    def propose(self, n: int) -> list[Architecture]:
        """New neighbors of the current architecture; when they run out, new starts."""
        return [self._next() for _ in range(n)]

    def observe(self, trials: Sequence[Trial]) -> None:
        """Moves to the best trial if it is better than the current one, or if the climb has ended."""
        self._known.update(self._space.canonical_key(trial.architecture) for trial in trials)  # of a warm start, too
        better, starts = list[tuple[float, Trial]](), list[tuple[float, Trial]]()
        for trial in sorted(trials, key=lambda trial: trial.index):
            parent = self._waiting.take(trial.architecture)
            if trial.reward is None or not np.isfinite(trial.reward):
                continue
            if parent is None:  # another's proposal
                parent = -np.inf
            if np.isnan(parent):
                if self._ended or trial.reward > self._reward:
                    starts.append((trial.reward, trial))
            elif trial.reward > max(self._reward, parent):
                better.append((trial.reward, trial))
        if better or starts:
            self._climbs += not better
            self._reward, best = max(better or starts, key=itemgetter(0))
            self._current, self._ended = best.architecture, False
            self._look_around(self._space.fixed(self._proposed))

    def withdraw(self, architectures: Sequence[Architecture]) -> None:
        """See `Withdrawing`."""
        for architecture in architectures:
            self._waiting.withdraw(architecture)
            self._known.discard(self._space.canonical_key(architecture))

    def diagnostics(self) -> Mapping[str, float]:
        """`current`, the reward of the current architecture, and `climbs`, the number of climbs that have begun."""
        figures = {"climbs": float(self._climbs)}
        return figures | {"current": self._reward} if np.isfinite(self._reward) else figures

    def state(self) -> State:
        """See `Resumable`."""
        return {
            "rng": self._rng.bit_generator.state,
            "known": sorted(self._known),
            "proposed": self._proposed,
            "climbs": self._climbs,
            "reward": self._reward if np.isfinite(self._reward) else None,
            "current": self._current,
            "fixed": list(self._fixed.items()),
            "order": self._order,
            "met": self._met,
            "ended": self._ended,
            "waiting": self._waiting.entries(),
        }

    def restore(self, state: State) -> None:
        """See `Resumable`; states of earlier versions tell of no neighbors in flight."""
        if "starts" in state:
            starts = [(start, np.nan) for start in state["starts"]]
            state = {**state, "ended": bool(starts) or state["current"] is None, "waiting": starts}
        self._known, self._proposed, self._climbs = set(state["known"]), state["proposed"], state["climbs"]
        self._reward = -np.inf if state["reward"] is None else state["reward"]
        self._current = None if state["current"] is None else tuple(state["current"])
        self._ended, self._waiting = state["ended"], Waiting(state["waiting"])
        self._look_around(dict(state["fixed"]))
        if state["order"] is not None:
            self._rng.bit_generator.state = state["order"]
            for _ in range(state["met"]):
                next(self._neighbors)
        self._rng.bit_generator.state = state["rng"]

    def temper(self) -> None:
        """Leaves the current climb."""
        self.restart()

    def restart(self) -> None:
        """Leaves the current climb."""
        self._current, self._reward, self._ended = None, -np.inf, True
        self._neighbors, self._met, self._order = iter(()), 0, None

    def _look_around(self, fixed: dict[int, int]) -> None:
        self._fixed, self._met, self._order = fixed, 0, None
        if self._current is not None:
            self._neighbors = self._count(self._space.neighbors(self._current, self._rng, fixed))

    def _count(self, neighbors: Iterator[Architecture]) -> Iterator[Architecture]:
        """Counts the neighbors, for `restore`; the order is drawn with the first one."""
        self._order = dict(self._rng.bit_generator.state)
        for neighbor in neighbors:
            self._met += 1
            yield neighbor

    def _next(self) -> Architecture:
        fixed = self._space.fixed(self._proposed)
        self._proposed += 1
        if fixed != self._fixed:
            self._look_around(fixed)
        neighbor = next(self._new(self._neighbors), None)
        if neighbor is not None:
            self._waiting.add(neighbor, self._reward)
            return neighbor
        self._ended = True
        samples = (self._space.sample(self._rng, fixed) for _ in range(_TRIES))
        start = next(self._new(samples), None) or self._space.sample(self._rng, fixed)
        self._waiting.add(start, np.nan)
        return start

    def _new(self, architectures: Iterable[Architecture]) -> Iterator[Architecture]:
        for architecture in architectures:
            key = self._space.canonical_key(architecture)
            if key not in self._known:
                self._known.add(key)
                yield architecture
