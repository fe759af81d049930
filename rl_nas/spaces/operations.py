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
)
"""`sep_KxK` is the depthwise-separable convolution applied twice, `dil_conv_3x3` has dilation rate 2."""

COMBINERS: tuple[str, ...] = ("add", "concat")
"""How a block joins its two results: element-wise addition, or concatenation along the filters."""
