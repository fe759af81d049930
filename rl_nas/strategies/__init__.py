"""Search strategies: they propose architectures and learn from their rewards."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.spaces.decisions import Architecture
from rl_nas.trial import Trial


class Strategy(Protocol):
    """A function of its seed and of the trials it observed; nothing else may influence it.

    A run is resumed by asking a fresh strategy for the same proposals and showing it the recorded
    trials, so equal histories must lead to equal proposals.
    """

    def propose(self, n: int) -> list[Architecture]:
        """The next `n` architectures to evaluate."""

    def observe(self, trials: Sequence[Trial]) -> None:
        """Learns from finished trials of its proposals, failed ones included, in any order.

        A trial may be repeated, or missing; its reward may come from another architecture of the same network. With
        several batches in flight there are proposals whose trials come later.
        """

    def diagnostics(self) -> Mapping[str, float]:
        """Figures of health, such as `baseline` and `entropy`; those with a slash are too many for a line."""


@runtime_checkable
class Sampling(Protocol):
    """A strategy whose proposals are draws from a distribution."""

    def sample(self, n: int) -> list[Architecture]:
        """`n` draws whose trials will not be observed."""


@runtime_checkable
class WithProbabilities(Protocol):
    """A strategy whose policy has a probability for each choice of each decision."""

    def choice_probabilities(self) -> list[np.ndarray]:
        """For each decision, about the probabilities, float [choices], all 0 where it has no effect.

        Later proposals do not depend on the call.
        """


@runtime_checkable
class Recovering(Protocol):
    """A strategy that can recover when its proposals have collapsed."""

    def temper(self) -> None:
        """Makes proposals more varied, but keeps what was learned."""

    def restart(self) -> None:
        """Starts over, with fresh randomness."""


@runtime_checkable
class Withdrawing(Protocol):
    """A strategy that considers which of its proposals wait for their trials."""

    def withdraw(self, architectures: Sequence[Architecture]) -> None:
        """Forgets proposals whose trials will not come."""


@runtime_checkable
class Resumable(Protocol):
    """A strategy with a state, from which a run is continued without repeating its updates."""

    def state(self) -> State:
        """State that later proposals depend on."""

    def restore(self, state: State) -> None:
        """Restores the state of a strategy of the same space, settings and seed."""
