"""Evidence and gradients of the objective of segmentation."""

from collections.abc import Sequence

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.training.objective import add_up
from rl_nas.errors import UsageError
from rl_nas.tasks.segmentation import losses
from rl_nas.tasks.segmentation.metric import SegmentationMetric
from rl_nas.tasks.segmentation.objective import SegmentationObjective
from rl_nas.tasks.segmentation.settings import SegmentationSettings

IGNORE = 255
CLASSES = 5
NAMES = tuple("abcde")


def objective(weights: Sequence[float] | None = None, **settings: object) -> SegmentationObjective:
    return SegmentationObjective(SegmentationSettings(**settings), CLASSES, weights)


def masks(seed: int, images: int = 7) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    """Random targets with pixels that are not labeled, two of them of a number that is no class, and logits."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, CLASSES + 1, (images, 4, 6)).astype(np.uint8)
    targets[targets == CLASSES] = IGNORE
    targets[0, 0, :2] = (CLASSES, 254)
    return tf.constant(targets), {"logits": tf.constant(rng.normal(size=(images, 4, 6, CLASSES)), tf.float32)}


def by_hand(targets: tf.Tensor, outputs: dict[str, tf.Tensor], weights: np.ndarray) -> tuple[np.ndarray, float]:
    """The confusion matrix and the sum of cross-entropies, pixel by pixel."""
    confusion, total = np.zeros((CLASSES, CLASSES), np.int64), 0.0
    for index in np.ndindex(*targets.shape):
        target, z = int(targets[index]), outputs["logits"][index].numpy().astype(np.float64)
        if target < CLASSES and weights[index[0]]:
            confusion[target, z.argmax()] += 1
            total += np.log(np.exp(z).sum()) - z[target]
    return confusion, total


def test_the_evidence_is_that_of_counting_by_hand() -> None:
    targets, outputs = masks(0)
    weights = np.array([1, 1, 0, 1, 0, 1, 1], np.float32)
    evidence = objective().evidence(targets, outputs, tf.constant(weights))
    confusion, total = by_hand(targets, outputs, weights)
    np.testing.assert_array_equal(evidence["confusion"], confusion)
    assert float(evidence["loss"]) == pytest.approx(total, rel=1e-6)
    assert (evidence["confusion"].dtype, evidence["loss"].dtype) == (tf.int64, tf.float64)


def test_filling_images_count_for_nothing_whatever_they_hold() -> None:
    targets, outputs = masks(1)
    whole = objective().evidence(targets, outputs, tf.ones(7))
    filled = {"logits": tf.concat([outputs["logits"], tf.fill([2, 4, 6, CLASSES], np.nan)], axis=0)}
    padded = tf.concat([targets, tf.zeros([2, 4, 6], tf.uint8)], axis=0)
    again = objective().evidence(padded, filled, tf.constant([1.0] * 7 + [0.0] * 2))
    np.testing.assert_array_equal(again["confusion"], whole["confusion"])
    assert float(again["loss"]) == pytest.approx(float(whole["loss"]))


def test_batches_and_replicas_of_any_size_give_the_same_figures() -> None:
    one, (targets, outputs) = objective(), masks(2, images=12)
    expected = SegmentationMetric(NAMES)
    add_up(expected, one.evidence(targets, outputs, tf.ones(12)))
    for size in (1, 5, 12):
        metric = SegmentationMetric(NAMES)
        for start in range(0, 12, size):
            part = slice(start, start + size)
            logits = outputs["logits"][part]
            add_up(metric, one.evidence(targets[part], {"logits": logits}, tf.ones(len(logits))))
        assert metric.result() == pytest.approx(expected.result(), rel=1e-6)
    assert not one.joined, "evidence of replicas is added up"


def test_the_evidence_of_a_graph_is_the_same() -> None:
    one, (targets, outputs) = objective(), masks(3)
    eager = one.evidence(targets, outputs, tf.ones(7))
    for compiled in (False, True):
        graph = tf.function(one.evidence, autograph=False, jit_compile=compiled)(targets, outputs, tf.ones(7))
        np.testing.assert_array_equal(graph["confusion"], eager["confusion"])
        assert float(graph["loss"]) == pytest.approx(float(eager["loss"]))


def test_the_loss_of_evidence_is_the_cross_entropy_whatever_is_trained() -> None:
    targets, outputs = masks(4)
    for kind in ("cross_entropy", "focal", "dice"):
        metric = SegmentationMetric(NAMES)
        add_up(metric, objective([1, 2, 3, 4, 5], loss=kind).evidence(targets, outputs, tf.ones(7)))
        expected = float(losses.cross_entropy(targets, outputs["logits"]))
        assert metric.result()["loss"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["cross_entropy", "focal", "dice"])
def test_the_gradient_is_that_of_the_chosen_loss(kind: str) -> None:
    targets, outputs = masks(5)
    weights = [0.5, 1.0, 2.0, 0.0, 1.0]
    with tf.GradientTape() as tape:
        tape.watch(outputs["logits"])
        expected = getattr(losses, kind)(targets, outputs["logits"], weights)
    loss, gradients = objective(weights, loss=kind).loss(targets, outputs)
    assert gradients.keys() == outputs.keys()
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    np.testing.assert_allclose(gradients["logits"], tape.gradient(expected, outputs["logits"]), rtol=1e-4, atol=1e-8)


def test_gamma_is_that_of_the_settings() -> None:
    targets, outputs = masks(6)
    for gamma in (0.0, 1.0, 5.0):
        loss, _ = objective(loss="focal", focal_gamma=gamma).loss(targets, outputs)
        assert float(loss) == pytest.approx(float(losses.focal(targets, outputs["logits"], gamma=gamma)))


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_only_the_ratios_of_class_weights_count(scale: float) -> None:
    targets, outputs = masks(7)
    expected, _ = objective([1, 2, 3, 4, 5]).loss(targets, outputs)
    loss, gradients = objective([scale * weight for weight in (1, 2, 3, 4, 5)]).loss(targets, outputs)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    assert np.isfinite(gradients["logits"]).all()


def test_gradients_of_half_precision_logits_do_not_vanish() -> None:
    targets = tf.zeros([8, 90, 120], tf.uint8)
    logits = tf.zeros([8, 90, 120, CLASSES], tf.float16)
    _, gradients = objective().loss(targets, {"logits": logits})
    right, wrong = np.asarray(gradients["logits"])[0, 0, 0, :2] * 8 * 90 * 120
    assert (right, wrong) == pytest.approx((1 / CLASSES - 1, 1 / CLASSES))


def test_the_accuracy_in_training_is_summed_over_images() -> None:
    targets, outputs = masks(8)
    targets = tf.concat([targets, tf.fill([1, 4, 6], tf.constant(IGNORE, tf.uint8))], axis=0)
    logits = tf.concat([outputs["logits"], outputs["logits"][:1]], axis=0)
    one, expected = objective(), 0.0
    for target, z in zip(targets.numpy(), logits.numpy(), strict=True):
        if (target < CLASSES).any():
            expected += (z.argmax(axis=-1) == target)[target < CLASSES].mean()
    figures = one.figures(targets, {"logits": logits})
    assert figures.keys() == set(one.figure_names)
    assert float(figures["pixel_accuracy"]) == pytest.approx(expected)


def test_masks_are_not_mixed() -> None:
    with pytest.raises(UsageError, match="leave --mixup out"):
        objective().mixable(masks(9)[0])


def test_a_gamma_without_the_focal_loss_is_refused() -> None:
    assert SegmentationSettings(loss="focal", focal_gamma=3.0).focal_gamma == 3
    with pytest.raises(UsageError, match="--focal_gamma=3 has no effect with --loss=cross_entropy; leave it out"):
        SegmentationSettings(focal_gamma=3.0)
