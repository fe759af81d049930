"""Networks of keras.applications as classifiers that are trained from nothing, by the same train steps as ours."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from applications_backbone import shorten_averages

if TYPE_CHECKING:
    from rl_nas.child.network.flat_weights import FlatModel
    from rl_nas.networks.layer import Shape


class Stock(NamedTuple):
    """A network of keras.applications.

    Attributes:
        name: there.
        options: arguments, such as a multiplier of its filters.
        enlarged: by which images are enlarged before it.
        scale: of the normalized pixels that it gets; it divides them again.
    """

    name: str
    options: Mapping[str, Any]
    enlarged: int = 1
    scale: float = 1.0


STOCK = {
    "mobilenet_v2": Stock("MobileNetV2", {"alpha": 0.35}),
    "mobilenet_v2_double": Stock("MobileNetV2", {"alpha": 0.35}, enlarged=2),
    "efficientnet_b0": Stock("EfficientNetB0", {}, scale=255.0),
}
"""Name in the table -> the network: the smallest official ones, one of them on images twice as large as well."""


def classifier(stock: Stock, shape: "Shape", classes: int, seed: int) -> Any:
    """A Keras model from normalized images to `logits`.

    Args:
        stock: the network.
        shape: height, width and channels of the images.
        classes: to tell apart.
        seed: of the initial weights.
    """
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    image = keras.Input(shape, name="image")
    height, width, _ = shape
    larger = layers.Resizing(height * stock.enlarged, width * stock.enlarged)(image) if stock.enlarged > 1 else image
    scaled = layers.Rescaling(stock.scale)(larger)
    make = getattr(keras.applications, stock.name)
    whole = make(input_tensor=scaled, include_top=False, weights=None, **stock.options)
    shorten_averages(whole)
    logits = layers.Dense(classes, name="logits")(layers.GlobalAveragePooling2D()(whole.output))
    return keras.Model(image, {"logits": logits})


def flat(model: Any) -> "FlatModel":
    """A Keras model as our train steps train it."""
    from rl_nas.child.network.flat_weights import FlatKerasModel

    return FlatKerasModel(model)


def multiply_adds(model: Any) -> int:
    """Multiply-adds of a functional model's convolutions and dense layers for one image."""
    import keras

    from rl_nas.child.network.keras_graph import Call

    calls = (Call(one, one, keras.tree.flatten(one.input), keras.tree.flatten(one.output)) for one in model.layers)
    return sum(call.madds for call in calls)
