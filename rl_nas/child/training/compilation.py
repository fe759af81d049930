"""Whether a train step is compiled with XLA."""

import math
from collections.abc import Callable
from dataclasses import replace

from rl_nas.child.training.settings import TrainingSettings

_COMPILING, _SAVED, _CORES = 105.8, 0.0394 - 0.0201, 16
"""Seconds that compiling a train step took, seconds that it saved in each step, and the cores of that machine.

NASNet-A with two cells a stage and 32 filters, batch 128, on one H200. Both grow with the number of layers, so that
their quotient holds for other networks; on larger images more is saved.
"""


def paying_steps(cores: int) -> int:
    """Train steps from which on compiling pays on a GPU, with so many cores to compile."""
    return math.ceil(_COMPILING / _SAVED * max(1.0, _CORES / cores))


def settled_compilation(
    training: TrainingSettings, steps: int, cores: int, tell: Callable[[str], None], of: str = ""
) -> TrainingSettings:
    """The settings with a `jit_compile` that is `on` or `off`; one that is given stays.

    Args:
        training: with `auto` perhaps, which compiles on GPUs where the train steps are many enough.
        steps: train steps that use one compiled step.
        cores: CPU cores that compile for the one GPU that they run on; 0: they run elsewhere. On several GPUs a
            compiled step cannot add up gradients; for a CPU it takes minutes to compile.
        tell: called with a line about a decision that is made for a GPU.
        of: what the steps belong to, such as ` a child`.
    """
    if training.jit_compile != "auto":
        return training
    if not cores:
        return replace(training, jit_compile="off")
    least = paying_steps(cores)
    pays = steps >= least
    what = "train steps are compiled" if pays else "train steps are not compiled"
    tell(f"XLA: {what}: {steps:,}{of}, and compiling pays from about {least:,} on (--jit_compile=auto)")
    return replace(training, jit_compile="on" if pays else "off")
