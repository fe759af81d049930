"""The strategies that a flag chooses among, by name."""

from collections.abc import Callable
from typing import Any

from rl_nas.controller.settings import ControllerSettings
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.strategies import Strategy
from rl_nas.strategies.random_search import RandomSearch


def _reinforce(space: SearchSpace[Any], settings: ControllerSettings, seed: int) -> Strategy:
    from rl_nas.controller.agent import Reinforce  # imports TensorFlow

    return Reinforce(space, settings, seed)


STRATEGIES: dict[str, Callable[[SearchSpace[Any], ControllerSettings, int], Strategy]] = {
    "reinforce": _reinforce,
    "random": lambda space, settings, seed: RandomSearch(space, seed),
}
"""Name -> function of the space, the controller's settings and the seed."""
