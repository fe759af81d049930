"""The family of chains of convolutions (Zoph and Le 2017, section 3)."""

from rl_nas.networks.families.family import NORM, Arrow, BackboneFamily, Diagram, DiagramNode
from rl_nas.networks.features import Features
from rl_nas.networks.layers import Concat, Pad
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Plan, Tensor
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.chain import ChainGenotype


def plan_chain_network(ops: Ops, genotype: ChainGenotype, skeleton: Skeleton, steps: int | None) -> Features:
    """Plans the layers (convolution, normalization, ReLU); concatenates those that none reads as the only features.

    If a layer reads states of different sizes, the smaller ones are padded with zeros (section 3.3).
    """
    plan = ops.plan
    states = [plan.image]
    for number, layer in enumerate(genotype.layers, start=1):
        with plan.scope(f"layer{number}"):
            x = _joined(plan, [states[state] for state in layer.inputs])
            states.append(ops.relu(ops.conv_bn(x, layer.filters, layer.kernel, layer.strides)))
    with plan.scope("head"):
        h = _joined(plan, [states[state] for state in genotype.outputs])
    return Features({max(1, round(plan.image.size[0] / h.size[0])): h})


def _joined(plan: Plan, tensors: list[Tensor]) -> Tensor:
    if len(tensors) == 1:
        return tensors[0]
    height, width = max(t.size[0] for t in tensors), max(t.size[1] for t in tensors)
    padded = []
    for t in tensors:
        missing = Pad(0, height - t.size[0], 0, width - t.size[1])
        padded.append(t if t.size == (height, width) else plan.add(missing, t, name="pad"))
    return plan.add(Concat(), *padded, name="concat")


def _text(genotype: ChainGenotype) -> str:
    lines = ["chain of convolutions"]
    for number, layer in enumerate(genotype.layers, start=1):
        (height, width), (down, right) = layer.kernel, layer.strides
        strides = "" if (down, right) == (1, 1) else f", strides {down}x{right}"
        inputs = ", ".join("image" if state == 0 else str(state) for state in layer.inputs)
        lines.append(f"  {number:>6} = conv {height}x{width}, {layer.filters} filters{strides} ( {inputs} )")
    outputs = ", ".join("image" if state == 0 else str(state) for state in genotype.outputs)
    return "\n".join([*lines, f"  output = concat( {outputs} )"])


def _drawing(genotype: ChainGenotype) -> Diagram:
    nodes, arrows = [DiagramNode("image", "input")], []
    for number, layer in enumerate(genotype.layers, start=1):
        strides = "" if layer.strides == (1, 1) else f" /{layer.strides[0]}x{layer.strides[1]}"
        nodes.append(DiagramNode(f"{number}: {layer.kernel[0]}x{layer.kernel[1]}, {layer.filters}{strides}", "op"))
        arrows += [Arrow(state, number) for state in layer.inputs]
    nodes.append(DiagramNode("concat", "output"))
    return Diagram(nodes, arrows + [Arrow(state, len(nodes) - 1) for state in genotype.outputs])


CHAIN = BackboneFamily(
    genotype=ChainGenotype,
    presets={"nas_rl": Skeleton(l2=1e-4)},  # Zoph and Le 2017, section 4.1
    reads=NORM,
    plan=plan_chain_network,
    text=_text,
    drawing=_drawing,
    one_shot=False,
    dilates=False,
)
