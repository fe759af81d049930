"""Exports that are not what was trained, or that need rl_nas, are found out; images of any size are resized."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.data.normalization import Normalization
from rl_nas.child.export.serving import Agreement, parts_of
from rl_nas.child.export.verification import verify
from rl_nas.child.export.writers import write_checked_saved_model, write_saved_model
from rl_nas.child.network.keras_layers import ScheduledDropPath, TrainingFractionLayer
from rl_nas.errors import RunError, UsageError
from rl_nas.tasks.classification.serving import Classifier

IMAGES = np.random.default_rng(0).integers(0, 255, (20, 8, 8, 3), np.uint8)
LABELS = np.arange(20) % 4
NAMES = ("a", "b", "c", "d")


def network(seed: int, size: int = 8) -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            keras.layers.Conv2D(4, 3, kernel_initializer=keras.initializers.HeNormal(seed=seed)),
            keras.layers.Flatten(),
            keras.layers.Dense(4, kernel_initializer=keras.initializers.HeNormal(seed=seed + 1)),
        ],
        name="network",
    )


def classifier(seed: int = 0, *, size: int = 8, middle: bool = False) -> Classifier:
    return Classifier(
        "classification", network(seed, size), Normalization((120.0, 100.0, 90.0), (60.0, 50.0, 70.0)), NAMES, middle
    )


def predicted(serving: Classifier) -> dict[str, np.ndarray]:
    return {name: np.asarray(values) for name, values in serving.predictions(tf.constant(IMAGES)).items()}


@pytest.mark.long
def test_another_network_is_found_out(tmp_path: Path) -> None:
    ours, other = classifier(0), classifier(5)
    write_saved_model(other, tmp_path / "model")
    right = verify("saved_model", tmp_path / "model", IMAGES, LABELS, predicted(other), other.compare)
    assert right.figures["max_difference"] < 1e-5
    assert right.figures["top1_agreement"] == 1.0
    with pytest.raises(RunError, match="differs from the network by"):
        verify("saved_model", tmp_path / "model", IMAGES, LABELS, predicted(ours), ours.compare)


class Decided(Classifier):
    """Serves classes alone, as uint8; its export decides the first `ties` images of a call differently."""

    ties = 0

    def predict(self, outputs: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {"class": tf.cast(tf.argmax(outputs["logits"], axis=-1), tf.uint8)}

    def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        decided = self.predictions(self.pixels(images))["class"]
        return {"class": tf.where(tf.range(tf.shape(decided)[0]) < self.ties, decided + 255, decided)}

    def compare(
        self, found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], targets: Any, arithmetic: str
    ) -> Agreement:
        assert arithmetic == "float32"
        assert len(targets) == len(IMAGES)
        same = float(np.mean(found["class"] == expected["class"]))
        return Agreement({"same_class": same}, None if same >= 0.9 else "decides differently")


def test_a_searchs_export_agrees_if_its_task_says_so(tmp_path: Path) -> None:
    """One tie in each of two batches; a difference of classes would be 1, or 255 as uint8."""
    ours, place = Decided("classification", network(0), Normalization.unit(3), NAMES), tmp_path / "model"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Decided, "ties", 1)
        assert write_checked_saved_model(ours, IMAGES, LABELS, place) == {"same_class": 0.9}
    assert (place / "saved_model.pb").exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Decided, "ties", 2)
        with pytest.raises(RunError, match=r"/\.other\.new decides differently; it is left there"):
            write_checked_saved_model(ours, IMAGES, LABELS, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.long
def test_what_needs_rl_nas_is_found_out(tmp_path: Path) -> None:
    image = keras.Input((8, 8, 3), dtype="uint8")
    x = keras.layers.Rescaling(1.0)(image)
    x = ScheduledDropPath(0.5)(x, TrainingFractionLayer(5)(x))
    model = keras.Model(image, keras.layers.Softmax()(keras.layers.Flatten()(x)))
    model.save(tmp_path / "model.keras")
    expected = {"probabilities": np.asarray(model(IMAGES))}
    with pytest.raises(RunError, match="cannot be used without rl_nas"):
        verify("keras", tmp_path / "model.keras", IMAGES, LABELS, expected, classifier().compare)


def test_a_model_is_taken_apart_into_what_it_was_made_of(tmp_path: Path) -> None:
    ours = classifier()
    ours.keras_model().save(tmp_path / "model.keras")
    again = Classifier("classification", *parts_of(keras.models.load_model(tmp_path / "model.keras")), NAMES)
    again.check()
    np.testing.assert_allclose(again.normalization, ours.normalization, rtol=1e-6)
    np.testing.assert_allclose(predicted(again)["probabilities"], predicted(ours)["probabilities"], atol=1e-6)
    with pytest.raises(UsageError, match="4 classes; 2 names"):
        Classifier("classification", *parts_of(ours.keras_model()), ("a", "b")).check()
    with pytest.raises(UsageError, match=r"expected the model\.keras of a training"):
        parts_of(network(0))


def test_a_model_whose_layers_have_earlier_names_is_taken_apart() -> None:
    ours = classifier()
    mean, variance = np.array(ours.normalization.mean), np.square(ours.normalization.deviation)
    image = keras.Input(ours.image_shape, dtype="uint8")
    numbers = keras.layers.Normalization(mean=mean, variance=variance, name="whiten")(image)
    _, normalization = parts_of(keras.Model(image, keras.layers.Softmax()(ours.network(numbers))))
    np.testing.assert_allclose(normalization, ours.normalization, rtol=1e-6)


def test_images_of_any_size_are_resized_as_in_the_training() -> None:
    ours = classifier()
    np.testing.assert_array_equal(ours.pixels(tf.constant(IMAGES)), IMAGES)  # of its own size: as they are
    large = np.random.default_rng(1).integers(0, 255, (2, 37, 21, 3), np.uint8)
    resized = tf.cast(tf.round(tf.image.resize(large, (8, 8), antialias=True)), tf.uint8)
    np.testing.assert_array_equal(ours.pixels(tf.constant(large)), resized)


def test_after_inceptions_crops_the_middle_is_served(tmp_path: Path) -> None:
    ours = classifier(size=7, middle=True)
    images = np.zeros((1, 8, 8, 3), np.uint8)
    images[:, 1:-1, 1:-1] = 200
    # The middle 87.5 % of 8 pixels are 7 or 8 of them: the frame shrinks.
    assert float(tf.reduce_mean(ours.pixels(images))) >= images.mean()
    write_saved_model(ours, tmp_path / "model")
    loaded = tf.saved_model.load(tmp_path / "model")
    served = loaded.serve(np.repeat(images, 3, axis=0))
    np.testing.assert_allclose(served["probabilities"][1:], served["probabilities"][:-1], atol=1e-6)
    assert served["label"].numpy()[0].decode() in NAMES
