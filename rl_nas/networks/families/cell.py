"""A cell, planned as layers (Zoph et al. 2018, section 3; building rules of its released code)."""

from rl_nas.networks.layers import Add, Concat
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.spaces.cells import CELL_INPUTS, Block, Cell


def plan_cell(ops: Ops, cell: Cell, h: Tensor, h_previous: Tensor | None, filters: int, stride: int) -> Tensor:
    """Plans one cell.

    Args:
        ops: add layers to the plan.
        cell: the cell.
        h: h_i, the output of the previous cell.
        h_previous: h_{i-1}, the output of the cell before it; None before the first cell, which then
            reads h_i twice.
        filters: channels of every state of the cell.
        stride: 1, or 2 for a reduction cell; of the operations on the cell's two inputs.
    """
    states = [_squeeze(ops, h, filters), _match_previous(ops, h, h_previous, filters)]
    for number, block in enumerate(cell.blocks):
        with ops.plan.scope(f"block{number}"):
            states.append(_plan_block(ops, block, states, filters, stride))
    return _concatenate(ops, cell, states, filters)


def _squeeze(ops: Ops, x: Tensor, filters: int) -> Tensor:
    with ops.plan.scope("squeeze"):
        return ops.conv_bn(ops.relu(x), filters)


def _match_previous(ops: Ops, h: Tensor, h_previous: Tensor | None, filters: int) -> Tensor:
    """Brings h_{i-1} to the size of h_i and the cell's filters, if it differs."""
    if h_previous is None:
        return h
    with ops.plan.scope("previous"):
        if h_previous.size != h.size:
            return ops.factorized_reduction(ops.relu(h_previous), filters)
        if h_previous.channels != filters:
            return _squeeze(ops, h_previous, filters)
    return h_previous


def _plan_block(ops: Ops, block: Block, states: list[Tensor], filters: int, stride: int) -> Tensor:
    results = []
    for side, state, op in zip(("left", "right"), block.inputs, block.ops, strict=True):
        with ops.plan.scope(side, variant=state):
            results.append(ops.apply(op, states[state], filters, stride if state < CELL_INPUTS else 1))
    joiner = Add() if block.combine == "add" else Concat()
    return ops.plan.add(joiner, *results, name=block.combine)


def _concatenate(ops: Ops, cell: Cell, states: list[Tensor], filters: int) -> Tensor:
    """Joins the states of the concat list; cell inputs among them are first brought to the output's shape."""
    joined = []
    for state in cell.concat:
        x = states[state]
        with ops.plan.scope(f"concat{state}"):
            if x.size != states[-1].size:
                x = ops.factorized_reduction(x, filters)
            elif state < CELL_INPUTS and x.channels != filters:
                x = ops.conv_bn(x, filters)
        joined.append(x)
    return joined[0] if len(joined) == 1 else ops.plan.add(Concat(chosen=True), *joined, name="concat")
