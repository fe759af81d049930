"""Runs an exported model as a stranger would: a script of its own, in a process that cannot import rl_nas.

    python -I reload.py FORMAT MODEL IMAGES.npy OUT.npz

OUT.npz holds `probabilities` [images, classes] and `seconds`, the median time of one image over 50 calls.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_WARM_UP, _TIMED, _BATCH = 5, 50, 64


def _saved_model(path: str) -> Callable[[Any], Any]:
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    # Its variables live as long as `loaded` does.
    return lambda images: loaded.signatures["serving_default"](images=tf.constant(images))["probabilities"].numpy()


def _keras(path: str) -> Callable[[Any], Any]:
    import keras
    import tensorflow as tf

    model = keras.models.load_model(path, compile=False, safe_mode=True)
    call = tf.function(lambda images: model(images, training=False), autograph=False, reduce_retracing=True)
    return lambda images: call(tf.constant(images)).numpy()


def _tflite(path: str) -> Callable[[Any], Any]:
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(path)
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def run(images: Any) -> Any:
        if tuple(interpreter.get_input_details()[0]["shape"]) != images.shape:
            interpreter.resize_tensor_input(source["index"], images.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(source["index"], images.astype(source["dtype"]))
        interpreter.invoke()
        return interpreter.get_tensor(target["index"]).copy()

    return run


def _onnx(path: str) -> Callable[[Any], Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["probabilities"], {"image": images.astype(np.float32)})[0]


LOADERS = {"saved_model": _saved_model, "tflite": _tflite, "keras": _keras, "onnx": _onnx}
"""Format -> function that loads a model, and returns what computes with it."""


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
    np.savez(out, probabilities=np.concatenate(parts), seconds=statistics.median(seconds[_WARM_UP:]))


if __name__ == "__main__":
    _main(*sys.argv[1:])
