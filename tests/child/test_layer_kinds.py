"""Every kind of layer, alone: its shape and cost, its Keras layer, its direct computation and gradient, its sharing."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.network.flat_weights import FlatKerasModel, FlatModel
from rl_nas.child.network.keras_model import build_model
from rl_nas.child.network.kinds.catalog import KINDS
from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.networks import layers
from rl_nas.networks.layer import Layer, Shape
from rl_nas.networks.layers import Conv, TrainingFraction
from rl_nas.networks.plan import Plan
from rl_nas.one_shot.weights import WEIGHTS, OneShotWeights

IMAGE, BATCH, STEPS = (7, 6, 2), 4, 3
EXAMPLES: dict[type[Layer], list[Layer]] = {
    Conv: [
        Conv(5, (3, 3)),
        Conv(5, (1, 7), strides=(1, 2)),
        Conv(5, (3, 3), dilation=2),
        Conv(5, (7, 6), padding="valid"),
        Conv(5, (5, 3), dilation=7),  # of its taps, the middle one reads the image
        Conv(5, (3, 1), bias=True),
        Conv(5, (3, 3), dilation=3, bias=True),
        Conv(5, (3, 2), dilation=2, padding="valid"),
        Conv(5, (1, 3), dilation=2, padding="valid"),
        *(Conv(5, (1, 1), strides=strides) for strides in ((2, 2), (3, 1), (1, 3))),
        Conv(5, (1, 3), strides=(2, 2), bias=True),
        Conv(5, (1, 3), strides=(3, 2), padding="valid"),
        Conv(5, (3, 3), bias=True, initial_bias=-4.6, deviation=0.01),
    ],
    layers.SeparableConv: [
        layers.SeparableConv(5, 3),
        layers.SeparableConv(5, 5, stride=2),
        layers.SeparableConv(5, 3, dilation=2),
        layers.SeparableConv(5, 5, dilation=6),
        layers.SeparableConv(5, 3, padding="valid"),
        layers.SeparableConv(5, 3, dilation=2, padding="valid"),
    ],
    layers.DepthwiseConv: [
        layers.DepthwiseConv(3),
        layers.DepthwiseConv(3, (2, 3)),
        layers.DepthwiseConv(5, (1, 2)),
        layers.DepthwiseConv(5, (4, 3)),
        layers.DepthwiseConv(3, (6, 9)),
        layers.DepthwiseConv(3, (7, 1)),
        layers.DepthwiseConv(3, (21, 18)),
    ],
    layers.BatchNorm: [layers.BatchNorm(0.9, 1e-3), layers.BatchNorm(0.9, 1e-3, frozen=True)],
    layers.Relu: [layers.Relu()],
    layers.Dense: [layers.Dense(5)],
    layers.Pool: [
        layers.Pool("avg", 3),
        layers.Pool("max", 3, stride=2),
        layers.Pool("avg", 5, stride=3, padding="valid"),
    ],
    layers.AveragePool: [layers.AveragePool((3, 2)), layers.AveragePool((7, 6)), layers.AveragePool((1, 1))],
    layers.GridPool: [layers.GridPool(grid) for grid in ((1, 1), (2, 4), (7, 3), (8, 8))],
    layers.Resize: [
        layers.Resize(size, align_corners)
        for size in ((14, 18), (16, 9), (3, 4), (1, 1), (7, 6))
        for align_corners in (False, True)
    ]
    + [layers.Resize(size, method="nearest") for size in ((14, 18), (16, 9), (3, 4), (1, 1), (7, 6))],
    layers.GlobalPool: [layers.GlobalPool()],
    layers.Add: [layers.Add()],
    layers.Concat: [layers.Concat(), layers.Concat(chosen=True)],
    layers.GlobalAttention: [layers.GlobalAttention()],
    layers.FlattenLevels: [layers.FlattenLevels(1), layers.FlattenLevels(3)],
    layers.Shift: [layers.Shift(), layers.Shift(3)],
    layers.Pad: [layers.Pad(1, 0, 2, 3)],
    layers.CropChannels: [layers.CropChannels(2)],
    layers.CropImage: [layers.CropImage((5, 6)), layers.CropImage((1, 2))],
    layers.Zero: [layers.Zero()],
    layers.Dropout: [layers.Dropout(0.5)],
    layers.TrainingFraction: [TrainingFraction(STEPS)],
    layers.DropPath: [layers.DropPath(0.5)],
}
CASES = [layer for some in EXAMPLES.values() for layer in some]
SEVERAL = (layers.Add, layers.Concat, layers.GlobalAttention, layers.FlattenLevels)


def planned(layer: Layer) -> Plan:
    """The layer behind convolutions, whose gradients tell that of its inputs, at `out`."""
    plan = Plan.of_image(IMAGE)
    inputs = [plan.add(Conv(3, (1, 1)), plan.image, name=name) for name in ("first", "second")]
    if not isinstance(layer, SEVERAL):
        del inputs[1]
    if isinstance(layer, layers.Dense):
        inputs = [plan.add(layers.GlobalPool(), *inputs, name="pool")]
    if isinstance(layer, layers.DropPath):
        inputs.append(plan.add(TrainingFraction(STEPS), plan.image, name="progress"))
    plan.outputs["out"] = plan.add(layer, *inputs, name="layer")
    plan.prune()
    return plan


def name_of(layer: Layer) -> str:
    return repr(layer)


def leaves(kind: type[Layer]) -> set[type[Layer]]:
    return {kind}.union(*(leaves(each) for each in kind.__subclasses__()))


def test_every_layer_has_a_kind_and_an_example() -> None:
    known = {kind for kind in leaves(Layer) - {Layer} if kind.__module__.startswith("rl_nas.")}
    assert known == KINDS.keys() == EXAMPLES.keys()
    assert all(isinstance(layer, kind) for kind, some in EXAMPLES.items() for layer in some)


@pytest.mark.parametrize("layer", CASES, ids=name_of)
def test_its_shape_and_parameters_are_those_of_its_keras_layer(layer: Layer) -> None:
    plan = planned(layer)
    model, cost = build_model(plan), plan.cost()
    made = model.output["out"].shape[1:]
    assert tuple(made) == plan.outputs["out"].shape[3 - len(made) :]  # a dense layer's has no pixels
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == cost.trainable
    floats = [v for v in model.non_trainable_variables if "seed" not in v.name]
    assert sum(int(np.prod(v.shape)) for v in floats) == cost.other


def passes(model: FlatModel, images: tf.Tensor, direction: np.ndarray) -> tuple[dict[str, Any], ...]:
    """Output in training mode, gradients, moving statistics, output in inference mode."""
    outputs, pullback, other = model.train_call(model.trainable.vector.value, images)
    shape = outputs["out"].shape
    values = direction.ravel()[: shape.num_elements()]  # the fraction of a training is one for all images
    gradient = pullback({"out": tf.reshape(tf.constant(values), shape)})
    gradients = tf.zeros_like(model.trainable.vector.value) if gradient is None else gradient
    inferred = model.call(model.trainable.vector.value, other, images)
    return (
        {"train": np.asarray(outputs["out"]), "infer": np.asarray(inferred["out"])},
        {v.path: np.asarray(value) for v, value in model.trainable.mapping(gradients)},
        {v.path: np.asarray(value) for v, value in model.other.mapping(other)},
    )


@pytest.mark.parametrize("layer", CASES, ids=name_of)
def test_it_is_computed_and_learns_as_its_keras_layer(layer: Layer) -> None:
    plan, rng = planned(layer), np.random.default_rng(0)
    ours, keras = PlannedModel(plan, seed=1), FlatKerasModel(build_model(plan, seed=1))
    size = int(np.prod(plan.outputs["out"].shape))
    for step in range(STEPS):  # what is random goes on from step to step
        images = tf.constant(rng.normal(size=(BATCH, *IMAGE)), tf.float32)
        direction = rng.normal(size=(BATCH, size)).astype(np.float32)
        for mine, theirs in zip(passes(ours, images, direction), passes(keras, images, direction), strict=True):
            assert mine.keys() == theirs.keys()
            for name, value in mine.items():
                expected = theirs[name].reshape(value.shape)
                np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4, err_msg=f"{name}, step {step}")


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("layer", CASES, ids=name_of)
def test_in_sixteen_bits_it_is_the_same_within_rounding(layer: Layer, precision: str) -> None:
    """Relative to the norm of all: some values are small sums of large ones."""
    plan, rng = planned(layer), np.random.default_rng(0)
    wide, narrow = PlannedModel(plan, seed=1), PlannedModel(plan, seed=1, precision=precision)
    size, rounding = int(np.prod(plan.outputs["out"].shape)), {"bfloat16": 2.0**-4, "float16": 2.0**-7}[precision]
    # Of two pixels that are equal but for rounding, the other one may get a whole gradient.
    choosing = isinstance(layer, (layers.Relu, layers.Pool, layers.GlobalAttention))
    bounds = (rounding, 0.5 if choosing else rounding, rounding)  # outputs, gradients, statistics
    for _ in range(STEPS):
        images = tf.constant(rng.normal(size=(BATCH, *IMAGE)), tf.float32)
        direction = rng.normal(size=(BATCH, size)).astype(np.float32)
        pairs = zip(passes(wide, images, direction), passes(narrow, images, direction), strict=True)
        for bound, (exact, rounded) in zip(bounds, pairs, strict=True):
            assert all(value.dtype == np.float32 for value in rounded.values())
            values, others = (np.concatenate([np.zeros(0), *map(np.ravel, x.values())]) for x in (exact, rounded))
            error = np.linalg.norm(others - values) / max(1e-6, np.linalg.norm(values))
            assert error < bound, error


@pytest.mark.parametrize("layer", CASES, ids=name_of)
def test_networks_share_its_weights_where_they_share_it(layer: Layer) -> None:
    plan, shared = planned(layer), OneShotWeights(seed=0)
    places = shared.places(plan)
    assert len(set(places.tolist())) == len(places) == plan.cost().trainable
    np.testing.assert_array_equal(shared.places(planned(layer)), places)
    images = tf.constant(np.random.default_rng(0).normal(size=(BATCH, *IMAGE)), tf.float32)
    weights = shared.vectors[WEIGHTS][places]
    once, again = (PlannedModel(plan, weights=weights).infer(images)["out"] for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert np.all(np.isfinite(once))


@pytest.mark.parametrize("kind", [kind for kind in EXAMPLES if kind.KEEPS_CHANNELS], ids=lambda kind: kind.__name__)
def test_a_layer_that_keeps_channels_keeps_each_alone(kind: type[Layer]) -> None:
    """What is said of it lets the kernel behind a concatenation be put together from parts."""
    for layer in EXAMPLES[kind]:
        plan = Plan.of_image(IMAGE)
        inputs = [plan.image]
        if isinstance(layer, layers.DropPath):
            inputs.append(plan.add(TrainingFraction(STEPS), plan.image, name="progress"))
        plan.outputs["out"] = plan.add(layer, *inputs, name="layer")
        model, rng = PlannedModel(plan), np.random.default_rng(0)
        images = rng.normal(size=(BATCH, *IMAGE)).astype(np.float32)
        changed = images.copy()
        changed[..., 0] = rng.normal(size=images[..., 0].shape)
        before, after = (np.asarray(model.infer(tf.constant(x))["out"]) for x in (images, changed))
        before, after = (x.reshape(BATCH, -1, IMAGE[2]) for x in (before, after))
        np.testing.assert_array_equal(before[..., 1], after[..., 1])
        assert not np.array_equal(before[..., 0], after[..., 0])


TOWER: Shape = (4, 4, 3)


def towers(shared: bool) -> Plan:
    """Three inputs through one convolution and dense layer each, whose weights are `shared` or not."""
    plan = Plan({f"level{number}": (4 * number, 4, 3) for number in (1, 2, 3)})
    conv = dense = None
    for name, tensor in plan.inputs.items():
        conv = plan.add(Conv(5, (3, 3)), tensor, name="conv", weights_of=conv if shared else None)
        pooled = plan.add(layers.GlobalPool(), plan.add(layers.Relu(), conv, name="relu"), name="pool")
        dense = plan.add(layers.Dense(2), pooled, name="dense", weights_of=dense if shared else None)
        plan.outputs[name] = dense
    return plan


def test_a_layer_at_several_places_has_one_set_of_weights() -> None:
    one, apart = towers(shared=True), towers(shared=False)
    assert one.cost().trainable == apart.cost().trainable // 3 == 3 * 3 * 3 * 5 + 5 * 2 + 2
    assert one.cost().madds == apart.cost().madds
    model, keras = PlannedModel(one, seed=2), build_model(one, seed=2)
    assert [v.path for v in keras.trainable_variables] == [v.path for v in model.weights]
    weights = np.asarray(model.trainable.vector)
    separate = PlannedModel(apart, weights=np.concatenate([weights] * 3))
    rng = np.random.default_rng(0)
    images = {name: tf.constant(rng.normal(size=(2, *t.shape)), tf.float32) for name, t in one.inputs.items()}
    directions = {name: tf.constant(rng.normal(size=(2, 2)), tf.float32) for name in one.inputs}
    gradients: list[np.ndarray] = []
    first: dict[str, tf.Tensor] = {}
    for each in (model, FlatKerasModel(keras), separate):
        outputs, pullback, _ = each.train_call(each.trainable.vector.value, images)
        found = {name: tf.reshape(output, (2, 2)) for name, output in outputs.items()}
        first = first or found
        for name, output in found.items():
            np.testing.assert_allclose(output, first[name], rtol=1e-5, atol=1e-5)
        shaped = {name: tf.reshape(directions[name], tf.shape(output)) for name, output in outputs.items()}
        gradients.append(np.asarray(pullback(shaped)))
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradients[0], gradients[2].reshape(3, -1).sum(axis=0), rtol=1e-4, atol=1e-5)


def test_weights_stay_where_their_first_place_is_pruned() -> None:
    plan = towers(shared=True)
    whole = plan.cost().trainable
    del plan.outputs["level1"]
    plan.prune()
    assert plan.cost().trainable == whole
    names = {name: t.shape for name, t in plan.inputs.items()}
    images = {name: tf.zeros((1, *shape)) for name, shape in names.items()}
    assert PlannedModel(plan).infer(images).keys() == {"level2", "level3"}
    assert len(build_model(plan).trainable_variables) == 3


def test_other_layers_cannot_use_the_weights() -> None:
    plan = Plan.of_image(IMAGE)
    conv = plan.add(Conv(5, (3, 3)), plan.image, name="conv")
    norm = plan.add(layers.BatchNorm(0.9, 1e-3), conv, name="norm")
    for layer, tensor, owner in (
        (Conv(5, (3, 3)), conv, conv),  # five channels in, not two
        (Conv(5, (1, 1)), plan.image, conv),
        (layers.BatchNorm(0.9, 1e-3), conv, norm),  # averages of two places
    ):
        with pytest.raises(ValueError, match="can't use the weights of"):
            plan.add(layer, tensor, name="other", weights_of=owner)
