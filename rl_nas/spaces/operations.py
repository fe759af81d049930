"""The vocabulary of operations and combiners that genotypes may use."""

OPERATIONS: tuple[str, ...] = (
    "identity",
    "conv_1x3_3x1",
    "conv_1x7_7x1",
    "dil_conv_3x3",
    "avg_pool_3x3",
    "max_pool_3x3",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "sep_3x3",
    "sep_5x5",
    "sep_7x7",
    "dil_sep_3x3",
    "max_pool_2x2",
    "bottleneck_3x3",
    "bottleneck_1x7_7x1",
    "dil_sep_once_3x3",
    "dil_sep_once_5x5",
)
"""The built-in operations. `sep_KxK` is the depthwise-separable convolution applied twice, `dil_` means dilation rate
2, `dil_sep_once_` is applied once (Liu et al. 2019), and `bottleneck_` a convolution between two 1x1 convolutions, on a
quarter of the filters."""

COMBINERS: tuple[str, ...] = ("add", "concat")
"""Ways to join a block's two results: element-wise addition, or concatenation along the filters."""

_added: set[str] = set()


def add_name(operation: str) -> None:
    """Lets genotypes name a user's operation; called by `rl_nas.networks.operations.add_operation`."""
    _added.add(operation)


def is_known(operation: str) -> bool:
    """Whether genotypes may name an operation: a built-in one, or one that this process has added."""
    return operation in OPERATIONS or operation in _added
