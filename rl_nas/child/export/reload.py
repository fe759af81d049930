"""Runs an exported model as its users do: a script in a process that cannot import rl_nas.

    python -I reload.py FORMAT MODEL IMAGES.npy OUT.npz

OUT.npz holds the outputs of all images by name, and `$seconds`, the median time of 50 calls with one image.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_WARM_UP, _TIMED, _BATCH = 5, 50, 64


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
    return lambda images: dict(zip(names, session.run(names, {"image": images.astype(np.float32)}), strict=True))


def _arrays(outputs: dict[str, Any]) -> dict[str, Any]:
    """The numeric outputs."""
    arrays = {name: output.numpy() for name, output in outputs.items()}
    return {name: array for name, array in arrays.items() if array.dtype != object}


LOADERS = {"saved_model": _saved_model, "tflite": _tflite, "keras": _keras, "onnx": _onnx}
"""Format -> function that loads a model and returns a function of images."""


def _main(kind: str, path: str, images_path: str, out: str) -> None:
    sys.modules["rl_nas"] = None  # type: ignore[assignment]  # from here on `import rl_nas` fails
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
