"""Losses of detection against their formulas in float64, known values, and differences of neighboring outputs."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.tasks.detection.losses import focal, focal_sums, positives, smooth_l1, smooth_l1_sums
from rl_nas.tasks.detection.matching import NEGATIVE, NEITHER

CLASSES = 4


def example(seed: int, images: int = 2, anchors: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and the classes of anchors with all kinds among them."""
    rng = np.random.default_rng(seed)
    classes = rng.integers(NEITHER, CLASSES, (images, anchors)).astype(np.int32)
    classes[0, :3] = (NEITHER, NEGATIVE, 0)
    return rng.normal(0, 2, (images, anchors, CLASSES)).astype(np.float32), classes


def focal_by_formula(logits: np.ndarray, classes: np.ndarray, alpha: float = 0.25, gamma: float = 2.0) -> float:
    total = 0.0
    for z, label in zip(logits.reshape(-1, logits.shape[-1]), classes.ravel(), strict=True):
        for number, logit in enumerate(z.astype(np.float64)):
            p = 1 / (1 + np.exp(-logit))
            right, weight = (p, alpha) if number == label else (1 - p, 1 - alpha)
            total -= (label != NEITHER) * weight * (1 - right) ** gamma * np.log(right)
    return total / max(1, (classes >= 0).sum())


def smooth_l1_by_formula(codes: np.ndarray, targets: np.ndarray, classes: np.ndarray, beta: float) -> float:
    errors = np.abs(codes.astype(np.float64) - targets)[classes >= 0]
    return float(np.where(errors < beta, errors**2 / (2 * beta), errors - beta / 2).sum() / max(1, len(errors)))


def gradient(loss: Callable[[tf.Tensor], tf.Tensor], at: np.ndarray) -> np.ndarray:
    place = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(place)
        value = loss(place)
    return np.asarray(tape.gradient(value, place))


def slopes(loss: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """Differences of a formula's values at neighboring places."""
    found = np.zeros(at.shape)
    for index in np.ndindex(at.shape):
        step = np.zeros(at.shape)
        step[index] = 1e-5
        found[index] = (loss(at + step) - loss(at - step)) / 2e-5
    return found


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.5, 0.0), (0.75, 0.5), (0.25, 3.5)])
def test_the_focal_loss_and_its_gradient_are_those_of_the_formula(alpha: float, gamma: float) -> None:
    for seed in range(3):
        logits, classes = example(seed)
        loss = partial(focal, classes=tf.constant(classes), alpha=alpha, gamma=gamma)
        formula = partial(focal_by_formula, classes=classes, alpha=alpha, gamma=gamma)
        assert float(loss(logits)) == pytest.approx(formula(logits), rel=1e-5)
        np.testing.assert_allclose(gradient(loss, logits), slopes(formula, logits), rtol=1e-3, atol=1e-5)


def test_without_focus_it_is_half_the_cross_entropy() -> None:
    logits, classes = example(3)
    used = classes != NEITHER
    labels = np.eye(CLASSES)[classes[used]] * (classes[used] >= 0)[:, np.newaxis]
    entropies = tf.nn.sigmoid_cross_entropy_with_logits(labels.astype(np.float32), logits[used])
    expected = 0.5 * float(tf.reduce_sum(entropies)) / (classes >= 0).sum()
    assert float(focal(logits, classes, alpha=0.5, gamma=0.0)) == pytest.approx(expected, rel=1e-5)


def test_perfect_outputs_have_no_loss() -> None:
    _, classes = example(4)
    right = np.arange(CLASSES) == classes[..., np.newaxis]
    logits = np.where(right, 100, -100).astype(np.float32)
    assert float(focal(logits, classes)) == 0
    np.testing.assert_array_equal(gradient(partial(focal, classes=classes), logits), 0)
    codes = np.random.default_rng(4).normal(size=(*classes.shape, 4)).astype(np.float32)
    assert float(smooth_l1(codes, codes, classes)) == 0
    np.testing.assert_array_equal(gradient(lambda place: smooth_l1(place, codes, classes), codes), 0)


def test_a_network_of_a_prior_of_one_hundredth_starts_with_a_small_loss() -> None:
    """Lin et al. 2017, section 4.1: with the prior, background does not swamp what is rare."""
    classes = np.full((1, 10000), NEGATIVE, np.int32)
    classes[0, 0] = 0
    logits = np.full((1, 10000, CLASSES), -np.log(99), np.float32)
    negatives = (10000 * CLASSES - 1) * 0.75 * 0.01**2 * -np.log(0.99)
    assert float(focal(logits, classes)) == pytest.approx(negatives + 0.25 * 0.99**2 * -np.log(0.01), rel=1e-4)


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 1.0, 2.0, 5.0])
def test_loss_and_gradient_are_finite_however_sure_and_wrong(gamma: float) -> None:
    sure = np.array([0, 1e-3, 5, 16, 17, 50, 100, 1e4], np.float32)
    logits = np.concatenate([sure, -sure])[np.newaxis, :, np.newaxis] * np.ones(CLASSES, np.float32)
    for label in (NEGATIVE, NEITHER, 0):
        classes = np.full((1, 16), label, np.int32)
        assert np.isfinite(focal(logits, classes, gamma=gamma))
        assert np.isfinite(gradient(partial(focal, classes=classes, gamma=gamma), logits)).all()
    wrong = float(focal(np.full((1, 1, 1), 100, np.float32), np.array([[NEGATIVE]]), gamma=gamma))
    assert wrong == pytest.approx(0.75 * 100, rel=1e-5)


@pytest.mark.parametrize("beta", [0.1, 1.0, 3.0])
def test_smooth_l1_and_its_gradient_are_those_of_the_formula(beta: float) -> None:
    rng = np.random.default_rng(5)
    _, classes = example(5)
    codes, targets = (rng.normal(0, 2, (*classes.shape, 4)).astype(np.float32) for _ in range(2))
    formula = partial(smooth_l1_by_formula, targets=targets, classes=classes, beta=beta)
    loss = partial(smooth_l1, targets=targets, classes=classes, beta=beta)
    assert float(loss(codes)) == pytest.approx(formula(codes), rel=1e-5)
    np.testing.assert_allclose(gradient(loss, codes), slopes(formula, codes), rtol=1e-3, atol=1e-5)


def test_known_values_of_smooth_l1() -> None:
    codes = np.array([[[0.5, -0.5, 2, -3]]], np.float32)
    assert float(smooth_l1(codes, np.zeros_like(codes), np.array([[0]]))) == 0.125 + 0.125 + 1.5 + 2.5
    for none in (NEGATIVE, NEITHER):
        assert float(smooth_l1(codes, np.zeros_like(codes), np.array([[none]]))) == 0


def test_without_positives_the_sum_is_not_divided() -> None:
    logits, classes = example(6)
    for label in (NEGATIVE, NEITHER):
        of_none = np.full_like(classes, label)
        assert float(positives(of_none)) == 1
        assert float(focal(logits, of_none)) == pytest.approx(focal_by_formula(logits, of_none), rel=1e-5)
    assert float(positives(classes)) == (classes >= 0).sum()


def test_anchors_that_are_neither_change_nothing() -> None:
    logits, classes = example(7)
    neither = classes == NEITHER
    moved = np.where(neither[..., np.newaxis], 1000 * logits, logits)
    assert float(focal(moved, classes)) == float(focal(logits, classes))
    np.testing.assert_array_equal(gradient(partial(focal, classes=classes), moved)[neither], 0)


def test_the_sums_of_images_add_up_to_the_loss_of_the_batch() -> None:
    logits, classes = example(8, images=5)
    codes = np.random.default_rng(8).normal(size=(*classes.shape, 4)).astype(np.float32)
    for whole, parts in (
        (focal(logits, classes), focal_sums(logits, classes)),
        (smooth_l1(codes, 0 * codes, classes), smooth_l1_sums(codes, 0 * codes, classes)),
    ):
        assert parts.shape == (5,)
        assert float(whole * positives(classes)) == pytest.approx(float(tf.reduce_sum(parts)), rel=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_losses_of_half_precision_are_computed_in_full(dtype: str) -> None:
    logits, classes = example(9, anchors=200)
    half = tf.cast(logits, dtype)
    assert focal(half, classes).dtype == tf.float32
    assert float(focal(half, classes)) == float(focal(tf.cast(half, tf.float32), classes))
    assert smooth_l1(half, np.zeros_like(logits), classes).dtype == tf.float32


def test_xla_computes_the_same() -> None:
    logits, classes = example(10, anchors=300)

    def both(logits: tf.Tensor, classes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            loss = focal(logits, classes)
        return loss, tape.gradient(loss, logits)

    loss, found = tf.function(both, jit_compile=True, autograph=False)(tf.constant(logits), tf.constant(classes))
    assert float(loss) == pytest.approx(focal_by_formula(logits, classes), rel=1e-5)
    np.testing.assert_allclose(found, gradient(partial(focal, classes=classes), logits), rtol=1e-4, atol=1e-7)
