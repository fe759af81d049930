"""The family of NAS-Bench-101's modules, and the network around them (Ying et al. 2019, section 2.2)."""

from rl_nas.errors import UsageError
from rl_nas.networks.families.family import NORM, SIZES, Arrow, BackboneFamily, Diagram, DiagramNode
from rl_nas.networks.features import Features
from rl_nas.networks.layers import Add, Concat, CropChannels, Pool
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.nasbench101 import ModelSpec


def plan_nasbench101_network(ops: Ops, genotype: ModelSpec, skeleton: Skeleton, steps: int | None) -> Features:
    """Plans a stem, and stacks of modules with a 2x2 max pooling and twice the channels between them.

    Raises:
        UsageError: the benchmark does not contain the graph, its output would have more inputs than
            channels, or the image is too small.
    """
    problem, spec = genotype.problem(), genotype.pruned()
    if problem is not None or spec is None:
        raise UsageError(problem or "NAS-Bench-101 graph without a path from input to output")
    plan, filters, levels = ops.plan, skeleton.filters, {}
    plan.check_halvings(skeleton.reductions)
    with plan.scope("stem"):
        h = _conv_bn_relu(ops, plan.image, filters, 3)
    for stack in range(skeleton.reductions + 1):
        if stack > 0:
            filters *= 2
            h = plan.add(Pool("max", 2, 2), h, name=f"reduction{stack}.pool")
        for number in range(1, skeleton.cells + 1):
            with plan.scope(f"stack{stack + 1}.module{number}"):
                h = _plan_module(ops, spec, h, filters)
        levels[2**stack] = h
    return Features(levels)


def vertex_channels(spec: ModelSpec, channels_in: int, channels_out: int) -> list[int]:
    """Channels of every vertex of a pruned graph.

    The vertices that feed the output share its channels equally, the remainder going to the first ones;
    every other has as many as the largest vertex that it feeds.

    Raises:
        UsageError: there are more such vertices than channels.
    """
    last = len(spec.ops) - 1
    channels = [0] * (last + 1)
    channels[0], channels[last] = channels_in, channels_out
    feeding = [vertex for vertex in spec.sources(last) if vertex > 0]
    if len(feeding) > channels_out:
        raise UsageError(f"{len(feeding)} vertices share {channels_out} channels; give more --filters")
    for rank, vertex in enumerate(feeding):
        width, rest = divmod(channels_out, len(feeding))
        channels[vertex] = width + (rank < rest)
    for vertex in reversed(range(1, last)):
        if not channels[vertex]:
            channels[vertex] = max(channels[target] for target in spec.targets(vertex))
    return channels


def _plan_module(ops: Ops, spec: ModelSpec, h: Tensor, filters: int) -> Tensor:
    last = len(spec.ops) - 1
    channels = vertex_channels(spec, h.channels, filters)
    tensors = {0: h}
    for vertex in range(1, last):
        with ops.plan.scope(f"vertex{vertex}", variant=spec.ops[vertex]):
            terms = []
            for source in spec.sources(vertex):
                if source == 0:
                    with ops.plan.scope("projection"):
                        terms.append(_conv_bn_relu(ops, h, channels[vertex], 1))
                else:
                    terms.append(_truncated(ops, tensors[source], channels[vertex]))
            x = terms[0] if len(terms) == 1 else ops.plan.add(Add(), *terms, name="add")
            tensors[vertex] = _plan_operation(ops, spec.ops[vertex], x)
    joined = [tensors[vertex] for vertex in spec.sources(last) if vertex > 0]
    with ops.plan.scope("output"):
        output = joined[:1] if len(joined) < 2 else [ops.plan.add(Concat(chosen=True), *joined, name="concat")]
        if 0 in spec.sources(last):
            output.append(_conv_bn_relu(ops, h, filters, 1))
        return output[0] if len(output) == 1 else ops.plan.add(Add(), *output, name="add")


def _truncated(ops: Ops, x: Tensor, channels: int) -> Tensor:
    return x if x.channels == channels else ops.plan.add(CropChannels(channels), x, name="truncate")


def _plan_operation(ops: Ops, op: str, x: Tensor) -> Tensor:
    if op == "maxpool3x3":
        return ops.plan.add(Pool("max", 3), x, name="pool")
    return _conv_bn_relu(ops, x, x.channels, 3 if op == "conv3x3-bn-relu" else 1)


def _conv_bn_relu(ops: Ops, x: Tensor, filters: int, kernel: int) -> Tensor:
    return ops.relu(ops.conv_bn(x, filters, (kernel, kernel)))


def _text(genotype: ModelSpec) -> str:
    spec = genotype.pruned() or genotype
    last = len(spec.ops) - 1
    lines = ["NAS-Bench-101 graph" if spec == genotype else "NAS-Bench-101 graph, without its idle vertices"]
    for vertex in range(1, last + 1):
        name = "output" if vertex == last else str(vertex)
        inputs = ", ".join("input" if source == 0 else str(source) for source in spec.sources(vertex))
        lines.append(f"  {name:>6} = {'concat' if vertex == last else spec.ops[vertex]}( {inputs} )")
    return "\n".join([*lines, f"hash {genotype.canonical_key()}"])


def _drawing(genotype: ModelSpec) -> Diagram:
    spec = genotype.pruned() or genotype
    last = len(spec.ops) - 1
    kinds = {0: "input", last: "output"}
    nodes = [DiagramNode(op, kinds.get(vertex, "op")) for vertex, op in enumerate(spec.ops)]
    return Diagram(nodes, [Arrow(source, vertex) for vertex in range(last + 1) for source in spec.sources(vertex)])


NASBENCH101 = BackboneFamily(
    genotype=ModelSpec,
    presets={"nasbench101": Skeleton(cells=3, filters=128, bn_momentum=0.997, l2=1e-4)},
    reads=NORM | SIZES,
    plan=plan_nasbench101_network,
    text=_text,
    drawing=_drawing,
)
