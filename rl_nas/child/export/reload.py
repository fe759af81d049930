"""Runs an exported model as its users do: a script in a process that cannot import rl_nas.

    python -P reload.py FORMAT MODEL IMAGES.npy OUT.npz PLACE...

OUT.npz holds the outputs of all images by name, and `$seconds`, the median time of 50 calls with one image. The places
are those that the starting process imports from: it chooses among them before it imports more than Python's library.
"""

import importlib
import importlib.metadata
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

_WARM_UP, _TIMED, _BATCH = 5, 50, 64

NO_PACKAGES = 3
"""Exit code where the packages that a format is read by cannot be imported, which no model is to blame for."""


def _saved_model(path: str) -> Callable[[Any], dict[str, Any]]:
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    # The lambda keeps `loaded` alive, and so its variables.
    return lambda images: _arrays(loaded.signatures["serving_default"](images=tf.constant(images)))


def _keras(path: str) -> Callable[[Any], dict[str, Any]]:
    import keras
    import tensorflow as tf

    model = keras.models.load_model(path, compile=False, safe_mode=True)
    call = tf.function(lambda images: model(images, training=False), autograph=False, reduce_retracing=True)

    def run(images: Any) -> dict[str, Any]:
        outputs = call(tf.constant(images))
        return _arrays(outputs if isinstance(outputs, dict) else {model.output_names[0]: outputs})

    return run


def _tflite(path: str) -> Callable[[Any], dict[str, Any]]:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(path)
    ((key, _),) = interpreter.get_signature_list().items()
    runner = interpreter.get_signature_runner(key)
    ((name, source),) = runner.get_input_details().items()
    return lambda images: runner(**{name: images.astype(source["dtype"])})


def _onnx(path: str) -> Callable[[Any], dict[str, Any]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {"image": images.astype("float32")}), strict=True))


def _arrays(outputs: dict[str, Any]) -> dict[str, Any]:
    """The numeric outputs."""
    arrays = {name: output.numpy() for name, output in outputs.items()}
    return {name: array for name, array in arrays.items() if array.dtype != object}


LOADERS = {"saved_model": _saved_model, "tflite": _tflite, "keras": _keras, "onnx": _onnx}
"""Kind of model -> function that loads one and returns a function of images."""
_PACKAGES = {"onnx": ("numpy", "onnxruntime")}
"""Kind -> what reads it, if not TensorFlow."""


def import_places(given: Sequence[str], own: Sequence[str]) -> list[str]:
    """Where packages are imported from: `pip install` puts them into folders that only the starting process knows.

    Args:
        given: `sys.path` of that process, without its working folder, in its order.
        own: `sys.path` of this one.

    Returns:
        Those of either that this process has, or that hold installed packages: not the folders of somebody's own code,
        which users of the model do not have.
    """
    kept = [place for place in given if place in own or any(importlib.metadata.distributions(path=[place]))]
    return [*kept, *(place for place in own if place not in kept)]


def _main(kind: str, path: str, images_path: str, out: str, *places: str) -> None:
    sys.path[:] = import_places(places, sys.path)
    sys.modules["rl_nas"] = None  # type: ignore[assignment]  # from here on `import rl_nas` fails
    try:
        for package in _PACKAGES.get(kind, ("numpy", "tensorflow")):
            importlib.import_module(package)
    except ImportError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(NO_PACKAGES)  # nothing that a half-imported package prints at its end comes behind
    import numpy as np

    images = np.load(images_path)
    run = LOADERS[kind](path)
    parts = [run(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
    one, seconds = images[:1], []
    for _ in range(_WARM_UP + _TIMED):
        started = time.perf_counter()
        run(one)
        seconds.append(time.perf_counter() - started)
    arrays: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    arrays["$seconds"] = statistics.median(seconds[_WARM_UP:])
    np.savez(out, **arrays)


if __name__ == "__main__":
    _main(*sys.argv[1:])
