"""The operations of the cell spaces, planned as layers.

An operation maps a state to `filters` channels, at the same size or (stride 2) at half the size. Every
operation has a strided form. Convolutions follow the order ReLU, convolution, batch normalization
(Zoph et al. 2018, appendix A.4).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from rl_nas.errors import UsageError, first_line
from rl_nas.networks.layers import (
    BatchNorm,
    Concat,
    Conv,
    DropPath,
    Pad,
    Padding,
    Pair,
    Pool,
    Relu,
    SeparableConv,
    Shift,
)
from rl_nas.networks.plan import Plan, Tensor
from rl_nas.spaces.operations import OPERATIONS, add_name


@dataclass(frozen=True)
class Ops:
    """Adds operations to the plan of one network, all with the same normalization.

    Attributes:
        plan: of the network.
        norm: the normalization.
        fraction: completed fraction of the training; None: no path is dropped.
        keep: probability of keeping a path at the end of the training.
        zero_padded_pools: whether strided pools pad the image with zeros; otherwise they ignore what is beyond it.
    """

    plan: Plan
    norm: BatchNorm
    fraction: Tensor | None = None
    keep: float = 1.0
    zero_padded_pools: bool = False

    def apply(self, op: str, x: Tensor, filters: int, stride: int) -> Tensor:
        """Plans operation `op` (a name of `rl_nas.spaces.operations`) on `x`, and its drop path.

        As in the released code, the path through an identity is never dropped.
        """
        with self.plan.scope(op.replace(":", ".")):  # TensorFlow puts a colon before the number of an output
            x = OPERATION_PLANS[op](self, x, filters, stride)
            if self.fraction is None or op == "identity":
                return x
            return self.plan.add(DropPath(self.keep), x, self.fraction, name="drop_path")

    def relu(self, x: Tensor) -> Tensor:
        """Plans a ReLU."""
        return self.plan.add(Relu(), x, name="relu")

    def conv_bn(
        self, x: Tensor, filters: int, kernel: Pair = (1, 1), strides: Pair = (1, 1), dilation: int = 1
    ) -> Tensor:
        """Plans a convolution and its normalization."""
        conv = Conv(filters, kernel, strides, dilation)
        x = self.plan.add(conv, x, name="conv")
        return self.plan.add(self.norm, x, name="bn")

    def subsample(self, x: Tensor) -> Tensor:
        """Keeps every second pixel of every second row."""
        return self.plan.add(Pool("avg", 1, stride=2), x, name="subsample")

    def factorized_reduction(self, x: Tensor, filters: int) -> Tensor:
        """Halves the size: two 1x1 convolutions, on the even pixels and on the odd ones (shifted by one)."""
        with self.plan.scope("factorized_reduction"):
            even = self.plan.add(Conv(filters // 2, (1, 1)), self.subsample(x), name="conv_even")
            shifted = self.subsample(self.plan.add(Shift(), x, name="shift"))
            odd = self.plan.add(Conv(filters - filters // 2, (1, 1)), shifted, name="conv_odd")
            joined = self.plan.add(Concat(), even, odd, name="concat")
            return self.plan.add(self.norm, joined, name="bn")


OperationPlan = Callable[[Ops, Tensor, int, int], Tensor]
"""Function that plans an operation, of the `Ops`, the state that it reads, its output filters and the stride."""


def _identity(ops: Ops, x: Tensor, filters: int, stride: int) -> Tensor:
    if stride == 1 and x.channels == filters:
        return x
    return ops.conv_bn(ops.relu(x), filters, strides=(stride, stride))


def _conv(kernel: int) -> OperationPlan:
    def plan(ops: Ops, x: Tensor, filters: int, stride: int) -> Tensor:
        return ops.conv_bn(ops.relu(x), filters, (kernel, kernel), (stride, stride))

    return plan


def _factored_conv(kernel: int) -> OperationPlan:
    """1xk, then kx1 convolution, each with its own ReLU and normalization."""

    def plan(ops: Ops, x: Tensor, filters: int, stride: int) -> Tensor:
        x = ops.conv_bn(ops.relu(x), filters, (1, kernel), (1, stride))
        return ops.conv_bn(ops.relu(x), filters, (kernel, 1), (stride, 1))

    return plan


def _dilated_conv(ops: Ops, x: Tensor, filters: int, stride: int) -> Tensor:
    x = ops.relu(x)
    if stride == 1:
        return ops.conv_bn(x, filters, (3, 3), dilation=2)
    # A 3x3 kernel of dilation 2 at the even pixels reads only even pixels: on these it is an
    # ordinary 3x3 convolution, at a quarter of the cost.
    return ops.conv_bn(ops.subsample(x), filters, (3, 3))


def _separable_conv(kernel: int) -> OperationPlan:
    """Separable convolution applied twice, the first time with the stride."""

    def plan(ops: Ops, x: Tensor, filters: int, stride: int) -> Tensor:
        for s in (stride, 1):
            x = ops.plan.add(SeparableConv(filters, kernel, s), ops.relu(x), name="sep")
            x = ops.plan.add(ops.norm, x, name="bn")
        return x

    return plan


def _dilated_separable_conv(ops: Ops, x: Tensor, filters: int, stride: int) -> Tensor:
    """Dilated separable convolution applied twice; with a stride, an ordinary one on even pixels (`_dilated_conv`)."""
    for s in (stride, 1):
        x = ops.relu(x)
        if s == 1:
            x = ops.plan.add(SeparableConv(filters, 3, dilation=2), x, name="sep")
        else:
            x = ops.plan.add(SeparableConv(filters, 3), ops.subsample(x), name="sep")
        x = ops.plan.add(ops.norm, x, name="bn")
    return x


def _dilated_separable_conv_once(kernel: int) -> OperationPlan:
    """DARTS's dilated separable convolution; with a stride, an ordinary one on even pixels (`_dilated_conv`)."""

    def plan(ops: Ops, x: Tensor, filters: int, stride: int) -> Tensor:
        x = ops.relu(x)
        read, dilation = (x, 2) if stride == 1 else (ops.subsample(x), 1)
        x = ops.plan.add(SeparableConv(filters, kernel, dilation=dilation), read, name="sep")
        return ops.plan.add(ops.norm, x, name="bn")

    return plan


def _bottleneck(*kernels: Pair) -> OperationPlan:
    """Convolutions on a quarter of the filters, between two 1x1 ones (AmoebaNet's released code)."""

    def plan(ops: Ops, x: Tensor, filters: int, stride: int) -> Tensor:
        x = ops.conv_bn(ops.relu(x), max(1, filters // 4))
        for height, width in kernels:
            strides = (stride if height > 1 else 1, stride if width > 1 else 1)
            x = ops.conv_bn(ops.relu(x), max(1, filters // 4), (height, width), strides)
        return ops.conv_bn(ops.relu(x), filters)

    return plan


def _pool(kind: str, size: int) -> OperationPlan:
    def plan(ops: Ops, x: Tensor, filters: int, stride: int) -> Tensor:
        padding: Padding = "same"
        if stride > 1 and ops.zero_padded_pools:
            (top, bottom), (left, right) = (_around(length, size) for length in x.size)
            x, padding = ops.plan.add(Pad(top, bottom, left, right), x, name="pad"), "valid"
        x = ops.plan.add(Pool("avg" if kind == "avg" else "max", size, stride, padding), x, name="pool")
        return x if x.channels == filters else ops.conv_bn(x, filters)

    return plan


def _around(length: int, size: int) -> tuple[int, int]:
    """Zeros before and behind `length` pixels, so that windows of `size` with stride 2 are as many as with "same"."""
    return size // 2 - (1 - length % 2), size // 2


OPERATION_PLANS: dict[str, OperationPlan] = {
    "identity": _identity,
    "conv_1x3_3x1": _factored_conv(3),
    "conv_1x7_7x1": _factored_conv(7),
    "dil_conv_3x3": _dilated_conv,
    "avg_pool_3x3": _pool("avg", 3),
    "max_pool_3x3": _pool("max", 3),
    "max_pool_5x5": _pool("max", 5),
    "max_pool_7x7": _pool("max", 7),
    "conv_1x1": _conv(1),
    "conv_3x3": _conv(3),
    "sep_3x3": _separable_conv(3),
    "sep_5x5": _separable_conv(5),
    "sep_7x7": _separable_conv(7),
    "dil_sep_3x3": _dilated_separable_conv,
    "max_pool_2x2": _pool("max", 2),
    "bottleneck_3x3": _bottleneck((3, 3)),
    "bottleneck_1x7_7x1": _bottleneck((1, 7), (7, 1)),
    "dil_sep_once_3x3": _dilated_separable_conv_once(3),
    "dil_sep_once_5x5": _dilated_separable_conv_once(5),
}


def add_operation(name: str, plan: OperationPlan) -> None:
    """Adds an operation to the vocabulary of this process: spaces may offer it, genotypes may name it.

    Args:
        name: in genotypes, `module:NAME` of the function.
        plan: adds its layers. If it raises an exception, or returns a shape that does not match the filters and the
            stride, the network cannot be built.

    Raises:
        UsageError: a built-in operation has that name.
    """
    if name in OPERATIONS:
        raise UsageError(f"operation {name} is built in; give yours another name, such as my_operations:{name}")
    OPERATION_PLANS[name] = _checked(name, plan)
    add_name(name)


def _checked(name: str, plan: OperationPlan) -> OperationPlan:
    def checked(ops: Ops, x: Tensor, filters: int, stride: int) -> Tensor:
        met = f"operation {name} on {_shape(x.shape)} with {filters} filters and stride {stride}"
        try:
            made = plan(ops, x, filters, stride)
        except Exception as error:
            raise UsageError(f"{met}: {type(error).__name__}: {first_line(error)}") from error
        expected = (*(math.ceil(length / stride) for length in x.size), filters)
        if not isinstance(made, Tensor):
            raise UsageError(f"{met} returns {type(made).__name__}; expected the Tensor of a planned layer")
        if made.shape != expected:
            raise UsageError(f"{met} makes {_shape(made.shape)}; expected {_shape(expected)}")
        return made

    return checked


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
