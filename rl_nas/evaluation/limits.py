"""Limits of what networks may cost: of the plan, before anything is built, and measured before the training."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.networks.layer import Cost
from rl_nas.networks.plan import Plan
from rl_nas.settings import Settings, setting
from rl_nas.trial import ChildError, TrialState
from rl_nas.units import GIB, KIB

_FLOAT = 4
_KEPT = 0.7
"""Fraction of the layers' outputs that is in memory at once; benchmarks/child_memory.py compares."""


@dataclass(frozen=True)
class PlannedCost:
    """What a plan tells of a network's cost.

    Attributes:
        parameters: trainable ones of the whole network.
        madds: multiply-adds of one image, of the whole network.
        peak_memory: bytes; see `Measurement`.
    """

    parameters: int
    madds: int
    peak_memory: int

    @classmethod
    def of(cls, plan: Plan, backbone: Cost = Cost()) -> "PlannedCost":
        """The cost of a plan for inference, behind a backbone that is not in it."""
        cost = plan.cost() + backbone
        return cls(cost.trainable, cost.madds, _FLOAT * plan.peak_activations())


@dataclass(frozen=True)
class LimitSettings(Settings):
    """Limits above which networks are not trained: `over_limit`."""

    title: ClassVar[str] = "Limits of children"

    max_params: int | None = setting(
        None, "most trainable parameters of a child's whole network, its backbone included", minimum=1, maximum=10**15
    )
    max_madds: int | None = setting(
        None, "most multiply-adds of an image, of a child's whole network", minimum=1, maximum=10**15
    )
    max_peak_memory_kib: float | None = setting(
        None,
        "estimated KiB of activations that are held at once while one image is computed in 32-bit floats, layer by"
        " layer; without weights, and without a backbone of Keras",
        above=0,
    )
    max_latency_ms: float | None = setting(
        None,
        "milliseconds of an image, measured on the untrained child on the device that trains it; of what a child"
        " computes, as --cost=latency",
        above=0,
    )
    max_tflite_kib: float | None = setting(
        None, "KiB of the whole, untrained network exported as a TFLite model in 32-bit floats", above=0
    )
    max_memory_gib: float | None = setting(
        None,
        "estimated GiB that the training of a child needs; without a backbone that is frozen, or of Keras",
        above=0,
    )

    @property
    def measured(self) -> tuple[str, ...]:
        """The costs besides parameters and multiply-adds that are limited, as `Measurement` names them."""
        limited = {"peak_memory": self.max_peak_memory_kib, "latency": self.max_latency_ms}
        return tuple(
            name for name, limit in {**limited, "tflite_size": self.max_tflite_kib}.items() if limit is not None
        )

    @property
    def of_plan(self) -> str:
        """The flags that are given of the limits that a plan for inference is compared with."""
        named = {"max_params": self.max_params, "max_madds": self.max_madds}
        named["max_peak_memory_kib"] = self.max_peak_memory_kib  # type: ignore[assignment]
        return " ".join(f"--{name}={value:.16g}" for name, value in named.items() if value is not None)

    def excess(self, cost: PlannedCost) -> str:
        """By what a planned network exceeds a limit, in words; empty if it does not."""
        if self.max_params is not None and cost.parameters > self.max_params:
            return f"{cost.parameters:,} parameters; --max_params={self.max_params}"
        if self.max_madds is not None and cost.madds > self.max_madds:
            return f"{cost.madds:,} multiply-adds; --max_madds={self.max_madds}"
        return self._excess("max_peak_memory_kib", cost.peak_memory / KIB, "KiB of activations at once")

    def check(self, plan: Plan, batch: int, cost: PlannedCost) -> None:
        """Raises `ChildError` if a network is too large.

        Args:
            plan: of the network, or of the part of it behind its backbone, which is trained.
            batch: size of the batches of its training.
            cost: of the whole network.
        """
        _refuse(self.excess(cost))
        _refuse(self._excess("max_memory_gib", training_bytes(plan, batch) / GIB, "GiB, estimated, to be trained"))

    def check_latency(self, seconds: float) -> None:
        """Raises `ChildError` if a network takes too long for an image."""
        _refuse(self._excess("max_latency_ms", 1000 * seconds, "ms for an image"))

    def check_tflite(self, size: int) -> None:
        """Raises `ChildError` if a network is too large as a TFLite model; its size is in bytes."""
        _refuse(self._excess("max_tflite_kib", size / KIB, "KiB as a TFLite model"))

    def _excess(self, name: str, value: float, unit: str) -> str:
        limit = getattr(self, name)
        return "" if limit is None or value <= limit else f"{value:.4g} {unit}; --{name}={limit:.16g}"


def _refuse(excess: str) -> None:
    if excess:
        raise ChildError(TrialState.OVER_LIMIT, excess)


def training_bytes(plan: Plan, batch: int) -> int:
    """Estimated memory of a train step, in bytes.

    Most outputs of layers for a batch are kept until the backward pass; every parameter has its weight, a copy of it in
    the model, its gradient and its momentum. TensorFlow itself needs half a GiB more.
    """
    return round(_FLOAT * (_KEPT * batch * plan.activations() + 4 * plan.cost().trainable))
