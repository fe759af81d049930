"""How long a child takes for one image, on the device that trains it."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rl_nas.child.training.child_training import DeviceData
from rl_nas.child.training.train_step import logits_of

_WARM_UP, _TIMED = 5, 30


def measure_latency(infer: Callable[[tf.Tensor], Any], data: DeviceData) -> float:
    """Median wall time of a forward pass of one image, seconds; tracing and first calls do not count.

    Args:
        infer: from whitened images to logits.
        data: with a held-out image.
    """
    image = data.valid_images[:1]
    forward = tf.function(lambda x: logits_of(infer(data.normalize(x))), autograph=False)
    seconds = []
    for _ in range(_WARM_UP + _TIMED):
        started = time.perf_counter()
        forward(image).numpy()  # waits for the device
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[_WARM_UP:])
