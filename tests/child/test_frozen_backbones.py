"""Backbones that searches do not train, or not wholly, though children read images."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from classifying import device_data, image_data

from rl_nas.child.data.feature_data import ComputedFeatures
from rl_nas.child.data.settings import AugmentSettings, DataSettings, FeatureCacheSettings
from rl_nas.child.network.backbone import PlannedBackbone
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.child.training.transfer import freeze, rate_factors
from rl_nas.errors import UsageError
from rl_nas.networks.layers import Add, BatchNorm, Conv, Relu
from rl_nas.networks.network import plan_features, plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.nasbench201 import EdgeCell
from rl_nas.spaces.published import ASPP, PUBLISHED
from rl_nas.tasks.classification.head import ClassificationHead
from rl_nas.tasks.classification.task import Classification
from rl_nas.tasks.detection.task import Detection
from rl_nas.tasks.segmentation.head import SegmentationHead
from rl_nas.tasks.segmentation.head_settings import SegmentationHeadSettings
from rl_nas.tasks.segmentation.task import Segmentation

GENOTYPE = EdgeCell.from_string(
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|avg_pool_3x3~2|"
)
SKELETON = Skeleton(cells=1, filters=4, reductions=2)
HEAD = SegmentationHead(3, ASPP, SegmentationHeadSettings(output_stride=4, head_filters=8))


def test_frozen_normalization_is_that_of_the_backbone_alone() -> None:
    plan, trained = (
        plan_network(GENOTYPE, SKELETON, (16, 16, 1), HEAD, 10, frozen_norm=frozen) for frozen in (True, False)
    )
    norms = {node.name: node.layer.frozen for node in plan.nodes if isinstance(node.layer, BatchNorm)}
    assert {*norms.values()} == {True, False}
    for name, frozen in norms.items():
        assert frozen == (not name.startswith(HEAD.layers))
    paths = [{weight.path for weight in PlannedModel(one).weights} for one in (plan, trained)]
    assert paths[0] == paths[1]


def test_features_of_a_batch_are_those_of_its_images_as_they_are_augmented(tmp_path: object) -> None:
    images = device_data(image_data(DataSettings("digits", data_dir=str(tmp_path), train_images=50)))
    backbone = PlannedBackbone(plan_features(GENOTYPE, SKELETON, (8, 8, 1), HEAD), {})
    data = ComputedFeatures(backbone, images)
    augmentation, seed = AugmentSettings(crop_margin=2, flip=True), np.array([3, 4])
    read = data.read(np.arange(10), seed)
    pixels, _ = images.batch(read, tf.constant(seed), augmentation)
    batch = tf.function(lambda: data.batch(read, tf.constant(seed), augmentation))
    features, targets = batch()
    assert features.keys() == backbone.maps.plan().inputs.keys()
    assert targets.shape == (10,)
    for found, expected in (
        (features, backbone(pixels)),
        (data.first(5)[0], backbone(images.first(5)[0])),
        (data.held_out(2, 9)[0], backbone(images.held_out(2, 9)[0])),
    ):
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5)


def test_freezing_what_is_frozen_anyway_is_refused() -> None:
    with pytest.raises(UsageError, match="--freeze=norm has no effect on features that are computed once"):
        FeatureCacheSettings(freeze="norm")
    with pytest.raises(UsageError, match="--feature_dir=here has no effect with --feature_cache=no"):
        FeatureCacheSettings(feature_cache="no", feature_dir="here")


@pytest.mark.parametrize("trained", [False, True])
def test_what_stays_unless_flags_say_otherwise(trained: bool) -> None:
    """Detectors are trained with few images a batch."""
    flags = ["none", "norm", "backbone"]
    for task in (Classification(), Segmentation(), Detection()):
        assert [task.freeze(flag, trained=trained) for flag in flags] == flags
        assert task.freeze("auto", trained=trained) == ("norm" if trained and task.name == "detection" else "none")


def test_flags_of_earlier_runs_that_freeze_nothing_are_none() -> None:
    assert FeatureCacheSettings(freeze="none").asked == ""
    assert FeatureCacheSettings(freeze="norm", feature_cache="no").asked == "--feature_cache=no --freeze=norm"


@pytest.mark.parametrize(("output_stride", "decoder_stride"), [(8, 4), (4, 0), (4, 2)])
def test_a_trained_classifier_is_a_backbone_wherever_it_is_cut(output_stride: int, decoder_stride: int) -> None:
    """Its last normalization belongs to its last output; classifiers of fewer stages show what finer levels are."""
    settings = SegmentationHeadSettings(output_stride=output_stride, decoder_stride=decoder_stride)
    whole, rng, shape = replace(SKELETON, reductions=3), np.random.default_rng(2), (16, 24, 3)
    trained = PlannedModel(plan_network(GENOTYPE, whole, shape, ClassificationHead(5)))
    weights = {w.path: rng.uniform(0.1, 0.5, tuple(w.shape)).astype(np.float32) for w in trained.weights}
    plan = plan_features(GENOTYPE, whole, shape, SegmentationHead(3, ASPP, settings))
    backbone = PlannedBackbone(plan, weights, source="a classifier")
    assert [*backbone.maps.shapes] == sorted({output_stride, decoder_stride} - {0})
    images = rng.normal(size=(2, *shape)).astype(np.float32)
    for stride in backbone.maps.shapes:
        stages = PlannedModel(
            plan_network(GENOTYPE, replace(whole, reductions=stride.bit_length() - 1), shape, ClassificationHead(5))
        )
        neutral = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1 - whole.bn_epsilon}
        channels = backbone.maps.shapes[stride][2]
        norm = {f"head.bn/{name}": np.full(channels, value, np.float32) for name, value in neutral.items()}
        kernel = rng.normal(size=(channels, 5)).astype(np.float32)
        stages.load(weights | ({} if stride == 8 else norm) | {"head.logits/kernel": kernel})
        pooled = tf.reduce_mean(backbone(images)[f"features_{stride}"], [1, 2])
        np.testing.assert_allclose(stages.infer(images)["logits"], pooled @ kernel + weights["head.logits/bias"], 1e-4)


@pytest.mark.parametrize("genotype", [GENOTYPE, PUBLISHED["NASNet-A"]])
@pytest.mark.parametrize("output_stride", [4, 8])
def test_all_layers_are_the_backbones_or_the_heads(genotype: Genotype, output_stride: int) -> None:
    """Those that a cut backbone has are those that trainings freeze or slow down as such."""
    head = SegmentationHead(3, ASPP, SegmentationHeadSettings(output_stride=output_stride, decoder_stride=2))
    skeleton, shape = replace(SKELETON, reductions=3), (16, 16, 3)

    def network(what: str) -> PlannedModel:
        return PlannedModel(freeze(plan_network(genotype, skeleton, shape, head, 10), what, head))

    of_backbone = {weight.path for weight in PlannedModel(plan_features(genotype, skeleton, shape, head)).weights}
    factors, variables = rate_factors(network("none"), 0.5, head), network("none").trainable.specs
    assert factors is not None
    sizes = [int(np.prod(v.shape)) for v in variables]
    assert (np.repeat([v.path in of_backbone for v in variables], sizes) == (factors == 0.5)).all()
    norms = {v.path for v in variables if v.path.endswith(("gamma", "beta"))}
    everything = {v.path for v in variables}
    assert {v.path for v in network("norm").trainable.specs} == everything - (norms & of_backbone)
    assert {v.path for v in network("backbone").trainable.specs} == everything - of_backbone


def test_backbones_of_other_wiring_or_outputs_have_other_fingerprints() -> None:
    """Their layers and weights are the same."""

    def wired(*, crossed: bool = False, swapped: bool = False) -> str:
        plan = Plan.of_image((8, 8, 1))
        first, second = (plan.add(Conv(2, (1, 1)), plan.image, name=name) for name in ("first", "second"))
        third = plan.add(Relu(), second if crossed else first, name="third")
        last = plan.add(Add(), second, third, name="last")
        plan.outputs = {"features_1": third if swapped else last, "features_2": last if swapped else third}
        return PlannedBackbone(plan, {}).fingerprint()

    assert wired() == wired()
    assert len({wired(), wired(crossed=True), wired(swapped=True)}) == 3
