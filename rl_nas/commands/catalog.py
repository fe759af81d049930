"""The strategies that a flag chooses among, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rl_nas.controller.settings import ControllerSettings
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.strategies import Strategy
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.local_search import LocalSearch
from rl_nas.strategies.random_search import RandomSearch
from rl_nas.strategies.settings import EvolutionSettings


@dataclass(frozen=True)
class StrategyOptions:
    """Everything that strategies may be told; each reads its part."""

    controller: ControllerSettings = ControllerSettings()
    evolution: EvolutionSettings = EvolutionSettings()


Factory = Callable[[SearchSpace[Any], StrategyOptions, int], Strategy]

LEARNED = {"controller": "Controller", "reinforce": "Reinforce", "ppo": "PPO"}
"""Name -> class in `rl_nas.controller.agent`, of the strategies that need TensorFlow."""


def _learned(name: str) -> Factory:
    def make(space: SearchSpace[Any], options: StrategyOptions, seed: int) -> Strategy:
        from rl_nas.controller import agent  # imports TensorFlow

        strategy: Strategy = getattr(agent, LEARNED[name])(space, options.controller, seed)
        return strategy

    return make


STRATEGIES: dict[str, Factory] = {
    **{name: _learned(name) for name in LEARNED},
    "aging_evolution": lambda space, options, seed: AgingEvolution(space, options.evolution, seed),
    "local_search": lambda space, options, seed: LocalSearch(space, seed),
    "random": lambda space, options, seed: RandomSearch(space, seed),
}
"""Name -> function of the space, the options and the seed."""
