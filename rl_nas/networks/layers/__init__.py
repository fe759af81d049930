"""Kinds of layers of planned networks, without TensorFlow.

`rl_nas.child.network.kinds` builds each kind in Keras and computes it directly.
"""

from rl_nas.networks.layers.convolutions import Conv, DepthwiseConv, SeparableConv
from rl_nas.networks.layers.dense import BatchNorm, Dense, Relu
from rl_nas.networks.layers.joining import (
    Add,
    Concat,
    CropChannels,
    CropImage,
    FlattenLevels,
    GlobalAttention,
    Pad,
    Shift,
    Zero,
)
from rl_nas.networks.layers.pooling import AveragePool, GlobalPool, GridPool, Pool, Resize
from rl_nas.networks.layers.stochastic import Dropout, DropPath, TrainingFraction
from rl_nas.networks.layers.window import Padding, Pair

__all__ = [
    "Add",
    "AveragePool",
    "BatchNorm",
    "Concat",
    "Conv",
    "CropChannels",
    "CropImage",
    "Dense",
    "DepthwiseConv",
    "DropPath",
    "Dropout",
    "FlattenLevels",
    "GlobalAttention",
    "GlobalPool",
    "GridPool",
    "Pad",
    "Padding",
    "Pair",
    "Pool",
    "Relu",
    "Resize",
    "SeparableConv",
    "Shift",
    "TrainingFraction",
    "Zero",
]
