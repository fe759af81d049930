"""Search strategies by name."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rl_nas.controller.settings import ControllerSettings
from rl_nas.errors import UsageError
from rl_nas.extras import check_installed
from rl_nas.fidelities import WHOLE, Fidelities
from rl_nas.objectives import Objectives
from rl_nas.plugins import check_call, load_plugin
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.strategies import Strategy
from rl_nas.strategies.aging_evolution import AgingEvolution
from rl_nas.strategies.local_search import LocalSearch
from rl_nas.strategies.random_search import RandomSearch
from rl_nas.strategies.scalarized import scalarized
from rl_nas.strategies.settings import EvolutionSettings
from rl_nas.surrogate.earlier import EarlierTrials


@dataclass(frozen=True)
class StrategyOptions:
    """Settings of all strategies; each reads its part.

    Attributes:
        controller: of the RNN controllers.
        evolution: of aging evolution.
        earlier: trials of an earlier search, which the strategies of `MODELED` know from the start.
        objectives: of a search for a front; None: there is one reward.
        fidelities: rungs at which children may be stopped, which the same strategies tell apart.
    """

    controller: ControllerSettings = ControllerSettings()
    evolution: EvolutionSettings = EvolutionSettings()
    earlier: EarlierTrials | None = None
    objectives: Objectives | None = None
    fidelities: Fidelities = WHOLE


MULTI_OBJECTIVE = ("controller", "gp", "nsga2", "random")
"""Strategies that search for the front of several objectives."""

ONLY_SEVERAL = ("nsga2",)
"""Those that are for nothing else."""

EXTRAS = {
    "bananas": ("sklearn", ("sklearn",)),
    "nsga2": ("optuna", ("optuna",)),
    "tpe": ("optuna", ("optuna",)),
}
"""Name -> extra and its modules, of the strategies that need one."""

Factory = Callable[[SearchSpace[Any], StrategyOptions, int], Strategy]
"""Space, options, seed -> strategy."""

LEARNED = {"controller": "Controller", "reinforce": "Reinforce", "ppo": "PPO"}
"""Name -> class in `rl_nas.controller.agent`, of the strategies that need TensorFlow."""


MODELED = ("controller", "gp")
"""Strategies with a model of the rewards, to which trials of an earlier search are prior knowledge, and rewards of
stopped children lower fidelities."""


def _learned(name: str) -> Factory:
    def make(space: SearchSpace[Any], options: StrategyOptions, seed: int) -> Strategy:
        from rl_nas.controller import agent  # imports TensorFlow

        made = getattr(agent, LEARNED[name])
        more: dict[str, Any] = {"earlier": options.earlier} if name in MODELED else {}
        if options.objectives is not None:
            made, more = scalarized(made), {**more, "objectives": options.objectives}
        elif name in MODELED:
            more["fidelities"] = options.fidelities
        strategy: Strategy = made(space, options.controller, seed=seed, **more)
        return strategy

    return make


def _gp(space: SearchSpace[Any], options: StrategyOptions, seed: int) -> Strategy:
    from rl_nas.strategies.gaussian_process import GaussianProcessSearch  # imports SciPy

    if options.objectives is None:
        return GaussianProcessSearch(space, seed, options.earlier, options.fidelities)
    made = scalarized(GaussianProcessSearch)
    strategy: Strategy = made(space, objectives=options.objectives, seed=seed, earlier=options.earlier)
    return strategy


def _bananas(space: SearchSpace[Any], options: StrategyOptions, seed: int) -> Strategy:
    check_installed("--strategy=bananas", *EXTRAS["bananas"])
    from rl_nas.strategies.bananas import Bananas

    return Bananas(space, seed)


def _nsga2(space: SearchSpace[Any], options: StrategyOptions, seed: int) -> Strategy:
    check_installed("--strategy=nsga2", *EXTRAS["nsga2"])
    from rl_nas.strategies.nsga2 import NSGA2

    return NSGA2(space, options.evolution.sizes[0], seed, options.objectives)


def _tpe(space: SearchSpace[Any], options: StrategyOptions, seed: int) -> Strategy:
    check_installed("--strategy=tpe", *EXTRAS["tpe"])
    from rl_nas.strategies.tpe import TPE

    return TPE(space, seed)


STRATEGIES: dict[str, Factory] = {
    **{name: _learned(name) for name in LEARNED},
    "aging_evolution": lambda space, options, seed: AgingEvolution(space, options.evolution, seed),
    "bananas": _bananas,
    "gp": _gp,
    "local_search": lambda space, options, seed: LocalSearch(space, seed),
    "nsga2": _nsga2,
    "tpe": _tpe,
    "random": lambda space, options, seed: RandomSearch(space, seed),
}


def find_strategy(name: str) -> Factory:
    """The factory of a strategy; `module:NAME` is the user's own class, called with the space and the seed.

    Raises:
        UsageError: there is none.
    """
    if name in STRATEGIES:
        return STRATEGIES[name]
    made = load_plugin("strategy", name, STRATEGIES)
    if not callable(made):
        raise UsageError(f"--strategy={name} is {type(made).__name__}; expected a class called with a space and a seed")

    def make(space: SearchSpace[Any], options: StrategyOptions, seed: int) -> Strategy:
        check_call("strategy", name, made, space, seed, expected="a class called with a space and a seed")
        if isinstance(made, type):
            _check_parts(name, made)
        strategy: Strategy = made(space, seed)
        _check_parts(name, strategy)
        return strategy

    return make


def _check_parts(name: str, strategy: object) -> None:
    """Raises `UsageError` if a user's strategy, or its class, lacks a method."""
    missing = [part for part in ("propose", "observe", "diagnostics") if not hasattr(strategy, part)]
    if missing:
        raise UsageError(f"--strategy={name} has no {', '.join(missing)}; see rl_nas.Strategy")
