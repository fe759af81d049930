"""Search strategies: what proposes architectures and learns from their rewards."""

from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

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
        """Learns from finished trials of the last proposal, failed ones included, in any order.

        A trial may be repeated, and may be missing; its reward may stem from another architecture of the
        same network.
        """

    def diagnostics(self) -> Mapping[str, float]:
        """Figures of its health, such as `baseline` and `entropy`; those with a slash are too many for a line."""


@runtime_checkable
class Sampling(Protocol):
    """What a strategy can do, besides, if its proposals are draws from a distribution."""

    def sample(self, n: int) -> list[Architecture]:
        """`n` draws that no trials will be observed of."""


@runtime_checkable
class Recovering(Protocol):
    """What a strategy can do, besides, when its proposals have collapsed."""

    def temper(self) -> None:
        """Makes proposals more varied and keeps what was learned."""

    def restart(self) -> None:
        """Starts over, with randomness that was not used yet."""


@runtime_checkable
class Resumable(Protocol):
    """What a strategy can do, besides, so that a run is continued without going through its updates again."""

    def state(self) -> State:
        """All that later proposals depend on."""

    def restore(self, state: State) -> None:
        """Makes a fresh strategy of the same space, settings and seed the one whose state it was."""
