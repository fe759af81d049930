"""The part of a search space whose networks are within the limits that a plan tells of."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.evaluation.limits import LimitSettings, PlannedCost
from rl_nas.spaces.decisions import Genotype, SearchSpace
from rl_nas.tasks.sources import tell_user
from rl_nas.units import KIB

_SAMPLE = 100
"""Random networks of which the search tells how many are within the limits."""


def affordable(
    space: SearchSpace[Any], limits: LimitSettings, cost: Callable[[Genotype], PlannedCost]
) -> SearchSpace[Any]:
    """The space that offers only networks within the limits; tells how many these are, of random ones.

    Args:
        space: of the search.
        limits: of the children.
        cost: of the network of a genotype; raises `UsageError` if it cannot be built.

    Raises:
        UsageError: no random network is within the limits.
    """
    if not limits.of_plan:
        return space
    known: dict[str, bool] = {}

    def fits(genotype: Genotype) -> bool:
        key = genotype.canonical_key()
        if key not in known:
            known[key] = _fits(genotype, limits, cost)
        return known[key]

    rng = np.random.default_rng(0)
    drawn = [space.decode(space.sample(rng)) for _ in range(_SAMPLE)]
    count = sum(map(fits, drawn))
    if not count:
        raise UsageError(
            f"{limits.of_plan}: none of {_SAMPLE} random networks of --space={space.name} is within; the smallest have"
            f" {_least(drawn, cost)}; give larger limits or a smaller network"
        )
    tell_user(f"limits: {count} of {_SAMPLE} random networks of --space={space.name} are within {limits.of_plan}")
    return replace(space, is_affordable=fits)


def _fits(genotype: Genotype, limits: LimitSettings, cost: Callable[[Genotype], PlannedCost]) -> bool:
    try:
        return not limits.excess(cost(genotype))
    except UsageError:  # its child fails with this error
        return True


def _least(drawn: list[Any], cost: Callable[[Genotype], PlannedCost]) -> str:
    costs = [cost(genotype) for genotype in drawn]
    parameters, madds = min(one.parameters for one in costs), min(one.madds for one in costs)
    memory = min(one.peak_memory for one in costs) / KIB
    return f"{parameters:,} parameters, {madds:,} multiply-adds, {memory:.4g} KiB of activations"
