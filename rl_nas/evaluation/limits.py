"""Limits of a child's size, estimated from its plan before anything is built."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.networks.layer import Cost
from rl_nas.networks.plan import Plan
from rl_nas.settings import Settings, setting
from rl_nas.trial import ChildError, TrialState
from rl_nas.units import GIB

_FLOAT = 4
_KEPT = 0.7
"""Fraction of the layers' outputs that is in memory at once; benchmarks/child_memory.py compares."""


@dataclass(frozen=True)
class LimitSettings(Settings):
    """Limits above which children are `invalid` without being built."""

    title: ClassVar[str] = "Limits of children"

    max_params: int | None = setting(
        None, "most trainable parameters of a child's whole network, its backbone included", minimum=1, maximum=10**15
    )
    max_memory_gib: float | None = setting(
        None,
        "estimated GiB that the training of a child needs; without a backbone that is frozen, or of Keras",
        above=0,
    )

    def check(self, plan: Plan, batch: int, backbone: Cost = Cost()) -> None:
        """Raises `ChildError` if a network is too large.

        Args:
            plan: of the network, or of the part of it behind its backbone, which is trained.
            batch: size of the batches of its training.
            backbone: cost of the backbone, if it is not in the plan.
        """
        parameters = (plan.cost() + backbone).trainable
        memory = training_bytes(plan, batch) / GIB
        if self.max_params is not None and parameters > self.max_params:
            raise ChildError(TrialState.INVALID, f"{parameters:,} parameters; --max_params={self.max_params}")
        if self.max_memory_gib is not None and memory > self.max_memory_gib:
            raise ChildError(
                TrialState.INVALID, f"needs about {memory:.3g} GiB; --max_memory_gib={self.max_memory_gib:g}"
            )


def training_bytes(plan: Plan, batch: int) -> int:
    """Estimated memory of a train step, in bytes.

    Most outputs of layers for a batch are kept until the backward pass; every parameter has its weight, a copy of it in
    the model, its gradient and its momentum. TensorFlow itself needs half a GiB more.
    """
    return round(_FLOAT * (_KEPT * batch * plan.activations() + 4 * plan.cost().trainable))
