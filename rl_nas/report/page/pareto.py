"""Quality against cost: the networks that no other beats in both."""

from collections.abc import Sequence

import numpy as np

from rl_nas.trial import Trial

COSTS = {
    "parameters": "parameters",
    "madds": "multiply-adds",
    "latency": "latency, seconds",
    "tflite_size": "TFLite size, bytes",
    "peak_memory": "peak memory, bytes",
}
"""Figures of a measurement that are costs, in words."""


def front(trials: Sequence[Trial], cost: str) -> list[Trial]:
    """The trials that no other beats in quality without costing more, by growing cost; of equals the earlier.

    Args:
        trials: of a search.
        cost: of `COSTS`.
    """
    measured = [(getattr(t.measurement, cost), -t.measurement.quality, t.index, t) for t in trials if t.measurement]
    found, best = [], -np.inf
    for _, quality, _, trial in sorted((one for one in measured if one[0] is not None), key=lambda one: one[:3]):
        if -quality > best:
            found.append(trial)
            best = -quality
    return found
