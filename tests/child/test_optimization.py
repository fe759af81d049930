"""Schedules, optimizers, smoothed labels and averages against the formulas of the papers."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from rl_nas.child.data.augmentation import augment
from rl_nas.child.data.settings import AugmentSettings
from rl_nas.child.training.optimization import Average, learning_rate, make_optimizer
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.errors import UsageError
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


@pytest.mark.parametrize("final", [0.0, 0.1])
def test_poly_is_a_power_of_the_fraction_that_is_left(final: float) -> None:
    """0.007 (1 - step / 30,000)^0.9, as DeepLabv3 was trained (Chen et al. 2017, section 4.1), if it ends at 0."""
    settings = TrainingSettings(learning_rate=0.007, schedule="poly", final_rate=final)
    rate = learning_rate(settings, batch=16, steps=30_000)
    for step in (0, 1, 10_000, 29_999, 30_000):
        power = (1 - step / 30_000) ** 0.9
        assert float(rate(step)) == pytest.approx(0.007 * (final + (1 - final) * power), rel=1e-4, abs=1e-9)
    line = learning_rate(TrainingSettings(learning_rate=0.5, schedule="poly", poly_power=1.0), batch=1, steps=100)
    assert float(line(25)) == pytest.approx(0.375)


def test_the_steps_of_retinanet() -> None:
    """0.01, divided by 10 at 60,000 and again at 80,000 of 90,000 steps (Lin et al. 2017, section 4.1)."""
    settings = TrainingSettings(epochs=90, learning_rate=0.01, schedule="step", step_epochs="60,80")
    rate = learning_rate(settings, batch=16, steps=90_000)
    for first, last, expected in ((0, 59_999, 1e-2), (60_000, 79_999, 1e-3), (80_000, 89_999, 1e-4)):
        assert float(rate(first)) == float(rate(last)) == pytest.approx(expected)
        assert float(rate(tf.constant(last, tf.int64))) == float(rate(last))  # the type of an optimizer's counter


@given(st.sets(st.integers(1, 1199), min_size=1, max_size=5), st.floats(0.01, 1), st.integers(0, 1199))
def test_steps_fall_by_a_factor_each_time_an_epoch_is_reached(places: set[int], factor: float, step: int) -> None:
    """Tenths of epochs of 10 steps, in any number."""
    text = ",".join(str(place / 10) for place in sorted(places))
    settings = TrainingSettings(epochs=120, learning_rate=0.5, schedule="step", step_epochs=text, step_factor=factor)
    expected = 0.5 * factor ** sum(place <= step for place in places)
    assert float(learning_rate(settings, batch=1, steps=1200)(step)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("text", ["", "60,", "80,60", "60,60", "0,60", "-1", "a", "nan", "5,inf", "5;8"])
def test_steps_that_do_not_rise_are_one_line(text: str) -> None:
    message = f"--step_epochs={text}: expected rising numbers of epochs above 0, such as 60,80"
    for schedule in ("step", "cosine"):
        with pytest.raises(UsageError) as raised:
            TrainingSettings(schedule=schedule, epochs=90, step_epochs=text)
        assert str(raised.value) == message


def test_steps_are_needed_by_their_schedule_and_within_its_epochs() -> None:
    with pytest.raises(UsageError, match="--schedule=step needs --step_epochs: give the epochs"):
        TrainingSettings(schedule="step")
    with pytest.raises(UsageError, match="--step_epochs=8,12: expected numbers below 12, the epochs"):
        TrainingSettings(schedule="step", step_epochs="8,12", epochs=12)
    TrainingSettings(schedule="cosine", step_epochs="8,12", epochs=12)  # as other schedules' flags


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


RULES = {
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.8),
    "nesterov": lambda rate: keras.optimizers.SGD(rate, momentum=0.8, nesterov=True),
    "rmsprop": lambda rate: keras.optimizers.RMSprop(rate, rho=0.7, momentum=0.8, epsilon=0.1),
    "adam": lambda rate: keras.optimizers.Adam(rate, beta_1=0.8, beta_2=0.99, epsilon=1e-6),
    "adamw": lambda rate: keras.optimizers.AdamW(rate, weight_decay=0.3, beta_1=0.8, beta_2=0.99, epsilon=1e-6),
}
SETTINGS = TrainingSettings(
    schedule="poly", learning_rate=0.1, momentum=0.8, rms_decay=0.7, rms_epsilon=0.1, adam_beta2=0.99, adam_epsilon=1e-6
)


@pytest.mark.parametrize("factor", [1.0, 0.1])
@pytest.mark.parametrize("rule", RULES)
def test_one_vector_is_updated_as_keras_updates_variables_of_two_learning_rates(rule: str, factor: float) -> None:
    """A kernel and a bias of the backbone, a kernel and a bias of the head; only kernels decay."""
    rng = np.random.default_rng(3)
    shapes, steps = [(3, 4), (4,), (4, 2), (2,)], 12
    parts = [keras.Variable(rng.normal(size=shape).astype(np.float32)) for shape in shapes]
    sizes = [int(np.prod(shape)) for shape in shapes]
    flat = keras.Variable(np.concatenate([np.ravel(v.numpy()) for v in parts]))
    settings = replace(SETTINGS, optimizer="sgd" if rule == "nesterov" else rule, nesterov=rule == "nesterov")
    ours = make_optimizer(
        replace(settings, weight_decay=0.3),
        batch=1,
        steps=steps,
        is_kernel=np.repeat(np.array([1, 0, 1, 0], np.float32), sizes),
        factors=None if factor == 1 else np.repeat(np.array([factor, factor, 1, 1], np.float32), sizes),
    )
    theirs = []
    for first, own in ((0, factor), (2, 1.0)):
        theirs.append(RULES[rule](learning_rate(replace(settings, learning_rate=0.1 * own), batch=1, steps=steps)))
        if rule == "adamw":
            theirs[-1].exclude_from_weight_decay(var_list=[parts[first + 1]])
        theirs[-1].build(parts[first : first + 2])
    ours.build([flat])
    for _ in range(steps):
        gradients = [tf.constant(rng.normal(size=shape), tf.float32) for shape in shapes]
        ours.apply([tf.concat([tf.reshape(g, [-1]) for g in gradients], axis=0)])
        theirs[0].apply(gradients[:2])
        theirs[1].apply(gradients[2:])
        expected = np.concatenate([np.ravel(v.numpy()) for v in parts])
        np.testing.assert_allclose(flat.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_decoupled_decay_shrinks_kernels_whatever_their_gradients() -> None:
    """Without a gradient Adam's step is 0: weight *= 1 - rate * decay, which is no part of the L2 term of adam."""
    settings = replace(SETTINGS, optimizer="adamw", weight_decay=0.5, schedule="cosine")
    ours = make_optimizer(settings, batch=1, steps=10, is_kernel=np.array([1, 0], np.float32))
    weights, expected = keras.Variable(np.array([2.0, 2.0], np.float32)), 2.0
    ours.build([weights])
    for step in range(3):
        ours.apply([tf.zeros([2])])
        expected *= 1 - 0.1 * (1 + np.cos(np.pi * step / 10)) / 2 * 0.5
    np.testing.assert_allclose(weights.numpy(), [expected, 2.0], rtol=1e-6)


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
