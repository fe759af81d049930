"""Networks that are planned behind a backbone of Keras."""

import keras

from rl_nas.child.network.keras_backbone import PREFIX, KerasBackbone
from rl_nas.child.network.keras_model import build_model, initialize, planned_outputs
from rl_nas.networks.plan import Plan


def build_network(
    plan: Plan,
    backbone: KerasBackbone | None = None,
    *,
    seed: int = 0,
    name: str = "child",
    freeze: str = "none",
) -> keras.Model:
    """Builds a network that reads images.

    Args:
        plan: of the network; or of the part that reads feature maps.
        backbone: that computes these from images; None: the plan is the whole network.
        seed: as in `build_model`, of the backbone's dropout too.
        name: of the model.
        freeze: what is not trained of the Keras backbone: `none`; `norm`, batch normalization, which uses its averages;
            `backbone`, all of it.

    Returns:
        A functional model from float images [batch, height, width, channels] to the plan's outputs. The names of the
        backbone's layers begin with `backbone.`.
    """
    if backbone is None:
        return build_model(plan, seed=seed, name=name)
    image = keras.Input(backbone.image_shape, name="image")
    model = keras.Model(image, planned_outputs(plan, backbone.attach(image, seed), seed=seed), name=name)
    initialize(model, plan, seed)
    for layer in model.layers:
        norm = isinstance(layer, keras.layers.BatchNormalization)
        if layer.name.startswith(PREFIX) and (freeze == "backbone" or (freeze == "norm" and norm)):
            layer.trainable = False
    return model
