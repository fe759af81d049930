"""Latency of a child for one image, on the device that trains it."""

import statistics
import time
from collections.abc import Callable

import tensorflow as tf

from rl_nas.child.network.flat_weights import Outputs
from rl_nas.child.training.child_training import DeviceData

_WARM_UP, _TIMED = 5, 30


def measure_latency(infer: Callable[[tf.Tensor], Outputs], data: DeviceData) -> float:
    """Median wall time of a forward pass of one image, seconds; tracing and first calls do not count.

    Args:
        infer: from normalized images to outputs.
        data: with a held-out image.
    """
    image = data.valid_images[:1]
    forward = tf.function(lambda x: infer(data.normalize(x)), autograph=False)
    seconds = []
    for _ in range(_WARM_UP + _TIMED):
        started = time.perf_counter()
        for output in forward(image).values():
            output.numpy()  # waits for the device
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[_WARM_UP:])
