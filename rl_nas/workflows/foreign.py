"""Backbones of keras.applications and of Keras files, opened."""

import contextlib
import os
import random
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import keras

from rl_nas.child.network.keras_backbone import KerasSource, Opened
from rl_nas.child.network.keras_file import load_keras_file
from rl_nas.child.network.pixels import SCALES, probe
from rl_nas.errors import UsageError, first_line
from rl_nas.networks.foreign import APPLICATIONS
from rl_nas.networks.layer import Shape
from rl_nas.tasks.settings import PartSettings


def open_foreign(parts: PartSettings, image_shape: Shape, *, weights: bool = True) -> KerasSource:
    """The backbone that --backbone names.

    Args:
        parts: the flags; the backbone is one of those of `rl_nas.networks.foreign`.
        image_shape: height, width and channels of the images.
        weights: whether the weights of keras.applications are needed.

    Raises:
        UsageError: it cannot be read, or is no backbone for these images.
    """
    assert parts.backbone is not None
    black_and_colors, name = probe(image_shape[2]), parts.backbone
    if image_shape[2] != 3 and parts.backbone_pixels == "imagenet":
        raise UsageError(f"--backbone_pixels=imagenet is for images of 3 channels; these have {image_shape[2]}")
    given = SCALES.get(parts.backbone_pixels)
    pixels = black_and_colors if given is None else given(black_and_colors)
    if name not in APPLICATIONS:
        return KerasSource(Opened(name, _read(name), pixels, scaled=given is not None), image_shape)
    kind = parts.backbone_weights if weights else "random"
    model = _application(name, kind)
    if given is None and image_shape[2] == 3:
        module = sys.modules[getattr(keras.applications, name).__module__]
        pixels = module.preprocess_input(black_and_colors)
    return KerasSource(Opened(name, model, pixels, trained=kind != "random"), image_shape)


def _read(name: str) -> keras.Model:
    if not Path(name).is_file():
        raise UsageError(f"--backbone={name}: no such file")
    try:
        return load_keras_file(name)
    except UsageError as error:
        raise UsageError(f"--backbone={name} cannot be read: {error}") from error


def _application(name: str, weights: str) -> keras.Model:
    make = getattr(keras.applications, name)
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings(), _same_random_weights():
        warnings.simplefilter("ignore")  # "weights for 224x224 pixels will be loaded": they fit all sizes
        if weights == "random":
            return make(weights=None, include_top=False)
        try:
            return make(weights="imagenet", include_top=False)
        except Exception as error:  # whatever the download raises
            address = re.search(r"https://[^\s:]+", str(error))
            models = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
            raise UsageError(
                f"--backbone={name}: cannot get ImageNet's weights; put {address[0] if address else 'their file'} into"
                f" {models}, or give --backbone_weights=random"
                f"{'' if address else f' ({first_line(error)})'}"
            ) from error


@contextlib.contextmanager
def _same_random_weights() -> Iterator[None]:
    """Makes Keras draw the same initial weights in all processes of a run: it asks Python for seeds."""
    state = random.getstate()
    random.seed(0)
    try:
        yield
    finally:
        random.setstate(state)
