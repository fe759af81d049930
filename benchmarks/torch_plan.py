"""A planned network in PyTorch, for the speed of its train steps: what gpu.py compares ours with."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from step_way import ADDED, Way

from rl_nas.errors import UsageError
from rl_nas.networks import layers
from rl_nas.networks.plan import Node, Plan


def torch_network(plan: Plan) -> Any:
    """The module of a plan: images [batch, channels, height, width] -> logits; layers for training alone are missing.

    Raises:
        UsageError: a layer has no form here.
    """
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList([_part(node) for node in plan.nodes])

        def forward(self, images: Any) -> Any:
            values = {plan.image.node: images}
            for node, part in zip(plan.nodes, self.parts, strict=True):
                values[node.output.node] = part(*(values[tensor.node] for tensor in node.inputs))
            return values[plan.outputs["logits"].node]

    return Network()


def _part(node: Node) -> Any:
    """The module of one layer."""
    import torch
    from torch import nn

    spec, before = node.layer, node.inputs[0].shape

    class Joined(nn.Module):
        def __init__(self, join: Any) -> None:
            super().__init__()
            self.join = join

        def forward(self, *inputs: Any) -> Any:
            return self.join(inputs)

    class Averaged(nn.Module):
        """Means over windows, in which padding is not counted."""

        def __init__(self, size: int, stride: int, ends: tuple[int, int, int, int]) -> None:
            super().__init__()
            self.pool = nn.Sequential(nn.ZeroPad2d(ends), nn.AvgPool2d(size, stride))
            self.register_buffer("inside", self.pool(torch.ones(1, 1, *before[:2])))

        def forward(self, x: Any) -> Any:
            return self.pool(x) / self.inside.to(x.dtype)

    def padded(part: Any, size: layers.Pair, strides: layers.Pair, rate: int = 1) -> Any:
        return nn.Sequential(nn.ZeroPad2d(_same(before, size, strides, rate)), part)

    match spec:
        case layers.Conv():
            how = {"stride": spec.strides, "dilation": spec.dilation, "bias": spec.bias}
            conv = nn.Conv2d(before[2], spec.filters, spec.kernel, **how)
            return padded(conv, spec.kernel, spec.strides, spec.dilation) if spec.padding == "same" else conv
        case layers.SeparableConv():
            size, strides = (spec.kernel, spec.kernel), (spec.stride, spec.stride)
            how = {"stride": strides, "dilation": spec.dilation, "groups": before[2], "bias": False}
            depthwise = padded(nn.Conv2d(before[2], before[2], size, **how), size, strides, spec.dilation)
            return nn.Sequential(depthwise, nn.Conv2d(before[2], spec.filters, 1, bias=False))
        case layers.BatchNorm():
            return nn.BatchNorm2d(before[2], eps=spec.epsilon, momentum=1 - spec.momentum)
        case layers.Relu():
            return nn.ReLU()
        case layers.Pool():
            size, strides = (spec.size, spec.size), (spec.stride, spec.stride)
            ends = _same(before, size, strides, 1) if spec.padding == "same" else (0, 0, 0, 0)
            if spec.kind == "max":
                around = nn.ConstantPad2d(ends, float("-inf"))
                return nn.Sequential(around, nn.MaxPool2d(spec.size, spec.stride))
            return Averaged(spec.size, spec.stride, ends)
        case layers.GlobalPool():
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case layers.Dense():
            return nn.Linear(before[2], spec.units)
        case layers.Add():
            return Joined(sum)
        case layers.Concat():
            return Joined(lambda inputs: torch.cat(inputs, 1))
        case layers.Shift():
            by = spec.pixels
            return Joined(lambda inputs: nn.functional.pad(inputs[0][:, :, by:, by:], (0, by, 0, by)))
        case _:
            raise UsageError(f"no {type(spec).__name__} in PyTorch here; give another network")


def _same(shape: Sequence[int], size: layers.Pair, strides: layers.Pair, rate: int) -> tuple[int, int, int, int]:
    """Padding before and behind columns, then rows, by which a side becomes its quotient by the stride, rounded up."""
    ends = []
    for side, taps, stride in zip(shape[1::-1], size[::-1], strides[::-1], strict=True):
        total = max(0, (-(-side // stride) - 1) * stride + (taps - 1) * rate + 1 - side)
        ends += [total // 2, total - total // 2]
    return ends[0], ends[1], ends[2], ends[3]


def torch_way(words: Sequence[str], plan: Plan, batch: tuple[np.ndarray, np.ndarray]) -> Way:
    """PyTorch's train step.

    Raises:
        UsageError: it is to be a CUDA graph, without a GPU; or a layer has no form here.
    """
    import torch

    on_gpu = torch.cuda.is_available()
    if "graph" in words and not on_gpu:
        raise UsageError("CUDA graphs need a GPU")
    device = "cuda" if on_gpu else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    network = torch_network(plan).to(device, memory_format=torch.channels_last)
    images = torch.tensor(batch[0].transpose(0, 3, 1, 2), device=device).to(memory_format=torch.channels_last)
    labels = torch.tensor(batch[1], device=device)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9, foreach=True)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=False)
        with torch.autocast(device, torch.bfloat16, enabled="bfloat16" in words):
            loss = torch.nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0, foreach=True)
        optimizer.step()
        return loss

    steady = (lambda: _captured(step)) if "graph" in words else (lambda: step)
    if not on_gpu:
        return Way(step, steady, lambda: None, None)
    numbers = torch.zeros(ADDED, device=device)
    return Way(step, steady, lambda: None, lambda: (numbers + 1)[0])


def _captured(step: Any) -> Any:
    """The step as a CUDA graph."""
    import torch

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()

    def replay() -> Any:
        graph.replay()
        return loss

    return replay
