"""The entropy that a policy can have."""

from functools import lru_cache
from typing import Any

import numpy as np

from rl_nas.spaces.decisions import FREE, Decision, SearchSpace

_DRAWN = 1024
"""Architectures that are drawn to find how often decisions are active."""


@lru_cache(maxsize=64)
def fresh_entropy(space: SearchSpace[Any], fixed: tuple[int, ...]) -> float:
    """Mean entropy of a fresh policy along the architectures that it draws, nats.

    Inactive and fixed decisions have none.

    Args:
        space: of the architectures.
        fixed: the choices that are fixed, `FREE` for the others.
    """
    rng = np.random.default_rng(0)
    tokens, entropy = np.zeros([_DRAWN, len(space.decisions)], np.int32), 0.0
    for number, decision in enumerate(space.decisions):
        active = space.active(number, tokens)
        if fixed[number] == FREE:
            drawn = rng.choice(len(decision.choices), size=_DRAWN, p=decision.probabilities)
            entropy += float(active.mean()) * _entropy(decision)
        else:
            drawn = np.full(_DRAWN, fixed[number])
        tokens[:, number] = np.where(active, drawn, 0)
    return entropy


def _entropy(decision: Decision) -> float:
    if not decision.weights:
        return float(np.log(len(decision.choices)))
    known = np.array([p for p in decision.probabilities if p > 0])
    return float(-(known * np.log(known)).sum())
