"""The memory of a train step, estimated before the network is built: an image's size may come from a stranger's run."""

import tensorflow as tf

from rl_nas.errors import UsageError
from rl_nas.evaluation.limits import training_bytes
from rl_nas.execution.memory import machine_memory
from rl_nas.networks.layer import Shape
from rl_nas.networks.plan import Plan
from rl_nas.units import size_text

_UNSURE = 1.5
"""Factor by which the estimate may be too high."""


def step_bytes(plan: Plan, batch: int, shape: Shape) -> int:
    """About the bytes of a train step; those of accelerators are not known, and not compared.

    Args:
        plan: of the network, for training.
        batch: images of a step, on all devices.
        shape: of an image.

    Raises:
        UsageError: this machine, without an accelerator, has less memory.
    """
    needed, there = training_bytes(plan, batch), machine_memory()
    if needed > _UNSURE * there and not any(map(tf.config.list_physical_devices, ("GPU", "TPU"))):
        raise UsageError(
            f"a train step of {batch} images of {'x'.join(map(str, shape))} takes about {size_text(needed)}; this"
            f" machine has {size_text(there)}: give a smaller --image_size, --batch_size or network"
        )
    return needed
