"""The record of a kind of genotype."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from rl_nas.networks.features import Features
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.cells import Cell

SIZES = frozenset({"cells", "filters", "reductions", "target_params", "target_madds"})
"""Settings that a network of stages reads."""

NORM = frozenset({"network", "bn_momentum", "bn_epsilon"})
"""Settings that every family reads."""


BACKBONE, HEAD, NECK = "backbone", "head", "neck"
"""Parts of networks."""


class DiagramNode(NamedTuple):
    """A node of a drawn graph: its text, and its kind (`input`, `op` or `output`)."""

    text: str
    kind: str


class Arrow(NamedTuple):
    """An arrow from one node to a later one, with its text.

    Attributes:
        source: number of the node.
        target: number of the later node.
        text: at its middle.
        side: on which it passes the nodes between them: -1 left, 1 right, 0 whichever is free.
    """

    source: int
    target: int
    text: str = ""
    side: int = 0


class Diagram(NamedTuple):
    """A genotype as nodes and arrows, to be drawn as a column."""

    nodes: Sequence[DiagramNode]
    arrows: Sequence[Arrow]


Drawing = Diagram | Mapping[str, Cell]
"""Drawing of a genotype: a graph, or cells by name, side by side."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """A kind of genotype.

    Attributes:
        genotype: its class; `KIND` is its name in JSON, `from_document` reads it.
        part: the part of a network that it describes, such as `backbone`.
        text: from a genotype to lines for a terminal.
        drawing: from a genotype to its drawing.
        from_text: reads a genotype's published notation; returns None for other text.
        from_foreign: reads the JSON of a genotype's authors; returns None for other values.
        to_foreign: from a genotype to its authors' JSON; None: there is no such form.
    """

    part: ClassVar[str]

    genotype: Any
    text: Callable[[Any], str]
    drawing: Callable[[Any], Drawing]
    from_text: Callable[[str], Any | None] = lambda text: None
    from_foreign: Callable[[object], Any | None] = lambda document: None
    to_foreign: Callable[[Any], Any] | None = None


@dataclass(frozen=True, kw_only=True)
class BackboneFamily(Family):
    """A kind of genotype that describes backbones.

    Attributes:
        presets: skeletons by name; the first is the default.
        reads: names of the network settings that affect it; a head has its own.
        plan: from the operations, a genotype, a skeleton and the number of train steps (None: inference) to its
            features.
        output_width: channels of the last features for a filter of the last stage; None if that is not fixed.
        one_shot: whether its networks have enough in common to share weights.
        dilates: whether its networks have a dilated form.
    """

    part = BACKBONE

    presets: Mapping[str, Skeleton]
    reads: frozenset[str]
    plan: Callable[[Ops, Any, Skeleton, int | None], Features]
    output_width: Callable[[Any], int] | None = None
    one_shot: bool = True
    dilates: bool = True


@dataclass(frozen=True, kw_only=True)
class HeadFamily(Family):
    """A kind of genotype that describes the part of a dense prediction network between backbone and decoder.

    Attributes:
        plan: from the operations, a genotype, the backbone's last feature map, the filters of every layer and the form
            of pyramid pooling to its output.
        merged: from a genotype and the height and width of the feature map to the genotype that all those share which
            compute the same on a map of this size.
    """

    part = HEAD

    plan: Callable[[Ops, Any, Tensor, int, str], Tensor]
    merged: Callable[[Any, tuple[int, int]], Any] = lambda genotype, size: genotype


@dataclass(frozen=True, kw_only=True)
class NeckFamily(Family):
    """A kind of genotype that describes the part of a detector between backbone and towers: levels of equal channels.

    Attributes:
        plan: from the operations, a genotype, the backbone's feature maps by stride, the strides of the outputs, their
            filters and the number of repeats to the outputs by stride. The sides of a level are those of the image
            divided by its stride, rounded up; the backbone has the finest level, and each up to its coarsest one.
        levels: from a genotype to its levels, of stride 2**level, from the finest to the coarsest; None: it is on any.
    """

    part = NECK

    plan: Callable[[Ops, Any, Mapping[int, Tensor], Sequence[int], int, int], Mapping[int, Tensor]]
    levels: Callable[[Any], Sequence[int] | None]
