"""Tries the shared weights of a search: train steps, and networks measured by them."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import numpy as np

from rl_nas.doctor.finding import Finding, State
from rl_nas.doctor.rehearsal import strategy_seconds
from rl_nas.one_shot.search import SampledStrategy, draw
from rl_nas.one_shot.settings import EstimatorSettings
from rl_nas.spaces.decisions import Architecture
from rl_nas.trial import ChildError
from rl_nas.workflows.one_shot import OneShotStage
from rl_nas.workflows.search_parts import SearchParts

_FEWEST = 5
"""Acts of a kind that are timed, however long they take: each is on another network."""


@dataclass(frozen=True)
class SharedForecast:
    """What shared weights will take.

    Attributes:
        steps: train steps of an epoch.
        step: seconds of a train step, with the draw of its network.
        reward: seconds in which a network is measured on a batch of held-out images.
        ranking: seconds in which a network is measured on all held-out images.
        strategy: seconds of the strategy's proposals and updates.
    """

    steps: int
    step: float
    reward: float
    ranking: float
    strategy: float

    def seconds(self, settings: EstimatorSettings, batch: int) -> float:
        """Those of the whole stage, where each update of the strategy learns from a batch of so many networks."""
        training = settings.shared_epochs * self.steps * self.step
        rewards = strategy_updates(settings) * batch * self.reward
        return training + rewards + self.strategy + settings.shared_samples * self.ranking


def strategy_updates(settings: EstimatorSettings) -> int:
    """Updates of the strategy beside the training of the shared weights."""
    return max(0, settings.shared_epochs - settings.shared_warmup) * settings.shared_updates


def rehearse_shared(run: SearchParts, seconds: float) -> SharedForecast:
    """Trains shared weights for some steps and measures networks by them.

    Args:
        run: the search.
        seconds: that acts of each kind may take.

    Raises:
        RunError: networks cannot be built, or a loss is not finite.
    """
    stage = OneShotStage(run.config, run.folder, run.strategy, run.space, run.reward, run.setup)
    supernet, strategy = stage.supernet(run.child_plan), cast(SampledStrategy, run.strategy)
    draw(strategy, supernet, supernet.steps)  # makes graphs
    began = time.monotonic()
    drawn = draw(strategy, supernet, supernet.steps)
    drawing = (time.monotonic() - began) / supernet.steps

    def network(number: int) -> Architecture:
        return drawn[number % len(drawn)]

    def measure(number: int, batch: Sequence[int] | None = None) -> None:
        with suppress(ChildError):  # figures that are not finite after so few steps
            supernet.measure(network(number), batch)

    epochs = run.config.estimator.shared_epochs
    step = _seconds_each(lambda number: supernet.train(number % epochs, [network(number)]), seconds)
    reward = _seconds_each(lambda number: measure(number, [number]), seconds)
    ranking = _seconds_each(measure, seconds)
    updates = strategy_seconds(run, strategy_updates(run.config.estimator))
    return SharedForecast(supernet.steps, drawing + step, reward, ranking, updates)


def shared_finding(run: SearchParts, shared: SharedForecast) -> Finding:
    """What the rehearsal of the shared weights has shown."""
    rate = min(run.config.training.batch_size, len(run.images.train_images)) / shared.step
    text = (
        f"{1000 * shared.step:.0f} ms for each train step ({rate:,.0f} images/s), of which an epoch has"
        f" {shared.steps:,}; {1000 * shared.reward:.0f} ms for a network's reward by a batch of held-out images,"
        f" {1000 * shared.ranking:,.0f} ms by all of them"
    )
    return Finding(State.OK, "shared weights", text, vars(shared))


def _seconds_each(act: Callable[[int], object], seconds: float) -> float:
    """Seconds of an act: the mean of those that begin within so many, without the first, which makes graphs."""
    taken = list[float]()
    while len(taken) <= _FEWEST or sum(taken) < seconds:
        began = time.monotonic()
        act(len(taken))
        taken.append(time.monotonic() - began)
    return float(np.mean(taken[1:]))
