"""Latency of a child for one image, on the device that trains it."""

import statistics
import time
from collections.abc import Callable

import tensorflow as tf

from rl_nas.child.data.training_data import Inputs, TrainingData
from rl_nas.child.network.flat_weights import Outputs

_WARM_UP, _TIMED = 5, 30


def measure_latency(infer: Callable[[Inputs], Outputs], data: TrainingData) -> float:
    """Median wall time of a forward pass of one image, seconds; tracing and first calls do not count.

    Args:
        infer: from inputs, such as normalized images, to outputs.
        data: with a held-out image.
    """
    inputs, _ = data.held_out(0, 1)
    forward = tf.function(infer, autograph=False)
    seconds = []
    for _ in range(_WARM_UP + _TIMED):
        started = time.perf_counter()
        for output in forward(inputs).values():
            output.numpy()  # waits for the device
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[_WARM_UP:])
