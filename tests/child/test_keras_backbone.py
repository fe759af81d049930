"""Backbones made in Keras: the same features, counts and logits as their own models and plans give."""

import inspect
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.data.normalization import Normalization
from rl_nas.child.network.backbone import PlannedBackbone
from rl_nas.child.network.composed import build_network
from rl_nas.child.network.flat_weights import FlatKerasModel
from rl_nas.child.network.keras_backbone import PREFIX
from rl_nas.child.network.keras_model import build_model
from rl_nas.errors import UsageError
from rl_nas.networks.features import feature_name
from rl_nas.networks.foreign import APPLICATIONS
from rl_nas.networks.network import plan_features, plan_network
from rl_nas.networks.settings import NetworkSettings, skeleton_of
from rl_nas.spaces.nasbench201 import EdgeCell
from rl_nas.spaces.published import PUBLISHED
from rl_nas.tasks.segmentation.head import SegmentationHead
from rl_nas.tasks.segmentation.head_settings import SegmentationHeadSettings
from rl_nas.tasks.settings import PartSettings
from rl_nas.workflows.foreign import open_foreign

SHAPE = (30, 44, 3)
CELL = EdgeCell.from_string("|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|none~0|nor_conv_1x1~1|nor_conv_3x3~2|")
SKELETON = skeleton_of(CELL, NetworkSettings(cells=1, filters=2, reductions=3))
HEAD = SegmentationHead(3, PUBLISHED["DPC-top1"], SegmentationHeadSettings(head_filters=4, output_stride=8))
RNG = np.random.default_rng(0)


def file(folder: Path, model: keras.Model) -> str:
    path = folder / "some.keras"
    model.save(path)
    return str(path)


def opened(name: str, shape: tuple[int, int, int] = (64, 64, 3), **flags: Any) -> Any:
    weights = {"backbone_weights": "random"} if name in APPLICATIONS else {}
    return open_foreign(PartSettings(backbone=name, **weights, **flags), shape)


def randomize(model: keras.Model) -> None:
    for variable in model.weights:
        variable.assign(
            RNG.uniform(0.5, 1.5, variable.shape) * (RNG.choice([-1, 1]) if "kernel" in variable.path else 1)
        )


def convolution(x: Any, stride: int = 2, **kwargs: Any) -> Any:
    return keras.layers.Conv2D(4, 3, strides=stride, padding="same", **kwargs)(x)


@pytest.fixture(scope="module")
def planned() -> PlannedBackbone:
    """A backbone of ours for images whose sides have to be padded."""
    mean = Normalization((100.0, 110.0, 120.0), (40.0, 50.0, 60.0))
    plan = plan_features(CELL, SKELETON, SHAPE, HEAD)
    model = build_model(plan, seed=1)
    randomize(model)
    return PlannedBackbone(plan, {v.path: v.numpy() for v in model.weights}, mean)


@pytest.fixture(scope="module")
def foreign(planned: PlannedBackbone, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same as a Keras file, made for images of another size."""
    network = build_model(plan_features(CELL, SKELETON, (64, 64, 3), HEAD), name="network")
    for variable in network.weights:
        variable.assign(planned.weights[variable.path])
    assert planned.normalization is not None
    mean, variance = planned.normalization.mean, np.square(planned.normalization.deviation)
    image = keras.Input((64, 64, 3), dtype="uint8")
    whole = keras.Model(image, network(keras.layers.Normalization(mean=mean, variance=variance)(image)))
    return opened(file(tmp_path_factory.mktemp("foreign"), whole), SHAPE).cut(8, [4, 8])


def test_a_plan_of_ours_gives_the_same_as_a_keras_file(planned: PlannedBackbone, foreign: Any) -> None:
    assert foreign.maps == planned.maps
    assert foreign.cost == planned.cost
    np.testing.assert_allclose(foreign.normalization, planned.normalization, rtol=1e-6)
    images = RNG.normal(size=(2, *SHAPE)).astype(np.float32)
    expected = planned(tf.constant(images))
    found = foreign(tf.constant(images))
    for name in (feature_name(4), feature_name(8)):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3, atol=1e-4)


def test_the_network_behind_it_gives_the_logits_of_the_planned_one(planned: PlannedBackbone, foreign: Any) -> None:
    plan = plan_network(CELL, SKELETON, SHAPE, HEAD)
    whole = build_model(plan, seed=2)
    head = plan_network(foreign.maps, SKELETON, SHAPE, HEAD)
    composed = build_network(head, foreign, seed=3)
    of_whole = {variable.path: variable for variable in whole.weights}
    for path, value in planned.weights.items():
        of_whole[path].assign(value)
    paths = [variable.path for variable in composed.weights]
    assert len(set(paths)) == len(paths)
    mine = {PREFIX + "network." + path: path for path in planned.weights}
    for variable in composed.weights:
        if variable.path in mine:
            np.testing.assert_array_equal(variable, of_whole[mine[variable.path]])
        else:
            variable.assign(of_whole[variable.path])
    assert len(mine) + len(head.outputs) < len(paths) == len(of_whole)
    assert head.cost() + foreign.cost == plan.cost()
    images = RNG.normal(size=(2, *SHAPE)).astype(np.float32)
    found, expected = (model(images, training=False)["logits"] for model in (composed, whole))
    assert found.shape == (2, 30, 44, 3)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert [variable.path for variable in build_network(head, foreign).weights] == paths


def test_frozen_normalization_is_not_trained_and_keeps_its_averages(foreign: Any) -> None:
    head = plan_network(foreign.maps, SKELETON, SHAPE, HEAD)
    trained, frozen = (FlatKerasModel(build_network(head, foreign, freeze=freeze)) for freeze in ("none", "norm"))
    paths, kept = ({v.path for v in model.trainable.specs} for model in (trained, frozen))
    assert (
        paths - kept
        == {path for path in paths if path.startswith(PREFIX) and path.endswith(("gamma", "beta"))}
        != set()
    )
    assert kept < paths
    image = tf.constant(RNG.normal(size=(2, *SHAPE)).astype(np.float32))
    for model, stays in ((trained, False), (frozen, True)):
        _, _, other = model.train_call(model.trainable.vector.value, image)
        before = {v.path: np.array(value) for v, value in model.other.mapping(model.other.vector.value)}
        after = {v.path: np.array(value) for v, value in model.other.mapping(other)}
        changed = {path for path, value in after.items() if not np.array_equal(value, before[path])}
        assert any(path.startswith(PREFIX) for path in changed) != stays
        assert any(not path.startswith(PREFIX) for path in changed)  # the head's


def test_the_names_are_those_of_keras() -> None:
    functions = inspect.getmembers(keras.applications, inspect.isfunction)
    assert {name for name, _ in functions} == set(APPLICATIONS)


@pytest.mark.parametrize(
    ("name", "parameters", "dense", "madds"),
    [("MobileNetV2", 3_538_984, 1280, 300e6), ("ResNet50", 25_636_712, 2048, 3.8e9)],
)
def test_counts_are_the_published_ones(name: str, parameters: int, dense: int, madds: float) -> None:
    """Sandler et al. 2018, table 4; He et al. 2016, table 1; parameters by Keras' documentation."""
    cost = opened(name, (224, 224, 3)).cut(32, [32]).cost
    assert cost.trainable + cost.other == parameters - (dense + 1) * 1000
    assert cost.madds + dense * 1000 == pytest.approx(madds, rel=0.02)


def test_levels_of_mobilenet_are_the_last_tensors_of_each_stride() -> None:
    source = opened("MobileNetV2", (96, 96, 3))
    channels = {stride: shape[2] for stride, shape in source.shapes.items()}
    assert channels == {2: 96, 4: 144, 8: 192, 16: 576, 32: 1280}
    assert {stride: shape[:2] for stride, shape in source.shapes.items()} == {s: (96 // s, 96 // s) for s in channels}
    coarse, fine = source.cut(32, [4, 32]), source.cut(8, [4, 8])
    assert fine.cost.trainable < coarse.cost.trainable / 10, "what is beyond the coarsest level is cut away"
    assert fine.maps.shapes == {4: (24, 24, 144), 8: (12, 12, 192)}


LONG = [pytest.param(name, marks=pytest.mark.long) for name in ("DenseNet121", "EfficientNetB0", "MobileNetV3Small")]


@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet50", *LONG])
def test_pixels_become_what_keras_makes_of_them(name: str) -> None:
    source = opened(name)
    backbone = source.cut(32, [32])
    images = RNG.integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    module = inspect.getmodule(getattr(keras.applications, name))
    expected = source.opened.model(module.preprocess_input(images.copy()), training=False)  # type: ignore[union-attr]
    found = backbone(backbone.normalization(tf.constant(images)))[feature_name(32)]
    scale = np.max(np.abs(expected))
    assert scale > 0
    np.testing.assert_allclose(found / scale, expected / scale, atol=1e-4)


def nested() -> keras.Model:
    """A sequential model in a functional one, a layer that is called twice, channel weights, a classifier."""
    image = keras.Input((32, 32, 3), name="image")
    inner = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3, strides=2, padding="same", name="conv")], name="inner"
    )
    x = inner(keras.layers.Rescaling(1 / 255)(image))
    twice = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="conv")
    x = keras.ops.add(twice(x), twice(twice(x)))
    weights = keras.layers.Reshape((1, 1, 4))(keras.layers.Dense(4)(keras.layers.GlobalAveragePooling2D()(x)))
    x = keras.layers.BatchNormalization()(convolution(x * weights, name="last"))
    return keras.Model(image, keras.layers.Dense(5)(keras.layers.Flatten()(x)))


def test_nested_models_are_flattened_and_their_classifier_left_out(tmp_path: Path) -> None:
    model = nested()
    name = file(tmp_path, model)
    source = opened(name, (32, 32, 3))
    assert {stride: shape[2] for stride, shape in source.shapes.items()} == {2: 4, 4: 4}
    backbone = source.cut(4, [4])
    features = keras.Model(model.input, model.layers[-3].output)
    images = RNG.uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    expected = features(images, training=False)
    np.testing.assert_allclose(backbone(backbone.normalization(images))[feature_name(4)], expected, atol=1e-5)
    once = 3 * 3 * 4 * 4
    assert backbone.cost.madds == 16 * 16 * (3 * 3 * 3 * 4 + 3 * once) + 4 * 4 + 8 * 8 * once
    assert backbone.cost.other == 8
    kernels = [path for path in backbone.weights if path.endswith("kernel")]
    assert {f"{PREFIX}inner.conv/kernel", f"{PREFIX}conv/kernel"} < set(kernels)
    larger = opened(name, (50, 60, 3)).cut(4, [4])
    assert larger.maps.shapes == {4: (13, 15, 4)}


def test_features_are_the_same_if_and_only_if_fingerprints_are(tmp_path: Path) -> None:
    first = opened(file(tmp_path, nested()), (32, 32, 3))
    again = opened(str(tmp_path / "some.keras"), (32, 32, 3))
    assert first.cut(4, [4]).fingerprint() == again.cut(4, [4]).fingerprint()
    assert first.cut(4, [2, 4]).fingerprint() != again.cut(4, [4]).fingerprint()
    other = opened(file(tmp_path, nested()), (32, 32, 3))  # of other random weights
    assert first.cut(4, [4]).fingerprint() != other.cut(4, [4]).fingerprint()
    names = [opened("MobileNetV3Small", (32, 32, 3)).cut(8, [8]) for _ in range(2)]
    assert names[0].fingerprint() == names[1].fingerprint(), "random weights are the same in all processes"
    assert list(names[0].weights) == list(names[1].weights)


def test_several_outputs_choose_the_levels(tmp_path: Path) -> None:
    image = keras.Input((32, 32, 3))
    x = convolution(keras.layers.Rescaling(1 / 255)(image))
    y = convolution(x, 1)
    z = convolution(y)
    model = keras.Model(image, {"fine": x, "coarse": z})
    backbone = opened(file(tmp_path, model), (32, 32, 3)).cut(4, [2, 4])
    images = RNG.uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    expected, found = model(images), backbone(backbone.normalization(images))
    np.testing.assert_allclose(found[feature_name(2)], expected["fine"], atol=1e-5)
    np.testing.assert_allclose(found[feature_name(4)], expected["coarse"], atol=1e-5)


def unscaled(image: Any) -> Any:
    return convolution(image)


@pytest.mark.parametrize(
    ("scale", "mean", "deviation"),
    [("0..255", 0, 1), ("0..1", 0, 255), ("-1..1", 127.5, 127.5), ("imagenet", 0.485 * 255, 0.229 * 255)],
)
def test_a_flag_says_the_scale_of_pixels(scale: str, mean: float, deviation: float, tmp_path: Path) -> None:
    image = keras.Input((32, 32, 3))
    source = opened(file(tmp_path, keras.Model(image, unscaled(image))), backbone_pixels=scale)
    normalization, reverse = source.pixels
    assert (normalization.mean[0], normalization.deviation[0]) == pytest.approx((mean, deviation), abs=1e-3)
    assert not reverse


@keras.saving.register_keras_serializable("a_stranger")
class Custom(keras.layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs


def unsuitable(kind: str, folder: Path) -> str:
    """A file that is no backbone."""
    image, vector = keras.Input((32, 32, 3)), keras.Input((7,))
    scaled = keras.layers.Rescaling(1 / 255)(image)
    if kind == "text":
        (folder / "some.keras").write_text("import os")
    elif kind == "zip":
        with zipfile.ZipFile(folder / "some.keras", "w") as archive:
            archive.writestr(
                "config.json", '{"class_name": "system", "module": "os", "config": {"command": "touch x"}}'
            )
    elif kind == "lambda":
        file(folder, keras.Model(image, keras.layers.Lambda(lambda x: x * 2)(image)))
    elif kind == "custom":
        file(folder, keras.Model(image, Custom()(scaled)))
    elif kind == "two inputs":
        file(folder, keras.Model([image, vector], [convolution(scaled), vector]))
    elif kind == "vectors":
        file(folder, keras.Model(vector, keras.layers.Dense(3)(vector)))
    elif kind == "gray":
        gray = keras.Input((32, 32, 1))
        file(folder, keras.Model(gray, convolution(keras.layers.Rescaling(1 / 255)(gray))))
    elif kind == "unscaled":
        file(folder, keras.Model(image, unscaled(image)))
    elif kind == "both":
        file(folder, keras.Model(image, convolution(keras.layers.Concatenate()([image, scaled]))))
    elif kind == "no levels":
        file(folder, keras.Model(image, keras.layers.Conv2D(4, 7, strides=3)(scaled)))
    elif kind == "of one size":
        x = convolution(scaled)
        weights = keras.layers.Reshape((1, 1, 4))(keras.layers.Dense(4)(keras.layers.Flatten()(x)))
        file(folder, keras.Model(image, convolution(x * weights)))
    return str(folder / "some.keras")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "no such file"),
        ("text", "cannot be read"),
        ("zip", "cannot be read"),
        ("lambda", "cannot be read"),
        ("custom", "cannot be read"),
        ("two inputs", "not a functional or sequential Keras model of one image"),
        ("vectors", "not a functional or sequential Keras model of one image"),
        ("gray", "reads images of 1 channels; those of the data have 3"),
        ("unscaled", "give --backbone_pixels"),
        ("both", "with and without normalization"),
        ("no levels", "no feature maps"),
        ("of one size", "images of another size"),
    ],
)
def test_files_that_are_no_backbones_are_refused_in_one_line(
    kind: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = unsuitable(kind, tmp_path)
    if kind == "custom":
        monkeypatch.delitem(keras.saving.get_custom_objects(), "a_stranger>Custom")
    with pytest.raises(UsageError, match=message) as caught:
        opened(name).cut(4, [4])
    assert "\n" not in str(caught.value)
    assert "some.keras" in str(caught.value)


def test_what_grows_with_the_image_is_refused_before_it_is_made(tmp_path: Path) -> None:
    """Activations of a model for images of any size, and weights of one that is opened for larger ones."""
    image = keras.Input((None, None, 3))
    x = keras.layers.UpSampling2D(4096)(convolution(keras.layers.Rescaling(1 / 255)(image)))
    name = file(tmp_path, keras.Model(image, keras.layers.AveragePooling2D(4096)(x)))
    with pytest.raises(UsageError, match=r"some\.keras on images of 30x44: its .* computes [\d,]+ numbers for one"):
        opened(name, SHAPE)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Dense(4096)(keras.layers.Flatten()(convolution(keras.layers.Rescaling(1 / 255)(image))))
    name = file(tmp_path, keras.Model(image, keras.layers.Reshape((64, 64, 1))(x)))
    with pytest.raises(UsageError, match="on images of 128x128: what it holds has 268,"):
        opened(name, (128, 128, 3))


def test_flags_of_other_backbones_are_refused() -> None:
    with pytest.raises(UsageError, match="--backbone_weights=random has no effect"):
        PartSettings(backbone="NASNet-A", backbone_weights="random")
    with pytest.raises(UsageError, match=r"--backbone_pixels=0\.\.1 has no effect"):
        PartSettings(backbone="runs/trained", backbone_pixels="0..1")
    assert replace(PartSettings(backbone="ResNet50"), backbone_pixels="0..1")


def test_dropout_is_a_function_of_the_seed(tmp_path: Path) -> None:
    image = keras.Input((32, 32, 3))
    x = keras.layers.Dropout(0.5)(convolution(keras.layers.Rescaling(1 / 255)(image)))
    backbone = opened(file(tmp_path, keras.Model(image, x)), (32, 32, 3)).cut(4, [2])
    images = np.ones((1, 32, 32, 3), np.float32)

    def dropped(seed: int) -> np.ndarray:
        inputs = keras.Input((32, 32, 3))
        return np.asarray(keras.Model(inputs, backbone.attach(inputs, seed))(images, training=True)[feature_name(2)])

    np.testing.assert_array_equal(dropped(1), dropped(1))
    assert np.any(dropped(1) != dropped(2))


def test_a_normalization_in_the_middle_keeps_its_statistics(tmp_path: Path) -> None:
    image = keras.Input((32, 32, 3))
    middle = keras.layers.Normalization()
    middle.adapt(RNG.uniform(0, 9, (8, 16, 16, 4)).astype(np.float32))
    model = keras.Model(image, middle(convolution(keras.layers.Rescaling(1 / 255)(image))))
    backbone = opened(file(tmp_path, model), (32, 32, 3)).cut(4, [2])
    images = RNG.uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
    found = backbone(backbone.normalization(images))[feature_name(2)]
    np.testing.assert_allclose(found, model(images), atol=1e-5)
