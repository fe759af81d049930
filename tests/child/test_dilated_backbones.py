"""Dilated backbones compute what their strided networks do, at more places."""

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.network.backbone import check_weights
from rl_nas.child.network.keras_model import build_model
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.errors import UsageError
from rl_nas.networks.dilation import dilate
from rl_nas.networks.families.catalog import backbone_family
from rl_nas.networks.features import Features
from rl_nas.networks.layer import Shape
from rl_nas.networks.layers import BatchNorm, Conv, Pool
from rl_nas.networks.network import plan_features, plan_network
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Plan
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.nasbench101 import nasbench101
from rl_nas.spaces.nasbench201 import EdgeCell, nasbench201
from rl_nas.spaces.nasnet import nasnet
from rl_nas.spaces.operations import OPERATIONS
from rl_nas.spaces.published import ASPP
from rl_nas.tasks.segmentation.head import SegmentationHead
from rl_nas.tasks.segmentation.head_settings import SegmentationHeadSettings
from rl_nas.tasks.segmentation.task import Segmentation

CONVOLUTIONS = tuple(name for name in OPERATIONS if "pool" not in name)
SKELETON = Skeleton(cells=1, filters=4, reductions=3)
CONV_EDGES = EdgeCell.from_string(
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|nor_conv_3x3~2|"
)


def backbone(genotype: Genotype, shape: Shape, max_stride: int | None, skeleton: Skeleton = SKELETON) -> Plan:
    """Its coarsest features at `out`, dilated or not."""
    plan = Plan.of_image(shape)
    ops = Ops(plan, BatchNorm(0.9, 1e-5))
    features = backbone_family(genotype).plan(ops, genotype, skeleton, None)
    if max_stride is not None:
        features = dilate(plan, features, max_stride)
        assert max(features.levels) == max_stride
    plan.outputs["out"] = features.coarsest
    plan.prune()
    return plan


def features_of(plan: Plan, images: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    model = PlannedModel(plan)
    check_weights(model, weights, "the strided network")
    model.load(weights)
    return np.asarray(model.infer(tf.constant(images))["out"])


def random_weights(plan: Plan, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Of every layer, averages included."""
    made = {}
    for parameter in PlannedModel(plan).weights:
        value = rng.normal(size=parameter.shape)
        made[parameter.path] = (np.exp(value / 3) if parameter.path.endswith("variance") else value).astype(np.float32)
    return made


def genotypes() -> list[Genotype]:
    space = nasnet(2, CONVOLUTIONS)
    cells = [space.decode(space.sample(np.random.default_rng(seed))) for seed in range(6)]
    one_reduction = nasnet(2, ("conv_3x3", "sep_5x5", "identity"))
    return [*cells, one_reduction.decode(one_reduction.sample(np.random.default_rng(0)))]


@pytest.mark.parametrize("max_stride", [1, 2, 4])
@pytest.mark.parametrize("shape", [(16, 24, 3), (19, 26, 3), (33, 17, 3)], ids=str)
def test_convolutions_give_the_strided_networks_features_where_it_has_any(max_stride: int, shape: Shape) -> None:
    """Everywhere, at borders too, whether sides can be halved evenly or not."""
    rng = np.random.default_rng(max_stride)
    for genotype in genotypes()[:3] if max_stride == 2 else genotypes()[3:]:
        strided, dilated = backbone(genotype, shape, None), backbone(genotype, shape, max_stride)
        weights = random_weights(strided, rng)
        images = rng.normal(size=(2, *shape)).astype(np.float32)
        expected, found = (features_of(plan, images, weights) for plan in (strided, dilated))
        step = 8 // max_stride
        assert found.shape[1:3] == tuple(-(-side // max_stride) for side in shape[:2])
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found[:, ::step, ::step] / scale, expected / scale, atol=2e-5)


def test_networks_of_nas_bench_201_do_so_too_where_one_reduction_is_removed() -> None:
    """Its residual blocks pool two by two, which ends there; a later one would have to be dilated."""
    rng, shape = np.random.default_rng(0), (16, 24, 3)
    strided, dilated = backbone(CONV_EDGES, shape, None), backbone(CONV_EDGES, shape, 4)
    weights = random_weights(strided, rng)
    images = rng.normal(size=(2, *shape)).astype(np.float32)
    expected, found = (features_of(plan, images, weights) for plan in (strided, dilated))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found[:, ::2, ::2] / scale, expected / scale, atol=2e-5)


def test_weights_and_their_number_are_those_of_the_strided_network() -> None:
    """Whatever the operations, pools among them, and the family."""
    for space in (nasnet(3), nasbench201(), nasbench101()):
        rng, counted = np.random.default_rng(0), 0
        while counted < 4:
            genotype = space.decode(space.sample(rng))
            try:
                strided = backbone(genotype, (16, 24, 3), None, Skeleton(cells=1, filters=8, reductions=3))
            except UsageError:  # NAS-Bench-101 holds invalid ones
                continue
            counted += 1
            dilated = backbone(genotype, (16, 24, 3), 2, Skeleton(cells=1, filters=8, reductions=3))
            weights = [
                {parameter.path: tuple(parameter.shape) for parameter in PlannedModel(plan).weights}
                for plan in (strided, dilated)
            ]
            assert weights[0] == weights[1]
            assert dilated.cost().trainable == strided.cost().trainable
            assert dilated.outputs["out"].shape[:2] == (8, 12)
            assert dilated.outputs["out"].channels == strided.outputs["out"].channels


def test_a_dilated_network_computes_as_its_keras_model() -> None:
    (genotype, *_) = genotypes()
    plan = backbone(genotype, (12, 16, 3), 2)
    images = np.random.default_rng(0).normal(size=(2, 12, 16, 3)).astype(np.float32)
    model = build_model(plan, seed=3)
    ours = PlannedModel(plan, seed=3)
    np.testing.assert_allclose(
        np.asarray(ours.infer(tf.constant(images))["out"]), np.asarray(model(images)["out"]), rtol=1e-3, atol=1e-3
    )


def head(output_stride: int, dilated: bool = True) -> SegmentationHead:
    return SegmentationHead(3, ASPP, SegmentationHeadSettings(output_stride=output_stride, dilated=dilated))


def test_of_stages_with_one_stride_the_head_reads_the_last() -> None:
    (genotype, *_) = genotypes()
    whole, cut = (plan_features(genotype, SKELETON, (24, 32, 3), head(4, dilated)) for dilated in (True, False))
    assert whole.outputs.keys() == cut.outputs.keys() == {"features_4"}
    assert whole.outputs["features_4"].size == cut.outputs["features_4"].size == (6, 8)
    assert whole.outputs["features_4"].channels == 2 * cut.outputs["features_4"].channels
    network = plan_network(genotype, SKELETON, (24, 32, 3), head(4))
    assert network.outputs["logits"].shape == (24, 32, 3)
    names = [node.name for node in network.nodes]
    assert any(name.startswith("stage4.") for name in names)
    assert len(set(names)) == len(names)


def test_what_has_no_dilated_form_is_refused() -> None:
    chain = nas_rl()
    genotype = chain.decode(chain.sample(np.random.default_rng(0)))
    with pytest.raises(UsageError, match="--dilated: networks of chain have no dilated form; leave it out"):
        plan_network(genotype, Skeleton(), (32, 32, 3), head(4))
    plan = Plan.of_image((8, 8, 3))
    conv = plan.add(Conv(2, (3, 3), (2, 2)), plan.image, name="conv")
    pool = plan.add(Pool("max", 2, 2, "valid"), conv, name="pool")
    with pytest.raises(UsageError, match=r"--dilated: layer pool \(Pool\) has no dilated form"):
        dilate(plan, Features({2: conv, 4: pool}), 2)
    with pytest.raises(UsageError, match="--dilated needs --output_stride"):
        SegmentationHeadSettings(dilated=True)


@pytest.mark.parametrize("output_stride", [4, 8])
def test_dilation_that_changes_nothing_is_refused(output_stride: int) -> None:
    task = Segmentation()
    problem = task.problem(["a", "b"], {"dilated": True, "output_stride": output_stride})
    assert task.on_backbone(problem, [1, 2, 4, 8, 16]) == problem
    with pytest.raises(UsageError, match=f"--dilated has no effect with --output_stride={output_stride}"):
        task.on_backbone(problem, [1, 2, 4])
