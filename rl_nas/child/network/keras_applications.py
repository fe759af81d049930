"""Weights of keras.applications' NASNet-A for the package's own."""

import re

import keras

from rl_nas.errors import UsageError

_CELL = re.compile(r"(stem\.reduction|reduction|stage)(\d)(?:\.normal(\d+))?\.(.+)")
_BLOCK = re.compile(r"block(\d)\.(left|right)\.sep_\dx\d\.(sep|bn)(_2)?")

_BACKBONE = re.compile(r"stem\.|(reduction|stage)\d")
_OUTSIDE = {"stem.conv": "stem_conv1", "stem.bn": "stem_bn1"}
_CLASSIFIER = "predictions"
_INSIDE = {
    "squeeze.conv": "{kind}_conv_1_{cell}",
    "squeeze.bn": "{kind}_bn_1_{cell}",
    "previous.squeeze.conv": "adjust_conv_projection_{cell}",
    "previous.squeeze.bn": "adjust_bn_{cell}",
    "previous.factorized_reduction.conv_even": "adjust_conv_1_{cell}",
    "previous.factorized_reduction.conv_odd": "adjust_conv_2_{cell}",
    "previous.factorized_reduction.bn": "adjust_bn_{cell}",
}


def copy_nasnet_weights(
    source: keras.Model, target: keras.Model, *, cells: int, classifier: str | None
) -> tuple[str, ...]:
    """Copies the weights of `keras.applications.NASNetMobile` or `NASNetLarge` into the package's NASNet-A.

    With `zero_padded_pools` the target then computes the same as the source: Keras pads the input of strided
    pools with zeros, where the paper's own code ignores what lies beyond the image.

    Args:
        source: the model of keras.applications.
        target: NASNet-A of the same size: 4@1056 and preset `imagenet_mobile`, or 6@4032 and
            `imagenet_large`.
        cells: normal cells in each stage of both (4, 6).
        classifier: name of the target's last layer, to be copied from the source's; None: all layers after the
            backbone stay as they are, such as those for other classes or of another task.

    Returns:
        The names of the layers that stay as they are.

    Raises:
        UsageError: a layer has no counterpart in the source, or one of another shape.
    """
    left = []
    for layer in target.layers:
        if not layer.weights:
            continue
        if layer.name != classifier and not _BACKBONE.match(layer.name):
            left.append(layer.name)
            continue
        name = _CLASSIFIER if layer.name == classifier else keras_name(layer.name, cells)
        try:
            weights = source.get_layer(name).get_weights()
        except ValueError as error:
            raise UsageError(f"{source.name} has no layer {name}, needed for {layer.name}") from error
        if [w.shape for w in weights] != [tuple(v.shape) for v in layer.weights]:
            raise UsageError(
                f"layer {name} of {source.name} has weights of {[w.shape for w in weights]}; {layer.name} expects"
                f" {[tuple(v.shape) for v in layer.weights]}: give both the same size"
            )
        layer.set_weights(weights)
    return tuple(left)


def keras_name(name: str, cells: int) -> str:
    """Name in keras.applications of a layer of the backbone, in a NASNet-A of `cells` normal cells a stage."""
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    cell = _CELL.fullmatch(name)
    if not cell:
        raise UsageError(f"layer {name} is not one of NASNet-A")
    where, stage, normal, inside = cell[1], int(cell[2]), cell[3], cell[4]
    if where == "stem.reduction":
        kind, number = "reduction", f"stem_{stage}"
    elif where == "reduction":
        kind, number = "reduction", f"reduce_{stage * cells}"
    else:
        # keras.applications counts only one of the reduction cells.
        kind, number = "normal", str((stage - 1) * cells + (stage > 1) + int(normal) - 1)
    if inside in _INSIDE:
        return _INSIDE[inside].format(kind=kind, cell=number)
    block = _BLOCK.fullmatch(inside)
    if not block:
        raise UsageError(f"layer {name} is not one of NASNet-A")
    side, place = block[2], int(block[1]) + 1
    if kind == "reduction" and place == 5:
        place = 4  # named so there
    part = "bn_" if block[3] == "bn" else ""
    return f"separable_conv_{2 if block[4] else 1}_{part}{kind}_{side}{place}_{number}"
