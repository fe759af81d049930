"""Several objectives for strategies with a model of one reward, by random weights (ParEGO: Knowles 2006)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.objectives import Objectives
from rl_nas.spaces.decisions import Architecture
from rl_nas.trial import Trial

_SUM = 0.05
"""Weight of the sum beside the maximum (Knowles 2006, equation 2)."""

_SHARED = 5
"""Most proposals in a row with the same weights: a batch is spread over the front."""

_STREAM = 0x9A2E60
"""Distinguishes the generator of the weights from that of the strategy."""

if TYPE_CHECKING:

    class _Modelled:
        """A strategy whose model can be told other rewards of the trials that it knows."""

        def __init__(self, *arguments: Any, **more: Any) -> None:
            raise NotImplementedError

        def propose(self, n: int) -> list[Architecture]:
            raise NotImplementedError

        def observe(self, trials: Sequence[Trial]) -> None:
            raise NotImplementedError

        def reward_again(self, reward: Callable[[Architecture], float]) -> None:
            raise NotImplementedError

        def state(self) -> State:
            raise NotImplementedError

        def restore(self, state: State) -> None:
            raise NotImplementedError

else:
    _Modelled = object


class Scalarized(_Modelled):
    """The strategy behind it in a class's bases, for several objectives.

    For every few proposals weights are drawn, uniform on the simplex, and the rewards of all trials become their
    augmented Chebyshev distances from the best value of each objective so far, in units of the range of its values.

    Args:
        arguments: of the strategy, but for its seed.
        more: of the same.
        objectives: to be maximized together.
        seed: all randomness is a function of it.
    """

    def __init__(self, *arguments: Any, objectives: Objectives, seed: int, **more: Any) -> None:
        super().__init__(*arguments, seed=seed, **more)
        self._objectives = objectives
        self._weights_rng = np.random.default_rng([seed, _STREAM])
        self._values: dict[Architecture, np.ndarray] = {}
        self._weights = np.full(len(objectives.names), 1 / len(objectives.names))
        self._left = 0  # proposals with these weights

    def propose(self, n: int) -> list[Architecture]:
        """See `Strategy`."""
        proposals: list[Architecture] = []
        while len(proposals) < n:
            if not self._left:
                self._draw()
            part = min(self._left, n - len(proposals))
            proposals += super().propose(part)
            self._left -= part
        return proposals

    def observe(self, trials: Sequence[Trial]) -> None:
        """See `Strategy`; children without a value of each objective count as failed."""
        for trial in trials:
            values = None if trial.measurement is None else self._objectives.values(trial.measurement)
            if values is not None and np.isfinite(values).all():
                self._values[trial.architecture] = values
        reward = self._rewards()
        self.reward_again(reward)  # of the trials that it knows: new ones may have changed the units
        super().observe([replace(trial, reward=reward(trial.architecture)) for trial in trials])
        self._left = 0

    def state(self) -> State:
        """See `Resumable`."""
        return {
            **super().state(),
            "objectives": {
                "rng": self._weights_rng.bit_generator.state,
                "weights": self._weights,
                "left": self._left,
                "values": [[architecture, values.tolist()] for architecture, values in self._values.items()],
            },
        }

    def restore(self, state: State) -> None:
        """See `Resumable`."""
        own = state["objectives"]
        super().restore({name: value for name, value in state.items() if name != "objectives"})
        self._weights_rng.bit_generator.state = own["rng"]
        self._weights, self._left = own["weights"], own["left"]
        self._values = {tuple(architecture): np.array(values) for architecture, values in own["values"]}

    def _draw(self) -> None:
        self._weights, self._left = self._weights_rng.dirichlet(np.ones(len(self._weights))), _SHARED
        self.reward_again(self._rewards())

    def _rewards(self) -> Callable[[Architecture], float]:
        """The reward of each architecture by the present weights; that of a failed one is -inf."""
        if not self._values:
            return lambda architecture: -np.inf
        values = np.array(list(self._values.values()))
        rewards = dict(zip(self._values, chebyshev(values, self._weights).tolist(), strict=True))
        return lambda architecture: rewards.get(architecture, -np.inf)


def chebyshev(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Augmented Chebyshev scalarizations of values that are to be large, float [n], 0 where all are the best.

    Args:
        values: float [n, objectives]; each is taken in units of its range.
        weights: float [objectives], of the sum 1.
    """
    span = np.ptp(values, axis=0)
    lost = weights * (values.max(axis=0) - values) / np.where(span > 0, span, 1)
    return np.asarray(-(lost.max(axis=1) + _SUM * lost.sum(axis=1)))


def scalarized(strategy: type) -> Callable[..., Any]:
    """The class of a strategy for several objectives."""
    return type(f"{Scalarized.__name__}{strategy.__name__}", (Scalarized, strategy), {})
