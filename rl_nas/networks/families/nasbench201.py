"""The family of NAS-Bench-201's cells, and the network around them (Dong and Yang 2020, section 2.1)."""

from rl_nas.networks.families.family import NORM, SIZES, Arrow, BackboneFamily, Diagram, DiagramNode
from rl_nas.networks.features import Features
from rl_nas.networks.layers import Add, Conv, Pool, Zero
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.nasbench201 import EdgeCell


def plan_nasbench201_network(ops: Ops, genotype: EdgeCell, skeleton: Skeleton, steps: int | None) -> Features:
    """Plans a stem, and stages of cells with a residual block of stride 2 between them.

    Every operation is planned, even if only `none` follows: the benchmark counts its parameters. The last output is
    normalized before the ReLU; there is no such normalization for finer levels, which get the ReLU alone.

    Raises:
        UsageError: the image is too small for the reductions.
    """
    plan, filters, levels = ops.plan, skeleton.filters, {}
    plan.check_halvings(skeleton.reductions)
    with plan.scope("stem"):
        h = ops.conv_bn(plan.image, filters, (3, 3))
    for stage in range(skeleton.reductions + 1):
        if stage > 0:
            filters *= 2
            with plan.scope(f"reduction{stage}"):
                h = _plan_residual(ops, h, filters)
        for number in range(1, skeleton.cells + 1):
            with plan.scope(f"stage{stage + 1}.cell{number}"):
                h = _plan_cell(ops, genotype, h, filters)
        levels[2**stage] = h
    return Features(levels, ops.relu, finish_last=lambda x: ops.relu(plan.add(ops.norm, x, name="bn")))


def _plan_cell(ops: Ops, genotype: EdgeCell, h: Tensor, filters: int) -> Tensor:
    nodes = [h]
    for node in (1, 2, 3):
        terms = []
        for source, op in genotype.entering(node):
            with ops.plan.scope(f"{source}-{node}.{op}"):
                terms.append(_plan_operation(ops, op, nodes[source], filters))
        nodes.append(terms[0] if len(terms) == 1 else ops.plan.add(Add(), *terms, name=f"node{node}"))
    return nodes[-1]


def _plan_operation(ops: Ops, op: str, x: Tensor, filters: int) -> Tensor:
    match op:
        case "none":
            return ops.plan.add(Zero(), x, name="zero")
        case "skip_connect":
            return x
        case "avg_pool_3x3":
            return ops.plan.add(Pool("avg", 3), x, name="pool")
        case _:
            kernel = (1, 1) if op == "nor_conv_1x1" else (3, 3)
            return ops.conv_bn(ops.relu(x), filters, kernel)


def _plan_residual(ops: Ops, x: Tensor, filters: int) -> Tensor:
    """Two 3x3 convolutions, the first with stride 2, beside an average pooling and a 1x1 convolution."""
    with ops.plan.scope("long"):
        long = ops.conv_bn(ops.relu(x), filters, (3, 3), (2, 2))
        long = ops.conv_bn(ops.relu(long), filters, (3, 3))
    with ops.plan.scope("short"):
        short = ops.plan.add(Conv(filters, (1, 1)), ops.plan.add(Pool("avg", 2, 2), x, name="pool"), name="conv")
    return ops.plan.add(Add(), long, short, name="add")


def _text(genotype: EdgeCell) -> str:
    names = ("input", "1", "2", "output")
    lines = ["NAS-Bench-201 cell", f"  {genotype}"]
    for node in (1, 2, 3):
        terms = " + ".join(f"{op}({names[source]})" for source, op in genotype.entering(node))
        lines.append(f"  {names[node]:>6} = {terms}")
    return "\n".join(lines)


def _drawing(genotype: EdgeCell) -> Diagram:
    nodes = [
        DiagramNode("input", "input"),
        DiagramNode("1", "op"),
        DiagramNode("2", "op"),
        DiagramNode("output", "output"),
    ]
    arrows = [Arrow(source, node, op) for node in (1, 2, 3) for source, op in genotype.entering(node)]
    return Diagram(nodes, [arrow for arrow in arrows if arrow.text != "none"])


NASBENCH201 = BackboneFamily(
    genotype=EdgeCell,
    presets={"nasbench201": Skeleton(cells=5, filters=16, l2=5e-4)},
    reads=NORM | SIZES,
    plan=plan_nasbench201_network,
    text=_text,
    drawing=_drawing,
    from_text=lambda text: EdgeCell.from_string(text) if text.startswith("|") else None,
)
