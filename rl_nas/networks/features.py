"""The interface between a backbone and a head: feature maps by stride."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from rl_nas.errors import UsageError
from rl_nas.networks.layer import Shape
from rl_nas.networks.layers import Pair
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Plan, Tensor
from rl_nas.networks.skeleton import Skeleton


@dataclass(frozen=True)
class FeatureMaps:
    """Feature maps that a network reads instead of an image: those of a frozen or a foreign backbone.

    Attributes:
        shapes: stride -> height, width and channels; from the finest to the coarsest.
        image_size: height and width of the images that they are computed from.
    """

    KIND: ClassVar[str] = "feature maps"

    shapes: Mapping[int, Shape]
    image_size: Pair

    def plan(self) -> Plan:
        """A plan that reads them."""
        return Plan({feature_name(stride): shape for stride, shape in self.shapes.items()}, self.image_size)


def feature_name(stride: int) -> str:
    """Name of the feature map of a stride, as an input of networks and as an output of backbones."""
    return f"features_{stride}"


@dataclass(frozen=True)
class Features:
    """Feature maps that a backbone offers.

    Attributes:
        levels: stride, in pixels of the image from one position to the next -> the last tensor of that stride; from the
            finest to the coarsest.
        finish: plans what a head needs before it reads a tensor, such as an activation; called in the scope of the
            head.
        finish_last: the same for the backbone's last output, where its family has a normalization of its own.
    """

    levels: Mapping[int, Tensor]
    finish: Callable[[Tensor], Tensor] = lambda x: x
    finish_last: Callable[[Tensor], Tensor] | None = None

    @property
    def coarsest(self) -> Tensor:
        """The backbone's last output."""
        return self.levels[max(self.levels)]

    def finished(self, stride: int) -> Tensor:
        """Plans what a head reads of a stride, in its scope; raises `UsageError` if the backbone has no such stride.

        Classifiers read the last output alone: what they have behind it belongs to the backbone, and finer levels have
        nothing of it, however a network is cut.
        """
        x = self.level(stride)
        finish = self.finish_last if x == self.coarsest else None
        return (finish or self.finish)(x)

    def level(self, stride: int) -> Tensor:
        """The last tensor of a stride; raises `UsageError` if the backbone has none."""
        if stride not in self.levels:
            raise UsageError(
                f"--output_stride={stride}: the backbone has features of stride {', '.join(map(str, self.levels))};"
                " expected one of them, or more or fewer --reductions"
            )
        return self.levels[stride]


class Head(ABC):
    """The part of a network that is specific to a task.

    Attributes:
        reads: names of the skeleton's settings that it reads.
        layers: prefixes of the names of the layers that depend on what is predicted, such as the classes; all others
            are the backbone's for --init_head, --freeze and --backbone_rate.
        freezes_norm: whether --freeze=norm is about the batch normalization of these layers too.
    """

    reads: ClassVar[frozenset[str]] = frozenset()
    layers: ClassVar[tuple[str, ...]] = ()
    freezes_norm: ClassVar[bool] = False

    @property
    def image_multiple(self) -> int:
        """Number that sides of images are padded to multiples of."""
        return 1

    @property
    def max_stride(self) -> int | None:
        """Stride beyond which backbones dilate their layers instead; None: they do not."""
        return None

    def strides(self, offered: Mapping[int, Shape]) -> tuple[int, ...]:
        """Strides of the feature maps that it reads, of those that a backbone offers.

        Raises:
            UsageError: the backbone does not offer what it needs.
        """
        return (max(offered),)

    @abstractmethod
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
