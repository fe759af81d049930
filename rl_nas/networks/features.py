"""The interface between a backbone and a head: feature maps by stride."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.networks.skeleton import Skeleton


@dataclass(frozen=True)
class Features:
    """Feature maps that a backbone offers.

    Attributes:
        levels: stride, in pixels of the image from one position to the next -> the last tensor of that stride; from the
            finest to the coarsest.
        finish: plans the normalization and activation of the backbone's family behind its last layer; called in the
            scope of the head.
    """

    levels: dict[int, Tensor]
    finish: Callable[[Ops, Tensor], Tensor] = lambda ops, x: x

    @property
    def coarsest(self) -> Tensor:
        """The backbone's last output."""
        return self.levels[max(self.levels)]


class Head(Protocol):
    """The part of a network that is specific to a task."""

    @property
    def reads(self) -> frozenset[str]:
        """Names of the skeleton's settings that the head reads."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Prefixes of the names of the layers that depend on what is predicted, such as the classes.

        --init_head, --freeze=backbone and --backbone_rate are about these layers.
        """

    def plan(self, ops: Ops, features: Features, skeleton: Skeleton, *, training: bool) -> dict[str, Tensor]:
        """Plans the head.

        Args:
            ops: add layers to the plan.
            features: of its backbone.
            skeleton: of the network.
            training: plan parts for training only, too.

        Returns:
            The outputs of the network by name.
        """


@runtime_checkable
class ClassifyingHead(Protocol):
    """A head that ends in one dense layer with a unit for each class."""

    @property
    def classifier(self) -> str:
        """Name of that layer."""
