"""The network of a chain of convolutions (Zoph and Le 2017, section 3)."""

from rl_nas.networks.layers import BatchNorm, Concat, Dense, GlobalPool, Pad
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Plan, Tensor
from rl_nas.networks.settings import Skeleton
from rl_nas.spaces.chain import ChainGenotype


def plan_chain_network(plan: Plan, genotype: ChainGenotype, skeleton: Skeleton, classes: int) -> None:
    """Plans the layers (convolution, normalisation, ReLU), then a global average pooling and the classifier.

    Where a layer reads states of different sizes, the smaller ones are padded with zeros (section 3.3). The
    paper does not say what stands between the last layer and the softmax; pooling is ours.
    """
    ops = Ops(plan, BatchNorm(skeleton.bn_momentum, skeleton.bn_epsilon))
    states = [plan.image]
    for number, layer in enumerate(genotype.layers, start=1):
        with plan.scope(f"layer{number}"):
            x = _joined(plan, [states[state] for state in layer.inputs])
            states.append(ops.relu(ops.conv_bn(x, layer.filters, layer.kernel, layer.strides)))
    with plan.scope("head"):
        h = _joined(plan, [states[state] for state in genotype.outputs])
        plan.add(Dense(classes), plan.add(GlobalPool(), h, name="pool"), name="logits")


def _joined(plan: Plan, tensors: list[Tensor]) -> Tensor:
    if len(tensors) == 1:
        return tensors[0]
    height, width = max(t.size[0] for t in tensors), max(t.size[1] for t in tensors)
    padded = []
    for t in tensors:
        missing = Pad(0, height - t.size[0], 0, width - t.size[1])
        padded.append(t if t.size == (height, width) else plan.add(missing, t, name="pad"))
    return plan.add(Concat(), *padded, name="concat")
