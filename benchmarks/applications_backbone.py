"""Trains MobileNetV2 of keras.applications as a classifier, and writes its features for `--backbone=FILE.keras`.

    python benchmarks/applications_backbone.py --dataset=cifar10 --width=0.5 --epochs=5 --out=mobilenet.keras

What a user has without a search: the network of a library (Sandler et al. 2018), trained by Keras' own fit on the same
data set, by the recipe of flags/cifar10_backbone.cfg. It is cut after the last layer of stride 16.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from frame import Table, run
from lite0_backbone import check_out
from random_children import tensorflow_with_threads

from rl_nas.child.data.settings import DataSettings
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.store.files import write_atomically

if TYPE_CHECKING:
    from rl_nas.child.data.images import ImageData

_CUT = "block_13_expand_relu"
"""The last layer of stride 16."""
_MOMENTUM = 0.9
"""Of moving averages in batch normalization, as in our networks: the library's 0.999 needs thousands of steps."""
_MARGIN = 1 / 8
"""Most shift of a training image, of its side."""


@dataclass(frozen=True)
class BackboneSettings(Settings):
    """What is trained and written."""

    title: ClassVar[str] = "Backbone"

    width: float = setting(0.5, "multiplier of MobileNetV2's filters", above=0)
    epochs: int = setting(5, "passes over the training images", minimum=1)
    batch_size: int = setting(128, "images in a train step", minimum=1)
    learning_rate: float = setting(0.1, "the first, of half a cosine", above=0)
    weight_decay: float = setting(5e-4, "of the optimizer", minimum=0)
    threads: int = setting(1, "CPU threads", minimum=1)
    out: str = setting("mobilenet.keras", "file to write")


COMMAND = Command(
    name="python benchmarks/applications_backbone.py",
    summary="trains MobileNetV2 of keras.applications as a classifier, as a backbone.",
    examples=("python benchmarks/applications_backbone.py --dataset=cifar10 --epochs=5 --out=mobilenet.keras",),
    groups=(BackboneSettings, DataSettings),
)


def main(argv: Sequence[str]) -> int:
    """Writes the file; returns the exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings, out = parsed.group(BackboneSettings), Path(parsed.group(BackboneSettings).out)
    check_out(out)
    tensorflow_with_threads(settings.threads)
    columns = {"parameters of the backbone": "{:,}".format, "accuracy": "{:.4f}".format, "seconds": "{:,.0f}".format}
    return Table(columns, _rows(settings, parsed.group(DataSettings), out))


def _rows(settings: BackboneSettings, data: DataSettings, out: Path) -> Iterator[tuple[Any, ...]]:
    import keras

    from rl_nas.child.data.images import load_images
    from rl_nas.tasks.sources import open_source

    keras.utils.set_random_seed(0)
    images = load_images(open_source(data, "classification").source)
    backbone, classifier = networks(settings.width, images.classes)
    started = time.monotonic()
    accuracy = _train(classifier, images, settings)
    write_atomically(out, backbone.save)
    yield backbone.count_params(), accuracy, time.monotonic() - started


def networks(width: float, classes: int) -> tuple[Any, Any]:
    """Two models with common layers, of images [batch, height, width, 3] with pixels of 0 to 255.

    Args:
        width: multiplier of the filters.
        classes: of the classifier.

    Returns:
        The backbone, from images to features of stride 16; the classifier, from images to logits [batch, classes].
    """
    import keras

    image = keras.Input((None, None, 3), name="image")
    scaled = keras.layers.Rescaling(1 / 127.5, -1)(image)
    whole = keras.applications.MobileNetV2(input_tensor=scaled, alpha=width, include_top=False, weights=None)
    shorten_averages(whole)
    features = whole.get_layer(_CUT).output
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(image, features, name="mobilenet_v2"), keras.Model(image, keras.layers.Dense(classes)(pooled))


def shorten_averages(model: Any) -> None:
    """Lets batch normalization average over as few steps as in our networks."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = _MOMENTUM


def _train(classifier: Any, images: "ImageData", settings: BackboneSettings) -> float:
    """Trains a classifier; returns its accuracy on the held-out images."""
    import keras
    import tensorflow as tf

    steps = settings.epochs * (len(images.train_images) // settings.batch_size)
    classifier.compile(
        optimizer=keras.optimizers.SGD(
            keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps),
            momentum=0.9,
            nesterov=True,
            weight_decay=settings.weight_decay,
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    change = keras.Sequential(
        [keras.layers.RandomFlip("horizontal"), keras.layers.RandomTranslation(_MARGIN, _MARGIN, "constant")]
    )
    batches = tf.data.Dataset.from_tensor_slices((images.train_images, images.train_targets))
    batches = batches.shuffle(len(images.train_images), seed=0).batch(settings.batch_size, drop_remainder=True)
    batches = batches.map(lambda image, label: (change(tf.cast(image, tf.float32), training=True), label))
    classifier.fit(batches.prefetch(2), epochs=settings.epochs, shuffle=False, verbose=0)
    held_out = tf.data.Dataset.from_tensor_slices((images.valid_images, images.valid_targets))
    return float(classifier.evaluate(held_out.batch(512), verbose=0, return_dict=True)["accuracy"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
