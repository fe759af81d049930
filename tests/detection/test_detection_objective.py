"""Evidence and gradients of the objective of detection."""

from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from random_boxes import random_boxes

from rl_nas.errors import UsageError
from rl_nas.tasks.detection import losses
from rl_nas.tasks.detection.anchors import Anchors, octave
from rl_nas.tasks.detection.boxes import encode
from rl_nas.tasks.detection.matching import match, matched_boxes, matched_labels
from rl_nas.tasks.detection.objective import DetectionObjective
from rl_nas.tasks.detection.predict_settings import Suppression
from rl_nas.tasks.detection.settings import DetectionSettings
from rl_nas.tasks.detection.suppression import detections

SIZE, CLASSES, MOST = (64, 96), 3, 5
ANCHORS = Anchors({8: (8, 12), 16: (4, 6)}, octave((12, 24))).boxes

Example = tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]


@cache  # each compiles its loss
def objective(**settings: float) -> DetectionObjective:
    return DetectionObjective(DetectionSettings(**settings), ANCHORS, SIZE)


def example(seed: int, images: int = 6) -> Example:
    """Targets of images, the first without boxes, and outputs."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, CLASSES, (images, MOST)).astype(np.int32)
    labels[0] = -1
    boxes = random_boxes(rng, images, MOST, within=64) * (labels >= 0)[..., np.newaxis]
    targets = {
        "boxes": boxes,
        "labels": labels,
        "ignore": rng.random((images, MOST)) < 0.2,
        "area": rng.uniform(1, 9, (images, MOST)).astype(np.float32),
        "size": rng.integers(50, 90, (images, 2)).astype(np.float32),
    }
    outputs = {
        "scores": rng.normal(-2, 1, (images, len(ANCHORS), CLASSES)).astype(np.float32),
        "boxes": rng.normal(0, 0.5, (images, len(ANCHORS), 4)).astype(np.float32),
    }
    return {k: tf.constant(v) for k, v in targets.items()}, {k: tf.constant(v) for k, v in outputs.items()}


def parts(
    targets: dict[str, tf.Tensor], outputs: dict[str, tf.Tensor], beta: float = 1.0
) -> tuple[tf.Tensor, tf.Tensor]:
    """The losses of scores and of boxes."""
    matched = match(targets["boxes"], targets["labels"], targets["ignore"], tf.constant(ANCHORS))
    classes = matched_labels(targets["labels"], matched)
    wanted = encode(matched_boxes(targets["boxes"], matched), ANCHORS)
    return losses.focal(outputs["scores"], classes), losses.smooth_l1(outputs["boxes"], wanted, classes, beta=beta)


def image_of(number: int, both: Example) -> Example:
    targets, outputs = ({name: value[number : number + 1] for name, value in one.items()} for one in both)
    return targets, outputs


def test_loss_and_gradients_are_those_of_scores_and_boxes() -> None:
    for weight, beta in ((50.0, 0.1), (0.0, 1.0)):
        targets, outputs = example(0)
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            of_scores, of_boxes = parts(targets, outputs, beta)
            expected = of_scores + weight * of_boxes
        loss, gradients = objective(box_loss_weight=weight, box_loss_beta=beta).loss(targets, outputs)
        assert float(loss) == pytest.approx(float(expected), rel=1e-5)
        assert gradients.keys() == outputs.keys()
        for name, gradient in tape.gradient(expected, outputs).items():
            np.testing.assert_allclose(gradients[name], gradient, rtol=1e-4, atol=1e-7)


def test_the_loss_is_the_same_eagerly_in_a_graph_and_compiled() -> None:
    targets, outputs = example(1)
    one = objective()
    expected, gradients = one.loss(targets, outputs)
    for compiled in (False, True):
        loss, again = tf.function(one.loss, autograph=False, jit_compile=compiled)(targets, outputs)
        assert float(loss) == pytest.approx(float(expected), rel=1e-6)
        for name, gradient in gradients.items():
            np.testing.assert_allclose(again[name], gradient, rtol=1e-5, atol=1e-8)


def test_images_without_boxes_have_a_loss_of_scores_and_finite_gradients() -> None:
    targets, outputs = image_of(0, example(2))
    assert (targets["labels"].numpy() < 0).all()
    loss, gradients = objective().loss(targets, outputs)
    assert float(loss) == pytest.approx(float(parts(targets, outputs)[0]), rel=1e-5)
    assert (gradients["scores"].numpy() > 0).all(), "all scores fall"
    np.testing.assert_array_equal(gradients["boxes"], 0)


def test_gradients_of_half_precision_outputs_are_full() -> None:
    targets, outputs = example(3)
    half = {name: tf.cast(value, tf.float16) for name, value in outputs.items()}
    full = {name: tf.cast(value, tf.float32) for name, value in half.items()}
    loss, gradients = objective().loss(targets, half)
    expected, same = objective().loss(targets, full)
    assert loss.dtype == gradients["scores"].dtype == gradients["boxes"].dtype == tf.float32
    assert float(loss) == float(expected)
    for name, gradient in same.items():
        np.testing.assert_array_equal(gradients[name], gradient)


def test_training_on_one_batch_finds_its_boxes() -> None:
    """Steps along the gradient alone lead from noise to detections of every box."""
    targets, outputs = image_of(1, example(4))
    boxes = np.array([[[8, 8, 24, 24], [20, 50, 44, 74], [40, 8, 60, 30], [0, 0, 0, 0], [0, 0, 0, 0]]], np.float32)
    labels = np.array([[0, 1, 2, -1, -1]], np.int32)
    targets |= {"boxes": tf.constant(boxes), "labels": tf.constant(labels), "ignore": tf.zeros([1, MOST], tf.bool)}
    one = objective()
    for _ in range(300):
        _, gradients = one.loss(targets, outputs)
        outputs = {name: value - 5 * gradients[name] for name, value in outputs.items()}
    found = one.evidence(targets, outputs, tf.ones(1))
    order = np.argsort(found["classes"][0, :3])
    assert (found["scores"][0, :3].numpy() > 0.5).all()
    assert found["classes"].numpy()[0, order].tolist() == [0, 1, 2]
    np.testing.assert_allclose(found["boxes"].numpy()[0, order], boxes[0, :3], atol=0.5)


def test_evidence_is_detections_targets_and_the_loss_of_each_image() -> None:
    targets, outputs = both = example(5)
    weights = tf.constant([1, 1, 0, 1, 0, 1], tf.float32)
    one = objective()
    evidence = one.evidence(targets, outputs, weights)
    for name, value in detections(outputs["scores"], outputs["boxes"], ANCHORS, SIZE, Suppression()).items():
        np.testing.assert_array_equal(evidence[name], value)
    for name in ("boxes", "labels"):
        np.testing.assert_array_equal(evidence[f"true_{name}"], targets[name])
    for name in ("ignore", "area", "size"):
        np.testing.assert_array_equal(evidence[name], targets[name])
    np.testing.assert_array_equal(evidence["weight"], weights)
    expected = sum(float(sum(parts(*image_of(number, both)))) for number in (0, 1, 3, 5))
    assert evidence["loss"].dtype == tf.float64
    assert float(evidence["loss"]) == pytest.approx(expected, rel=1e-5)
    assert one.joined == evidence.keys() - {"loss"}, "every other has an entry per image"
    assert all(len(evidence[name]) == 6 for name in one.joined)


def test_filling_images_change_nothing_whatever_they_hold() -> None:
    targets, outputs = example(6)
    expected = objective().evidence(targets, outputs, tf.ones(6))
    filled = {
        name: tf.concat([value, tf.fill([2, *value.shape[1:]], np.nan)], axis=0) for name, value in outputs.items()
    }
    padded = {name: tf.concat([value, value[:2]], axis=0) for name, value in targets.items()}
    evidence = objective().evidence(padded, filled, tf.constant([1.0] * 6 + [0.0] * 2))
    for name, value in expected.items():
        np.testing.assert_array_equal(evidence[name] if name == "loss" else evidence[name][:6], value)


def test_evidence_does_not_depend_on_the_batches() -> None:
    both = example(7)
    whole = objective().evidence(*both, tf.ones(6))
    single = [objective().evidence(*image_of(number, both), tf.ones(1)) for number in range(6)]
    for name, value in whole.items():
        joined = sum(one[name] for one in single) if name == "loss" else np.concatenate([one[name] for one in single])
        np.testing.assert_allclose(joined, value, rtol=1e-5, atol=1e-5)


def test_the_evidence_of_a_graph_is_the_same_for_any_number_of_images() -> None:
    targets, outputs = example(8)
    one = objective()
    specs = [
        {name: tf.TensorSpec([None, *value.shape[1:]], value.dtype) for name, value in each.items()}
        for each in (targets, outputs)
    ]
    graph = tf.function(one.evidence, autograph=False, input_signature=[*specs, tf.TensorSpec([None])])
    for name, value in graph(targets, outputs, tf.ones(6)).items():
        np.testing.assert_allclose(value, one.evidence(targets, outputs, tf.ones(6))[name], rtol=1e-5, atol=1e-5)


def test_there_are_no_figures_in_training() -> None:
    assert objective().figures(*example(10)) == {}
    assert objective().figure_names == ()


def test_boxes_are_not_mixed() -> None:
    with pytest.raises(UsageError, match="boxes cannot be mixed; leave --mixup out"):
        objective().mixable(example(11)[0])


@pytest.mark.parametrize("setting", [{"box_loss_weight": -1.0}, {"box_loss_beta": 0.0}])
def test_settings_outside_their_bounds_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"--{next(iter(setting))}="):
        DetectionSettings(**setting)
