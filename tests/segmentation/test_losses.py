"""Losses of segmentation against their formulas in NumPy, known values, and differences of neighboring logits."""

from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from rl_nas.tasks.segmentation import losses

IGNORE = 255
CLASSES = 4
WEIGHTS = (0.5, 2.0, 0.0, 1.25)
LOSSES = {
    "cross_entropy": losses.cross_entropy,
    "focal": losses.focal,
    "focal of 0.5": partial(losses.focal, gamma=0.5),
    "dice": losses.dice,
}

every_loss = pytest.mark.parametrize("name", LOSSES)


def masks(seed: int, shape: tuple[int, ...] = (2, 3, 5)) -> tuple[np.ndarray, np.ndarray]:
    """Random targets of all classes but the last, a third of them not labeled, and logits."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, CLASSES - 1, shape).astype(np.uint8)
    targets[rng.random(shape) < 0.3] = IGNORE
    return targets, rng.normal(size=(*shape, CLASSES)).astype(np.float32)


def by_formula(name: str, targets: np.ndarray, logits: np.ndarray, weights: np.ndarray) -> float:
    """A loss in float64, from the labeled pixels alone."""
    labels, z = targets[targets != IGNORE], logits[targets != IGNORE].astype(np.float64)
    p = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
    y = np.eye(CLASSES)[labels]
    if name == "dice":
        of_classes = 1 - 2 * (p * y).sum(axis=0) / ((p**2).sum(axis=0) + (y**2).sum(axis=0))
        weights = weights * (y.sum(axis=0) > 0)
        return float((weights * of_classes).sum() / weights.sum())
    right = (p * y).sum(axis=-1)
    gamma = {"cross_entropy": 0.0, "focal": 2.0, "focal of 0.5": 0.5}[name]
    return float(np.average(-((1 - right) ** gamma) * np.log(right), weights=weights[labels]))


def gradient(loss: Callable[..., tf.Tensor], targets: np.ndarray, logits: np.ndarray, *weights: object) -> np.ndarray:
    z = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(z)
        value = loss(tf.constant(targets), z, *weights)
    return np.asarray(tape.gradient(value, z))


@every_loss
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_a_loss_is_its_formula(name: str, weights: tuple[float, ...] | None) -> None:
    for seed in range(10):
        targets, logits = masks(seed)
        expected = by_formula(name, targets, logits, np.array(weights or np.ones(CLASSES)))
        assert float(LOSSES[name](targets, logits, weights)) == pytest.approx(expected, rel=1e-5)


@every_loss
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_a_gradient_is_the_slope_of_the_formula(name: str, weights: tuple[float, ...] | None) -> None:
    targets, logits = masks(0)
    found = gradient(LOSSES[name], targets, logits, weights)
    slopes = np.zeros(logits.shape)
    for index in np.ndindex(logits.shape):
        step = np.zeros(logits.shape)
        step[index] = 1e-5
        ends = [by_formula(name, targets, logits + s, np.array(weights or np.ones(CLASSES))) for s in (step, -step)]
        slopes[index] = (ends[0] - ends[1]) / 2e-5
    np.testing.assert_allclose(found, slopes, rtol=1e-3, atol=1e-6)


def test_the_cross_entropy_is_that_of_keras() -> None:
    targets, logits = masks(1)
    keras_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORE)
    expected = float(keras_loss(targets.astype(np.int32), logits))
    assert float(losses.cross_entropy(targets, logits)) == pytest.approx(expected, rel=1e-5)


def test_a_network_that_knows_nothing() -> None:
    targets, logits = masks(2)
    flat, k = np.zeros_like(logits), CLASSES
    labeled = targets[targets != IGNORE]
    counts = np.bincount(labeled)
    assert float(losses.cross_entropy(targets, flat)) == pytest.approx(np.log(k))
    assert float(losses.focal(targets, flat)) == pytest.approx((1 - 1 / k) ** 2 * np.log(k))
    overlap = 2 * (counts / k) / (len(labeled) / k**2 + counts)
    assert float(losses.dice(targets, flat)) == pytest.approx(1 - overlap.mean())


@every_loss
def test_a_perfect_prediction_has_no_loss(name: str) -> None:
    targets, _ = masks(3)
    logits = 200 * np.eye(256, dtype=np.float32)[targets][..., :CLASSES]
    assert float(LOSSES[name](targets, logits)) == 0
    np.testing.assert_allclose(gradient(LOSSES[name], targets, logits), 0, atol=1e-12)  # rounding of some processors


def test_dice_of_all_wrong_is_1() -> None:
    targets, _ = masks(3)
    logits = 200 * np.eye(256, dtype=np.float32)[targets + np.uint8(1)][..., :CLASSES]
    assert float(losses.dice(targets, logits)) == 1


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_focal_loss_without_focus_is_the_cross_entropy(weights: tuple[float, ...] | None) -> None:
    targets, logits = masks(4)
    plain = partial(losses.focal, gamma=0.0)
    assert float(plain(targets, logits, weights)) == float(losses.cross_entropy(targets, logits, weights))
    np.testing.assert_allclose(
        gradient(plain, targets, logits, weights), gradient(losses.cross_entropy, targets, logits, weights), atol=1e-7
    )


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 1.0, 2.0, 5.0])
def test_the_gradient_of_the_focal_loss_is_finite_wherever_the_network_is_sure(gamma: float) -> None:
    targets = np.zeros((1, 1, 9), np.uint8)
    sure = np.array([0, 1e-3, 5, 15, 17, 20, 50, 1e4, -1e4], np.float32)
    logits = np.stack([sure, np.zeros_like(sure)], axis=-1)[np.newaxis, np.newaxis]
    assert np.isfinite(gradient(partial(losses.focal, gamma=gamma), targets, logits)).all()


@every_loss
@pytest.mark.parametrize("weight", [1.0, 7.0, 1e-3])
def test_equal_weights_change_nothing(name: str, weight: float) -> None:
    targets, logits = masks(5)
    weighted = LOSSES[name](targets, logits, [weight] * CLASSES)
    assert float(weighted) == pytest.approx(float(LOSSES[name](targets, logits)), rel=1e-5)


@every_loss
def test_pixels_that_are_not_labeled_change_nothing(name: str) -> None:
    targets, logits = masks(6)
    ignored = targets == IGNORE
    moved = np.where(ignored[..., np.newaxis], 1000 * logits, logits)
    assert float(LOSSES[name](targets, moved)) == float(LOSSES[name](targets, logits))
    found = gradient(LOSSES[name], targets, moved, WEIGHTS)
    np.testing.assert_array_equal(found[ignored], 0)
    np.testing.assert_allclose(
        found.sum(axis=-1), 0, atol=1e-6
    )  # adding a constant to a pixel's logits changes nothing


@every_loss
def test_without_labeled_pixels_there_is_neither_a_loss_nor_a_gradient(name: str) -> None:
    _, logits = masks(7)
    targets = np.full(logits.shape[:-1], IGNORE, np.uint8)
    for weights in (None, WEIGHTS):
        assert float(LOSSES[name](targets, logits, weights)) == 0
        np.testing.assert_array_equal(gradient(LOSSES[name], targets, logits, weights), 0)
    only_weightless = np.full(logits.shape[:-1], WEIGHTS.index(0.0), np.uint8)
    assert float(LOSSES[name](only_weightless, logits, WEIGHTS)) == 0
    np.testing.assert_array_equal(gradient(LOSSES[name], only_weightless, logits, WEIGHTS), 0)


@every_loss
def test_the_order_of_pixels_and_of_classes_is_of_no_account(name: str) -> None:
    rng = np.random.default_rng(8)
    targets, logits = masks(8)
    expected = float(LOSSES[name](targets, logits, WEIGHTS))
    pixels, classes = rng.permutation(targets.size), rng.permutation(CLASSES)
    number = np.arange(256).astype(np.uint8)
    number[classes] = np.arange(CLASSES)
    found = LOSSES[name](
        number[targets.ravel()[pixels]].reshape(1, 1, -1),
        logits.reshape(-1, CLASSES)[pixels][:, classes].reshape(1, 1, -1, CLASSES),
        np.array(WEIGHTS)[classes].tolist(),
    )
    assert float(found) == pytest.approx(expected, rel=1e-5)


@every_loss
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_loss_of_half_precision_is_computed_in_full(name: str, dtype: str) -> None:
    targets, logits = masks(9, (4, 30, 40))
    half = tf.cast(logits, dtype)
    loss = LOSSES[name](targets, half)
    assert loss.dtype == tf.float32
    assert float(loss) == float(LOSSES[name](targets, tf.cast(half, tf.float32)))


@every_loss
def test_xla_computes_the_same(name: str) -> None:
    targets, logits = masks(10)
    compiled = tf.function(partial(gradient_in_graph, LOSSES[name]), jit_compile=True, autograph=False)
    loss, slopes = compiled(tf.constant(targets), tf.constant(logits))
    assert float(loss) == pytest.approx(float(LOSSES[name](targets, logits, WEIGHTS)), rel=1e-5)
    np.testing.assert_allclose(slopes, gradient(LOSSES[name], targets, logits, WEIGHTS), rtol=1e-3, atol=1e-6)


def gradient_in_graph(
    loss: Callable[..., tf.Tensor], targets: tf.Tensor, logits: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(targets, logits, WEIGHTS)
    return value, tape.gradient(value, logits)
