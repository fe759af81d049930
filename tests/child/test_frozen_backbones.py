"""Backbones that searches do not train, or not wholly, though children read images."""

import numpy as np
import pytest
import tensorflow as tf
from classifying import device_data, image_data

from rl_nas.child.data.feature_data import ComputedFeatures
from rl_nas.child.data.settings import AugmentSettings, DataSettings, FeatureCacheSettings
from rl_nas.child.network.backbone import PlannedBackbone
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.errors import UsageError
from rl_nas.networks.layers import BatchNorm
from rl_nas.networks.network import plan_features, plan_network
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.nasbench201 import EdgeCell
from rl_nas.spaces.published import ASPP
from rl_nas.tasks.segmentation.head import SegmentationHead
from rl_nas.tasks.segmentation.head_settings import SegmentationHeadSettings

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
    images = device_data(image_data(DataSettings(data_dir=str(tmp_path), train_images=50)))
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
