"""The search with shared weights: no network has to be trained to be measured.

ENAS (Pham et al. 2018, section 2.2): epochs of training the weights, each batch on a network that the controller draws,
alternate with updates of the controller, rewarded by held-out batches. The best of a sample of
networks are then trained alone, as the children of any search.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rl_nas.admission import failure_of, reward_of
from rl_nas.checkpoint import Checkpoint, State, restoring
from rl_nas.errors import RunError
from rl_nas.loops.stopping import never
from rl_nas.loops.updates import CheckpointStore
from rl_nas.spaces.decisions import Architecture
from rl_nas.strategies import Resumable, Sampling, Strategy
from rl_nas.strategies.failures import FailureRule, worst
from rl_nas.trial import ChildError, Measurement, Reward, Trial, TrialState

_MAX_DRAWS = 50
"""Draws per network before the search gives up."""


class Supernet(Protocol):
    """The weights that all networks share."""

    @property
    def steps(self) -> int:
        """Batches of an epoch."""

    def train(self, epoch: int, architectures: Sequence[Architecture]) -> float:
        """Trains in epoch number `epoch`, a train step on each of at most `steps` architectures.

        Returns:
            The mean loss.
        """

    def measure(self, architecture: Architecture, batch: Sequence[int] | None = None) -> Measurement:
        """Measures a network on all held-out images, or on a batch of them that is a function of `batch`.

        Raises:
            ChildError: the network cannot be built, or a figure is not finite.
        """

    def admits(self, architecture: Architecture) -> bool:
        """Whether the network can be built."""

    def state(self) -> State:
        """The weights, and everything else that later epochs depend on."""

    def restore(self, state: State) -> None:
        """Restores the state."""


class SampledStrategy(Strategy, Sampling, Resumable, Protocol):
    """A strategy that can search with shared weights."""


@dataclass(frozen=True)
class Ranked:
    """A network measured by shared weights.

    Attributes:
        architecture: of the network.
        reward: to rank by.
        quality: on all held-out images.
    """

    architecture: Architecture
    reward: float
    quality: float


def train_one_shot(
    strategy: SampledStrategy,
    supernet: Supernet,
    keeper: CheckpointStore,
    last: Checkpoint | None,
    *,
    reward: Reward,
    epochs: int,
    warmup: int,
    updates: int,
    batch_size: int,
    failures: FailureRule = worst,
    on_epoch: Callable[[int, Mapping[str, float]], None] = lambda epoch, figures: None,
    on_update: Callable[[int], None] = lambda update: None,
    stop: Callable[[], bool] = never,
) -> int:
    """Trains shared weights and the strategy in turn; continues after the last epoch that was saved.

    Args:
        strategy: fresh, also if a run is continued.
        supernet: the weights; fresh as well.
        keeper: keeps the state after every epoch.
        last: the last state that it kept, if any.
        reward: what the strategy maximizes.
        epochs: of the weights.
        warmup: epochs before the first update of the strategy.
        updates: of the strategy after every epoch.
        batch_size: networks that an update learns from, each measured on a batch of held-out images.
        failures: what the strategy is shown of networks that cannot be built.
        on_epoch: called with every epoch's number and figures, and with the last ones again if a run is continued: it
            may have been interrupted before the call.
        on_update: called with the number of every finished update of an epoch, from 1.
        stop: asked before every epoch whether it and the others may no longer begin; another call goes on with them.

    Returns:
        The number of finished epochs.
    """
    if last is not None:
        with restoring("the state of the shared weights"):
            strategy.restore(last.state["strategy"])
            supernet.restore(last.state["supernet"])
        on_epoch(last.updates - 1, last.state["figures"])
    for epoch in range(last.updates if last else 0, epochs):
        if stop():
            return epoch
        figures = {"loss": supernet.train(epoch, draw(strategy, supernet, supernet.steps))}
        rewards: list[float] = []
        for update in range(updates if epoch >= warmup else 0):
            batch = enumerate(strategy.propose(batch_size))
            trials = [_trial(supernet, reward, number, a, (epoch, update, number)) for number, a in batch]
            strategy.observe(failures(trials))
            on_update(update + 1)
            rewards += [trial.reward for trial in trials if trial.reward is not None]
        if rewards:
            figures["mean_reward"] = float(np.mean(rewards))
        figures |= strategy.diagnostics()
        state = {"strategy": strategy.state(), "supernet": supernet.state(), "figures": figures}
        keeper.save(Checkpoint(epoch + 1, 0, state))
        on_epoch(epoch, figures)
    return epochs


def draw(strategy: Sampling, supernet: Supernet, count: int) -> list[Architecture]:
    """Draws networks that can be built.

    Raises:
        RunError: too few of those that the strategy draws can be.
    """
    drawn = [architecture for architecture, _ in zip(_admitted(strategy, supernet, count), range(count), strict=False)]
    if len(drawn) < count:
        raise RunError(f"{len(drawn)} of {_MAX_DRAWS * count} networks drawn can be built; allow larger ones")
    return drawn


def rank(
    strategy: Sampling,
    supernet: Supernet,
    samples: int,
    *,
    reward: Reward,
    key: Callable[[Architecture], str],
) -> list[Ranked]:
    """Different networks drawn by the strategy, best first by the reward on all held-out images.

    Fewer than `samples` if the strategy keeps drawing the same ones; without those that have no reward.

    Raises:
        RunError: none has one.
    """
    found: dict[str, Ranked] = {}
    failed: dict[str, str] = {}
    for architecture in _admitted(strategy, supernet, samples):
        name = key(architecture)
        if name not in found and name not in failed:
            try:
                measurement = supernet.measure(architecture)
                found[name] = Ranked(architecture, reward_of(measurement, reward), measurement.quality)
            except ChildError as error:
                failed[name] = str(error)
        if len(found) == samples:
            break
    if not found:
        raise RunError(f"no network that the strategy drew has a reward: {'; '.join(list(failed.values())[:1])}")
    return sorted(found.values(), key=lambda ranked: -ranked.reward)


class FixedProposals:
    """A strategy that proposes given architectures in order."""

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        self._left = list(architectures)

    def propose(self, n: int) -> list[Architecture]:
        """The next `n` architectures, or as many as are left."""
        next_ones, self._left = self._left[:n], self._left[n:]
        return next_ones

    def observe(self, trials: Sequence[Trial]) -> None:
        """Ignores the trials."""

    def diagnostics(self) -> Mapping[str, float]:
        """No figures."""
        return {}


def _trial(
    supernet: Supernet,
    reward: Reward,
    number: int,
    architecture: Architecture,
    batch: Sequence[int],
) -> Trial:
    try:
        measurement = supernet.measure(architecture, batch)
        value = reward_of(measurement, reward)
    except ChildError as error:
        failure = failure_of(error)
        return Trial(number, architecture, failure.state, failures=(failure,))
    return Trial(number, architecture, TrialState.OK, value, measurement)


def _admitted(strategy: Sampling, supernet: Supernet, count: int) -> Iterator[Architecture]:
    """Networks that can be built, of `_MAX_DRAWS` times `count` draws."""
    for _ in range(_MAX_DRAWS):
        yield from filter(supernet.admits, strategy.sample(count))
