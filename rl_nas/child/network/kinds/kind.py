"""The record of a kind of layer.

Shapes, weights, multiply-adds and weight sharing are in `rl_nas.networks.layers`, which needs no TensorFlow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras

from rl_nas.child.network.layer_call import LayerFunction
from rl_nas.networks.layer import Layer
from rl_nas.networks.plan import Node


class Site(NamedTuple):
    """Place of a Keras layer in a model.

    Attributes:
        node: the planned layer.
        seed: the layer's random numbers are a function of it.
        l2: weight of half the squared kernels in the model's losses.
    """

    node: Node
    seed: int
    l2: float

    @property
    def name(self) -> str:
        """Name of the layer."""
        return self.node.name

    def kernel(self, kind: str = "kernel") -> dict[str, Any]:
        """Arguments of a layer for its kernel, whose values are assigned later."""
        regularizer = keras.regularizers.L2(self.l2 / 2) if self.l2 else None
        return {f"{kind}_initializer": "zeros", f"{kind}_regularizer": regularizer}


@dataclass(frozen=True)
class LayerKind:
    """A kind of layer.

    Both computations agree up to rounding, and draw the same random numbers.

    Attributes:
        layer: the planned layer's class.
        keras: from the layer and its site to a function of the inputs: a Keras layer, or several in a row.
        compute: the direct computation, with its gradient.
        narrow: whether it computes in 16 bits if the network does; otherwise it is not faster for it, or less exact.
        narrow_weights: whether its weights have 16 bits then.
    """

    layer: type[Layer]
    keras: Callable[[Any, Site], Callable[..., Any]]
    compute: LayerFunction
    narrow: bool = True
    narrow_weights: bool = True
