"""Segmentation networks: backbone, head and decoder in one plan, the same from images and from features."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.network.backbone import PlannedBackbone
from rl_nas.child.network.keras_model import build_model
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import BACKBONES
from rl_nas.networks.families.family import BACKBONE
from rl_nas.networks.features import FeatureMaps
from rl_nas.networks.genotypes import to_json
from rl_nas.networks.layer import Shape
from rl_nas.networks.network import plan_features
from rl_nas.networks.settings import NetworkSettings
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.dpc import Branch, DenseOperation, DensePredictionCell
from rl_nas.spaces.dpc_space import dpc
from rl_nas.spaces.published import PUBLISHED
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.store.training_folder import TrainingFolder
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.segmentation.head_settings import SegmentationHeadSettings
from rl_nas.tasks.segmentation.task import Segmentation
from rl_nas.workflows.networks import find_backbone, make_networks

SETTINGS = NetworkSettings()
TASK, CLASSES = Segmentation(), ("ground", "disc", "ring")
SMALL = {**NetworkSettings(cells=1, filters=4, reductions=3).flags(), "head_filters": 6, "decoder_filters": 4}
CELL = dpc(3).decode(dpc(3).sample(np.random.default_rng(5)))


def networks(genotype: Genotype, shape: Shape, **flags: object) -> Networks:
    values = {"backbone": None, "head": None, **SMALL, **flags}
    made, _ = make_networks(TASK, TASK.problem(CLASSES, values), genotype, "--genotype=it", values, shape)
    return made


@pytest.mark.parametrize("shape", [(16, 24, 3), (18, 21, 3), (9, 30, 1)])
@pytest.mark.parametrize("decoder_stride", [0, 2, None])
def test_logits_have_the_size_of_the_image(shape: Shape, decoder_stride: int | None) -> None:
    """Sides that are no multiple of the stride are padded inside of the network."""
    made = networks(
        CELL,
        shape,
        backbone="NASNet-A",
        decoder_stride=decoder_stride,
        decoder_filters=48 if decoder_stride == 0 else 4,
    )
    plan = made.plan(CELL)
    assert plan.outputs["logits"].shape == (*shape[:2], len(CLASSES))
    assert plan.inputs["image"].shape == shape
    scopes = {node.name.partition(".")[0] for node in plan.nodes}
    assert ("decoder" in scopes, any("low_level" in node.name for node in plan.nodes)) == (True, decoder_stride != 0)


@pytest.mark.parametrize("name", ["NASNet-A", "AmoebaNet-A", "PNASNet-5"])
def test_features_and_image_lead_to_the_same_logits(name: str) -> None:
    """A child that reads the features of a frozen backbone is a part of the network that reads the image."""
    shape = (18, 21, 3)
    made = networks(CELL, shape, backbone=name)
    whole = PlannedModel(made.plan(CELL), seed=3)
    weights = {v.path: np.asarray(part) for v, part in whole.trainable.mapping(whole.trainable.vector.value)}
    weights |= {v.path: np.asarray(part) for v, part in whole.other.mapping(whole.other.vector.value)}
    backbone = PlannedBackbone(plan_features(PUBLISHED[name], made.skeleton(CELL), shape, made.head(CELL)), weights)
    head = PlannedModel(Networks(TASK, made.problem, made.skeleton(CELL), shape, backbone.maps).plan(CELL))
    head.load(weights)
    images = tf.constant(np.random.default_rng(0).normal(size=(2, *shape)), tf.float32)
    from_features = np.asarray(head.infer(backbone(images))["logits"])
    from_image = np.asarray(whole.infer(images)["logits"])
    np.testing.assert_allclose(from_features, from_image, rtol=1e-4, atol=1e-4 * np.abs(from_image).max())
    total = whole.plan.cost()
    assert backbone.cost + head.plan.cost() == total


def test_the_network_is_that_of_keras() -> None:
    plan = networks(CELL, (18, 21, 3), backbone="NASNet-A").plan(CELL, 10)
    ours, keras = PlannedModel(plan, seed=1), build_model(plan, seed=1)
    assert sum(int(np.prod(v.shape)) for v in keras.trainable_variables) == plan.cost().trainable
    images = tf.constant(np.random.default_rng(0).normal(size=(2, 18, 21, 3)), tf.float32)
    np.testing.assert_allclose(ours.infer(images)["logits"], keras(images)["logits"], rtol=1e-4, atol=1e-4)


def test_padding_does_not_matter_to_what_is_far_away() -> None:
    """The padded part is cut off again: a padded image gives the logits of the larger image with zeros there."""
    small, large = (networks(CELL, shape, backbone="NASNet-A") for shape in ((18, 21, 3), (24, 24, 3)))
    first, second = (PlannedModel(made.plan(CELL), seed=2) for made in (small, large))
    second.trainable.vector.assign(first.trainable.vector.value)
    image = np.random.default_rng(0).normal(size=(1, 18, 21, 3)).astype(np.float32)
    padded = np.pad(image, ((0, 0), (0, 6), (0, 3), (0, 0)))
    found = np.asarray(second.infer(tf.constant(padded))["logits"])[:, :18, :21]
    np.testing.assert_allclose(found, first.infer(tf.constant(image))["logits"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["nasnet", "amoebanet", "nasbench101", "nasbench201"])
def test_backbones_are_searched_under_a_fixed_head(name: str) -> None:
    space = find_space(SpaceSettings(space=name, blocks=2))
    genotype = space.decode(space.sample(np.random.default_rng(0)))
    assert BACKBONES[genotype.KIND].part == BACKBONE
    made = networks(genotype, (32, 32, 3), head="DPC-top1")
    assert made.problem.parts == {"head": PUBLISHED["DPC-top1"]}
    assert any("atrous_18x15" in node.name for node in made.plan(genotype).nodes)


def test_cells_that_compute_the_same_on_a_map_share_a_key() -> None:
    """Rates beyond the map differ in the genotype, not in the child."""
    space = dpc(1)
    far = [space.decode(space.encode(cell)) for cell in map(one_branch, ((12, 12), (21, 18)))]
    made = networks(far[0], (64, 64, 3), backbone="NASNet-A")
    assert far[0].canonical_key() != far[1].canonical_key()
    assert made.key(far[0]) == made.key(far[1])
    wide = networks(far[0], (256, 256, 3), backbone="NASNet-A")
    assert wide.key(far[0]) != wide.key(far[1])


def test_images_smaller_than_the_stride_are_refused() -> None:
    made = networks(CELL, (7, 40, 3), backbone="NASNet-A", reductions=2, output_stride=4, decoder_stride=2)
    assert made.plan(CELL).outputs["logits"].shape == (7, 40, 3)
    with pytest.raises(UsageError, match="images of 7x40 pixels are too small for 3 reductions"):
        networks(CELL, (7, 40, 3), backbone="NASNet-A", reductions=3, output_stride=8)
    foreign = replace(made, backbone=FeatureMaps({8: (1, 5, 16)}, (7, 40)))
    foreign = replace(foreign, problem=made.problem.changed(SegmentationHeadSettings, output_stride=8))
    with pytest.raises(UsageError, match="images of 7x40 pixels are smaller than the output stride, 8"):
        foreign.plan(CELL)


def one_branch(rates: tuple[int, int]) -> Genotype:
    return DensePredictionCell((Branch(-1, DenseOperation("atrous_3x3", *rates)),))


@pytest.mark.parametrize(
    ("genotype", "flags", "message"),
    [
        (CELL, {}, "--backbone is missing; every segmentation network needs one"),
        (CELL, {"backbone": "ASPP"}, "--backbone=ASPP describes a head; expected a backbone"),
        (CELL, {"backbone": "NASNet-A", "head": "ASPP"}, "--head=ASPP, but --genotype=it describes the head"),
        (PUBLISHED["NASNet-A"], {"head": "NASNet-A"}, "--head=NASNet-A describes a backbone; expected a head"),
        (
            CELL,
            {"backbone": "NASNet-A", "output_stride": 32},
            "--output_stride=32: the backbone has features of stride",
        ),
        (
            CELL,
            {"backbone": "NASNet-A", "decoder_stride": 3},
            "--decoder_stride=3: below --output_stride=8 the backbone has features of stride 1, 2, 4; give one",
        ),
        (CELL, {"backbone": "NASNet-A", "decoder_stride": 8}, "--decoder_stride=8: below --output_stride=8 the"),
        (
            PUBLISHED["NASNet-A"],
            {"head": "ASPP", "output_stride": 4, "decoder_stride": 4},
            "--decoder_stride=4: below --output_stride=4 the backbone has features of stride 1, 2; give one",
        ),
        (
            CELL,
            {"backbone": "NASNet-A", "decoder_stride": 0},
            "--decoder_filters=4 has no effect without a decoder; leave it out",
        ),
        (
            CELL,
            {"backbone": "NASNet-A", "reductions": 2, "decoder_stride": None},
            "--decoder_filters=4 has no effect without a decoder; leave it out",
        ),
        (CELL, {"backbone": "NASNet-A", "dropout": 0.5}, "--dropout=0.5 has no effect"),
    ],
)
def test_parts_that_do_not_fit_are_refused(genotype: Genotype, flags: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        networks(genotype, (32, 32, 3), **flags).plan(genotype)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cells", 0, "network cells is 0; expected a whole number >= 1"),
        ("cells", 10**9, "network cells is 1000000000; expected a whole number >= 1 and <= 1000"),
        ("filters", True, "network filters is True; expected a whole number >= 1"),
        ("filters", 10**6, "network filters is 1000000; expected a whole number >= 1 and <= 100000"),
        ("bn_epsilon", 0, "network bn_epsilon is 0; expected a number > 0"),
        ("output_conv", 1, "network output_conv is 1; expected true or false"),
        ("stem", "other", "network stem is 'other'; expected cifar or imagenet"),
        ("l2", -1.0, "network l2 is -1.0; expected a number >= 0"),
        ("image_size", 1.5, "network image_size is 1.5; expected a whole number >= 0"),
    ],
)
def test_records_of_trained_backbones_are_checked(field: str, value: object, message: str, tmp_path: Path) -> None:
    """They may be a stranger's."""
    assert trained_skeleton(tmp_path, filters=7, bn_momentum=1) == Skeleton(filters=7, bn_momentum=1)
    with pytest.raises(UsageError, match=re.escape(message)):
        trained_skeleton(tmp_path, **{field: value})


def test_flags_change_of_a_trained_backbone_what_it_does_not_compute_with(tmp_path: Path) -> None:
    settings = NetworkSettings(bn_momentum=0.5)
    assert trained_skeleton(tmp_path, settings, filters=7) == Skeleton(filters=7, bn_momentum=0.5)
    with pytest.raises(UsageError, match=r"--bn_epsilon=0\.5 would change --backbone=.*, which is trained already"):
        trained_skeleton(tmp_path, NetworkSettings(bn_epsilon=0.5))


def trained_skeleton(path: Path, settings: NetworkSettings = SETTINGS, **changes: object) -> Skeleton | None:
    """What is found of a backbone whose results record a skeleton with changes."""
    folder = TrainingFolder(path)
    folder.model.touch()
    folder.genotype.write_text(json.dumps(to_json(PUBLISHED["NASNet-A"])))
    counts = {"size": None, "trainable_parameters": 1, "multiply_adds": 1}
    results = {
        "genotype_name": None,
        "train": {"images": 1},
        "valid": None,
        "final_test": None,
        "epochs": 1,
        "seconds": 1.0,
        "network": {**asdict(Skeleton()), **counts, **changes},
    }
    folder.results.write_text(json.dumps(results))
    return find_backbone(str(path), TASK, settings).skeleton
