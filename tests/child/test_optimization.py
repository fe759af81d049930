"""Schedules, optimizers, smoothed labels and averages against the formulas of the papers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.data.augmentation import augment
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.training.optimization import Average, learning_rate, make_optimizer
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.tasks.classification.objective import cross_entropy

EPOCH = 1_281_167 // 1600
"""Steps of an ImageNet epoch in batches of 50 workers with 32 images."""


def test_the_cosine_of_nasnet_on_cifar() -> None:
    settings = TrainingSettings(epochs=600, batch_size=32, learning_rate=0.025)
    rate = learning_rate(settings, batch=32, steps=937_500)
    for step in (0, 1, 234_375, 468_750, 900_000, 937_500):
        expected = 0.025 * (1 + np.cos(np.pi * step / 937_500)) / 2
        assert float(rate(step)) == pytest.approx(expected, rel=1e-4, abs=1e-8)


def test_the_restarts_of_enas() -> None:
    """0.05 to 0.0005 along 10, 20, 40 and 80 epochs, 150 in all (Pham et al. 2018, section 3.2)."""
    settings = TrainingSettings(
        epochs=150, learning_rate=0.05, schedule="cosine_restarts", final_rate=0.01, restart_epochs=10, restart_growth=2
    )
    rate = learning_rate(settings, batch=160, steps=150 * 281)
    for start, length in ((0, 10), (10, 20), (30, 40), (70, 80)):
        for share in (0.0, 0.25, 0.5, 0.999):
            step = round((start + share * length) * 281)
            cosine = (1 + np.cos(np.pi * (step / 281 - start) / length)) / 2
            assert float(rate(step)) == pytest.approx(0.0005 + (0.05 - 0.0005) * cosine, rel=1e-3)


def test_the_staircase_of_nasnet_on_imagenet() -> None:
    settings = TrainingSettings(
        epochs=300, learning_rate=0.04, learning_rate_batch=32, batch_size=1600, schedule="exponential"
    )
    rate = learning_rate(settings, batch=1600, steps=300 * EPOCH)
    assert float(rate(0)) == pytest.approx(0.04 * 50)
    for step in (int(2.4 * EPOCH) - 1, int(2.4 * EPOCH) + 1, 100 * EPOCH + 7, 299 * EPOCH):
        assert float(rate(step)) == pytest.approx(2.0 * 0.97 ** (step // (2.4 * EPOCH)), rel=1e-4)


def test_a_warm_up_is_a_line_that_does_not_shift_the_schedule() -> None:
    settings = TrainingSettings(epochs=10, learning_rate=1.0)
    plain = learning_rate(settings, batch=1, steps=1000)
    warm = learning_rate(TrainingSettings(epochs=10, learning_rate=1.0, warmup_epochs=3), batch=1, steps=1000)
    assert float(warm(0)) == 0.0
    assert float(warm(150)) == pytest.approx(0.5 * float(plain(150)))
    for step in (300, 301, 999):
        assert float(warm(step)) == pytest.approx(float(plain(step)))


def test_rmsprop_is_that_of_the_papers() -> None:
    """mean = 0.9 mean + 0.1 g^2; velocity = 0.9 velocity + rate g / sqrt(mean + 1); weight -= velocity."""
    settings = TrainingSettings(optimizer="rmsprop", learning_rate=0.5, clip_norm=0, schedule="exponential", epochs=1)
    optimizer = make_optimizer(settings, batch=1, steps=100)
    weights = keras.Variable(np.array([1.0, -2.0, 0.5], np.float32))
    optimizer.build([weights])
    expected, mean, velocity = weights.numpy().astype(float), np.zeros(3), np.zeros(3)
    for gradient in np.random.default_rng(0).normal(size=(5, 3)):
        optimizer.apply([tf.constant(gradient, tf.float32)])
        mean = 0.9 * mean + 0.1 * gradient**2
        velocity = 0.9 * velocity + 0.5 * gradient / np.sqrt(mean + 1.0)
        expected -= velocity
    np.testing.assert_allclose(weights.numpy(), expected, rtol=1e-5)


def test_smoothed_labels() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    labels = np.array([0, 1, 2, 3, 0, 1])
    log_probs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    plain = -log_probs[np.arange(6), labels].mean()
    uniform = -log_probs.mean()
    assert float(cross_entropy(tf.constant(labels), tf.constant(logits))[0]) == pytest.approx(plain, rel=1e-5)
    smoothed = float(cross_entropy(tf.constant(labels), tf.constant(logits), 0.1)[0])
    assert smoothed == pytest.approx(0.9 * plain + 0.1 * uniform, rel=1e-5)
    # No logits can make it smaller than the entropy of the smoothed label.
    sure = tf.math.log(tf.constant([[0.925, 0.025, 0.025, 0.025]]))
    entropy = -(0.925 * np.log(0.925) + 3 * 0.025 * np.log(0.025))
    assert float(cross_entropy(tf.constant([0]), sure, 0.1)[0]) == pytest.approx(entropy, rel=1e-5)


@pytest.mark.parametrize("decay", [0.5, 0.9999])
def test_averages_start_fast_and_are_within_what_they_average(decay: float) -> None:
    vector = keras.Variable(np.zeros(1, np.float32), name="vector")
    average, expected = Average(vector, decay), 0.0
    for n, value in enumerate(np.random.default_rng(0).uniform(1, 2, size=40)):
        vector.assign([value])
        average.update(tf.constant(n))
        now = min(decay, (1 + n) / (10 + n))
        expected = now * expected + (1 - now) * value
        assert float(average.value[0]) == pytest.approx(expected, rel=1e-5)
    assert 1.0 < expected < 2.0  # with 0.9999 from the first on it would be below 0.01


def test_cutout_sets_one_square_to_the_mean() -> None:
    images = tf.ones([400, 32, 32, 3])
    cut = augment(images, tf.constant([1, 2], tf.int64), AugmentSettings(cutout=16))[0].numpy() == 0
    assert (cut == cut[..., :1]).all()
    rows, columns = cut[..., 0].any(axis=2).sum(axis=1), cut[..., 0].any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(cut[..., 0].sum(axis=(1, 2)), rows * columns)  # a rectangle
    assert set(rows) == set(range(8, 17))  # the centre is in the image: half of the square at least
    # A side of 32 pixels cut by 16: the first centres give 8, ... 15 rows, 17 give 16, the last 15, ... 9.
    assert rows.mean() == pytest.approx((sum(range(8, 16)) + 17 * 16 + sum(range(9, 16))) / 32, rel=0.03)
