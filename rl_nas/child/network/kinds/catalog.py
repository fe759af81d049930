"""The kinds of layers by the planned layer's class."""

from rl_nas.child.network.kinds import convolutions, dense, joining, pooling, resizing, stochastic
from rl_nas.child.network.kinds.kind import LayerKind
from rl_nas.networks.layer import Layer

KINDS: dict[type[Layer], LayerKind] = {
    kind.layer: kind
    for kind in (
        convolutions.CONV,
        convolutions.SEPARABLE_CONV,
        convolutions.DEPTHWISE_CONV,
        dense.BATCH_NORM,
        dense.RELU,
        dense.DENSE,
        pooling.POOL,
        pooling.AVERAGE_POOL,
        resizing.GRID_POOL,
        pooling.GLOBAL_POOL,
        resizing.RESIZE,
        joining.ADD,
        joining.CONCAT,
        joining.GLOBAL_ATTENTION,
        joining.FLATTEN_LEVELS,
        joining.SHIFT,
        joining.PAD,
        joining.CROP_CHANNELS,
        joining.CROP_IMAGE,
        joining.ZERO,
        stochastic.DROPOUT,
        stochastic.TRAINING_FRACTION,
        stochastic.DROP_PATH,
    )
}
