"""The family of feature pyramid networks (Lin et al. 2017)."""

from collections.abc import Mapping, Sequence

from rl_nas.errors import UsageError
from rl_nas.networks.families.family import Arrow, Diagram, DiagramNode, NeckFamily
from rl_nas.networks.layers import Add, Conv, Resize
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.spaces.nas_fpn import FeaturePyramid

_TEXT = """feature pyramid network
  top     = conv 1x1( coarsest level of the backbone )
  finer   = conv 1x1( level of the backbone ) + upsample( next coarser )
  output  = conv 3x3( each )
  coarser = conv 3x3, stride 2( output before it; its ReLU from the second on )"""


def plan_fpn(
    ops: Ops, genotype: FeaturePyramid, levels: Mapping[int, Tensor], strides: Sequence[int], filters: int, repeats: int
) -> dict[int, Tensor]:
    """Plans a feature pyramid, with coarser levels as those of RetinaNet (Lin et al. 2017, Focal Loss, footnote 2).

    Convolutions have biases and no normalization. Levels that the backbone lacks are convolutions of stride 2, the
    first of them, as in the released code, of the coarsest output instead of the backbone's coarsest feature map.

    Args:
        ops: add layers to the plan.
        genotype: it has no choices.
        levels: stride -> the backbone's feature map.
        strides: of the outputs, from the finest to the coarsest.
        filters: of every level.
        repeats: of the neck; 1.

    Returns:
        Stride -> output.

    Raises:
        UsageError: more than one repeat.
    """
    if repeats > 1:
        raise UsageError(f"--neck_repeats={repeats} has no effect with --neck=FPN; leave it out")
    plan, outputs = ops.plan, dict[int, Tensor]()
    x: Tensor | None = None
    for stride in sorted(levels, reverse=True):
        with plan.scope(f"stride{stride}"):
            lateral = plan.add(Conv(filters, (1, 1), bias=True), levels[stride], name="lateral")
            if x is not None:
                x = plan.add(Resize(lateral.size, method="nearest"), x, name="upsample")
            x = lateral if x is None else plan.add(Add(), lateral, x, name="add")
            outputs[stride] = plan.add(Conv(filters, (3, 3), bias=True), x, name="output")
    for stride in strides:
        if stride not in outputs:
            finer = outputs[stride // 2]
            with plan.scope(f"stride{stride}"):
                if stride // 2 not in levels:
                    finer = ops.relu(finer)
                outputs[stride] = plan.add(Conv(filters, (3, 3), (2, 2), bias=True), finer, name="output")
    return {stride: outputs[stride] for stride in strides}


def _drawing(genotype: FeaturePyramid) -> Diagram:
    """Levels C3 to C5 of a backbone, as in the paper."""
    inputs = [DiagramNode(f"C{level}", "input") for level in (5, 4, 3)]
    nodes = [*inputs, DiagramNode("conv 1x1", "op"), DiagramNode("conv 1x1, + upsampled", "op")]
    nodes += [
        DiagramNode("conv 1x1, + upsampled", "op"),
        *(DiagramNode(f"P{n}: conv 3x3", "output") for n in (5, 4, 3)),
    ]
    arrows = [Arrow(n, n + 3, side=-1) for n in range(3)] + [Arrow(3, 4), Arrow(4, 5)]
    return Diagram(nodes, arrows + [Arrow(n, n + 3, side=1) for n in range(3, 6)])


FPN = NeckFamily(
    genotype=FeaturePyramid, text=lambda genotype: _TEXT, drawing=_drawing, plan=plan_fpn, levels=lambda genotype: None
)
