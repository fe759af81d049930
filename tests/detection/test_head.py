"""Heads of detectors: published counts, shapes, weights shared over levels, the same in Keras and directly."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.network.backbone import PlannedBackbone
from rl_nas.child.network.flat_weights import FlatKerasModel, FlatModel
from rl_nas.child.network.keras_model import build_model
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.errors import UsageError
from rl_nas.networks.features import FeatureMaps
from rl_nas.networks.layers import BatchNorm, SeparableConv
from rl_nas.networks.network import plan_features, plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.nas_fpn_space import nas_fpn
from rl_nas.spaces.nasbench201 import EdgeCell
from rl_nas.spaces.published import ASPP, PUBLISHED
from rl_nas.tasks.detection.head import DetectionHead, grid_size
from rl_nas.tasks.detection.head_settings import DetectionHeadSettings

SKELETON = Skeleton(cells=1, filters=4, reductions=5)
RETINANET = DetectionHeadSettings(
    levels="3-7", neck_filters=256, tower_layers=4, tower_filters=256, tower_separable=False
)
SMALL = DetectionHeadSettings(neck_filters=6, tower_filters=5)
RANDOM = nas_fpn().decode(nas_fpn().sample(np.random.default_rng(3)))

CELL = EdgeCell.from_string("|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|avg_pool_3x3~2|")

RESNET50 = {8: 512, 16: 1024, 32: 2048}
CONVOLUTIONS, NORMALIZATION = 23_454_912, 2 * 26_560
"""Parameters of ResNet-50 without its classifier (He et al. 2016), without biases: weights, scales and offsets."""


def on_resnet(neck: Genotype, settings: DetectionHeadSettings, side: int = 640) -> Plan:
    """The head for 91 classes, with 9 anchors at a place, on the feature maps of ResNet-50."""
    maps = FeatureMaps({s: (-(-side // s), -(-side // s), c) for s, c in RESNET50.items()}, (side, side))
    return plan_network(maps, Skeleton(), (side, side, 3), DetectionHead(91, neck, settings, 9))


class TestPublishedCounts:
    """Of detectors on ResNet-50, whose trainable parameters are counted in."""

    def test_of_retinanet(self) -> None:
        plan = on_resnet(PUBLISHED["FPN"], RETINANET)
        assert plan.cost().trainable + CONVOLUTIONS + NORMALIZATION == 34_088_599
        norms = sum(2 * node.output.channels for node in plan.nodes if isinstance(node.layer, BatchNorm))
        assert plan.cost().trainable - norms + CONVOLUTIONS == 34_014_999  # the paper's 34.0M

    def test_of_nas_fpn(self) -> None:
        """Ghiasi et al. 2019 print 60.3M."""
        plan = on_resnet(PUBLISHED["NAS-FPN"], replace(RETINANET, neck_repeats=7))
        assert plan.cost().trainable + CONVOLUTIONS + NORMALIZATION == 60_078_743

    @pytest.mark.parametrize(("name", "repeats", "billions"), [("FPN", 1, 97.0), ("NAS-FPN", 7, 140.6)])
    def test_multiply_adds_of_640_pixels(self, name: str, repeats: int, billions: float) -> None:
        """ResNet-50 has 4.089 billion at 224 pixels, 2.048 million of them in its classifier."""
        backbone = (4.089 - 0.002) * (640 / 224) ** 2
        head = on_resnet(PUBLISHED[name], replace(RETINANET, neck_repeats=repeats)).cost().madds / 1e9
        assert backbone + head == pytest.approx(billions, rel=0.003)

    def test_anchors_of_640_pixels(self) -> None:
        outputs = on_resnet(PUBLISHED["FPN"], RETINANET).outputs
        anchors = 9 * (80**2 + 40**2 + 20**2 + 10**2 + 5**2)
        assert {name: tensor.shape for name, tensor in outputs.items()} == {
            "scores": (1, anchors, 91),
            "boxes": (1, anchors, 4),
        }


def detector(neck: Genotype, shape: tuple[int, int, int] = (100, 75, 3)) -> Plan:
    return plan_network(PUBLISHED["NASNet-A"], SKELETON, shape, DetectionHead(3, neck, SMALL, 2), 10)


class TestShapes:
    @pytest.mark.parametrize("size", [(100, 75), (33, 40), (64, 64)])
    @pytest.mark.parametrize("neck", ["FPN", "NAS-FPN"])
    def test_anchors_are_those_of_the_grids(self, neck: str, size: tuple[int, int]) -> None:
        strides = (8, 16, 32, 64, 128) if neck == "NAS-FPN" else (8, 16, 32)
        anchors = 2 * sum(int(np.prod(grid_size(size, stride))) for stride in strides)
        outputs = detector(PUBLISHED[neck], (*size, 3)).outputs
        assert outputs["scores"].shape == (1, anchors, 3)
        assert outputs["boxes"].shape == (1, anchors, 4)

    def test_features_of_a_stem_without_padding_are_brought_to_the_grid(self) -> None:
        maps = FeatureMaps({8: (12, 9, 5), 16: (6, 4, 5), 32: (3, 2, 5)}, (100, 75))
        plan = plan_network(maps, Skeleton(), (100, 75, 3), DetectionHead(3, PUBLISHED["FPN"], SMALL, 2))
        assert plan.outputs["scores"].shape == (1, 2 * (13 * 10 + 7 * 5 + 4 * 3), 3)

    def test_a_backbone_without_the_finest_level_is_refused(self) -> None:
        message = "the backbone has features of stride 16, 32; expected stride 8 among them, of the finest level"
        with pytest.raises(UsageError, match=message):
            DetectionHead(3, PUBLISHED["FPN"], SMALL, 2).strides({16: (4, 4, 8), 32: (2, 2, 8)})

    def test_levels_are_the_neck_s_or_the_flag_s(self) -> None:
        def pyramid(neck: Genotype, levels: str | None) -> tuple[int, ...]:
            return DetectionHead(3, neck, replace(SMALL, levels=levels), 2).pyramid

        assert pyramid(PUBLISHED["FPN"], None) == (8, 16, 32)
        assert pyramid(PUBLISHED["FPN"], "2-6") == (4, 8, 16, 32, 64)
        assert pyramid(RANDOM, None) == pyramid(RANDOM, "3-7") == (8, 16, 32, 64, 128)
        with pytest.raises(UsageError, match="--levels=3-5: the neck is for levels 3 to 7; leave it out"):
            pyramid(RANDOM, "3-5")
        for levels in ("", "3", "5-3", "3-13", "3-", "a-b", "-1-3", "3-5-7"):
            with pytest.raises(UsageError, match="expected the finest and the coarsest level, 0 to 12, such as 3-7"):
                DetectionHeadSettings(levels=levels)

    def test_a_genotype_of_another_part_is_refused(self) -> None:
        with pytest.raises(UsageError, match="describes a head; expected a neck"):
            detector(ASPP)


class TestSharedWeights:
    @pytest.mark.parametrize("separable", [False, True])
    def test_towers_have_as_many_parameters_on_any_levels_but_for_normalization(self, separable: bool) -> None:
        def towers(levels: str) -> int:
            settings = replace(SMALL, levels=levels, tower_separable=separable, tower_layers=3)
            nodes = on_resnet(PUBLISHED["FPN"], settings, 128).nodes
            own = [node for node in nodes if node.name.startswith(("classes.", "boxes."))]
            assert separable == any(isinstance(node.layer, SeparableConv) for node in own)
            return sum(
                node.layer.cost(*(t.shape for t in node.inputs)).trainable for node in own if not node.weights_of
            )

        norms = 2 * 3 * 2 * 5  # towers, layers, scale and offset, filters
        assert towers("3-7") - towers("3-4") == 3 * norms

    def test_a_place_is_computed_alike_on_every_level(self) -> None:
        """Ones on two levels, and a neck of identities: equal scores far from the edges, and nearly the prior's."""
        maps = FeatureMaps({8: (14, 14, 6), 16: (7, 7, 6)}, (112, 112))
        head = DetectionHead(3, PUBLISHED["FPN"], replace(SMALL, levels="3-4", tower_filters=6), 2)
        model = PlannedModel(plan_network(maps, Skeleton(), (112, 112, 3), head), seed=1)
        values = {v.path: v.numpy() for v in model.trainable.specs if v.path.startswith("neck.")}
        for path, value in values.items():
            values[path] = np.zeros_like(value)
            if path.endswith("kernel"):
                values[path][value.shape[0] // 2, value.shape[1] // 2] = np.eye(6)
        model.load(values)
        features = {"features_8": tf.zeros((1, 14, 14, 6)), "features_16": tf.ones((1, 7, 7, 6))}
        scores = np.asarray(model.infer(features)["scores"]).reshape(-1, 2, 3)
        fine, coarse = scores[:196].reshape(14, 14, 6), scores[196:].reshape(7, 7, 6)
        np.testing.assert_allclose(fine[6, 6], coarse[3, 3], rtol=1e-4, atol=1e-5)  # ones, upsampled and added
        assert fine.std() > 0
        np.testing.assert_allclose(1 / (1 + np.exp(-scores)), 0.01, rtol=0.5)


def passes(model: FlatModel, images: tf.Tensor) -> tuple[dict[str, np.ndarray], ...]:
    """Outputs of training and of inference, gradients, moving statistics."""
    outputs, pullback, other = model.train_call(model.trainable.vector.value, images)
    directions = {
        name: tf.constant(np.random.default_rng(len(name)).normal(size=value.shape), tf.float32)
        for name, value in outputs.items()
    }
    gradient = pullback(directions)
    inferred = model.call(model.trainable.vector.value, other, images)
    return (
        {name: np.asarray(value) for name, value in outputs.items()},
        {name: np.asarray(value) for name, value in inferred.items()},
        {v.path: np.asarray(value) for v, value in model.trainable.mapping(gradient)},
        {v.path: np.asarray(value) for v, value in model.other.mapping(other)},
    )


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize(("neck", "separable"), [(PUBLISHED["FPN"], True), (RANDOM, False)])
def test_a_detector_computes_and_learns_as_its_keras_model(neck: Genotype, separable: bool, frozen: bool) -> None:
    settings = replace(SMALL, tower_separable=separable, neck_repeats=1 if neck is PUBLISHED["FPN"] else 2)
    head, shape = DetectionHead(3, neck, settings, 2), (50, 41, 3)
    plan = plan_network(CELL, replace(SKELETON, reductions=3), shape, head, 10, frozen_norm=frozen)
    ours, theirs = PlannedModel(plan, seed=1), FlatKerasModel(build_model(plan, seed=1))
    assert theirs.trainable.vector.shape[0] == plan.cost().trainable
    assert theirs.other.vector.shape[0] == plan.cost().other
    images = tf.constant(np.random.default_rng(0).normal(size=(4, *shape)), tf.float32)
    for mine, keras in zip(passes(ours, images), passes(theirs, images), strict=True):
        assert mine.keys() == keras.keys()
        scale = max(np.abs(value).max() for value in keras.values())
        for name, value in keras.items():
            np.testing.assert_allclose(mine[name], value, rtol=0, atol=1e-3 * scale, err_msg=name)


def test_every_weight_learns() -> None:
    """No layer of a neck is dead, and the towers learn from all levels.

    Nothing would reach what is in front of a map of one pixel: the next normalization takes it away.
    """
    maps = FeatureMaps({8: (36, 34, 5), 16: (18, 17, 5), 32: (9, 9, 5)}, (288, 272))
    head = DetectionHead(3, RANDOM, SMALL, 2)
    model = PlannedModel(plan_network(maps, Skeleton(), (288, 272, 3), head, 10), seed=2)
    rng = np.random.default_rng(0)
    features = {name: tf.constant(rng.normal(size=(4, *t.shape)), tf.float32) for name, t in model.plan.inputs.items()}
    outputs, pullback, _ = model.train_call(model.trainable.vector.value, features)
    gradient = pullback({name: tf.constant(rng.normal(size=v.shape), tf.float32) for name, v in outputs.items()})
    for variable, value in model.trainable.mapping(gradient):
        # A bias in front of a normalization has no effect.
        assert np.any(np.abs(value) > 1e-6) or variable.path.endswith("bias"), variable.path


@pytest.mark.parametrize("neck", [PUBLISHED["FPN"], RANDOM])
def test_features_and_image_lead_to_the_same_outputs(neck: Genotype) -> None:
    shape = (41, 34, 3)
    head = DetectionHead(3, neck, SMALL, 2)
    whole = PlannedModel(plan_network(PUBLISHED["NASNet-A"], SKELETON, shape, head), seed=3)
    weights = {
        v.path: np.asarray(part)
        for pack in (whole.trainable, whole.other)
        for v, part in pack.mapping(pack.vector.value)
    }
    backbone = PlannedBackbone(plan_features(PUBLISHED["NASNet-A"], SKELETON, shape, head), weights)
    assert [*backbone.maps.shapes] == [8, 16, 32]
    from_maps = PlannedModel(plan_network(backbone.maps, SKELETON, shape, head))
    from_maps.load(weights)
    assert all(v.path.startswith(head.layers) for v in from_maps.weights)
    images = tf.constant(np.random.default_rng(0).normal(size=(2, *shape)), tf.float32)
    expected, found = whole.infer(images), from_maps.infer(backbone(images))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-4 * np.abs(value).max())
    assert backbone.cost + from_maps.plan.cost() == whole.plan.cost()
