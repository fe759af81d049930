"""Setup of TensorFlow for verbs: quiet, deterministic, without reserving all GPU memory."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rl_nas.errors import UsageError
from rl_nas.units import MIB

_WITNESS = "import sys; sys.stdin.read() or sys.stderr.buffer.write(open(sys.argv[1], 'rb').read())"
"""Program that shows a file when its standard input ends before anything came: the other process has ended."""
_BACKEND = "KERAS_BACKEND"


def load_tensorflow(*, debug: bool = False, gpu_memory: int | None = None) -> None:
    """Imports TensorFlow without its start-up messages, which none of its settings silences; `debug` shows them.

    Settings of Keras that a user has made for other programs are set to what networks of rl_nas are made for.

    Args:
        debug: show the messages.
        gpu_memory: bytes of each GPU that this process may allocate; None: as many as it needs.

    Raises:
        UsageError: Keras is loaded already, and computes with another library.
    """
    if "keras" not in sys.modules and os.environ.get(_BACKEND, "tensorflow") != "tensorflow":
        _tell_unused(f"{_BACKEND}={os.environ[_BACKEND]}", "tensorflow")
        os.environ[_BACKEND] = "tensorflow"
    if debug:
        import tensorflow as tf
    else:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        from absl import logging

        logging.set_verbosity(logging.ERROR)
        with captured_stderr():
            import tensorflow as tf

            tf.config.list_physical_devices()
            tf.get_logger().setLevel("ERROR")  # TFDS calls deprecated functions
    for gpu in tf.config.list_physical_devices("GPU"):
        # Only the memory that is needed: others use the GPU too. Where TensorFlow has computed before, it is too late.
        with suppress(RuntimeError):
            if gpu_memory is None:
                tf.config.experimental.set_memory_growth(gpu, True)
            else:
                part = tf.config.LogicalDeviceConfiguration(memory_limit=gpu_memory // MIB)
                tf.config.set_logical_device_configuration(gpu, [part])
    _settle_keras()


def _settle_keras() -> None:
    """Sets what keras.json, or the user's own program, may have set otherwise."""
    import keras

    if keras.config.backend() != "tensorflow":
        raise UsageError(
            f"Keras computes with {keras.config.backend()} in this process; rl_nas needs TensorFlow: set"
            f" {_BACKEND}=tensorflow before it is imported"
        )
    config = keras.config
    for what, found, wanted, change in (
        ("floatx", config.floatx(), "float32", config.set_floatx),
        ("image_data_format", config.image_data_format(), "channels_last", config.set_image_data_format),
        ("dtype_policy", config.dtype_policy().name, "float32", config.set_dtype_policy),
    ):
        if found != wanted:
            _tell_unused(f"Keras' {what} {found}", wanted)
            change(wanted)


def _tell_unused(what: str, wanted: str) -> None:
    print(f"{what} is not used: rl_nas needs {wanted}", file=sys.stderr)


def settle_determinism(wanted: str, *, jit_compile: bool = False) -> None:
    """Makes TensorFlow repeat results to the bit, or not.

    Args:
        wanted: `on`, `off`, or `auto`, which is on unless there is a GPU or XLA compiles.
        jit_compile: whether XLA compiles, which then has no gradient of max pooling.

    Raises:
        UsageError: determinism with XLA.
    """
    import tensorflow as tf

    if wanted == "on" and jit_compile:
        raise UsageError("--determinism=on and --jit_compile=on exclude each other: leave one out")
    if wanted == "on" or (wanted == "auto" and not jit_compile and not tf.config.list_physical_devices("GPU")):
        tf.config.experimental.enable_op_determinism()


@contextmanager
def determinism_kept() -> Iterator[None]:
    """Leaves TensorFlow as deterministic as it was: training that follows in a Python program may have no seeds."""
    before = _is_deterministic()
    try:
        yield
    finally:
        if _is_deterministic() and not before:
            from tensorflow.python.framework import config  # tf.config can only enable it

            config.disable_op_determinism()


def _is_deterministic() -> bool:
    if "tensorflow" not in sys.modules:
        return False
    from tensorflow.python.framework import config

    return bool(config.is_op_determinism_enabled())


@contextmanager
def captured_stderr() -> Iterator[None]:
    """Captures standard error, of C++ code too; shows it only if the body fails, or ends this process."""
    sys.stderr.flush()
    with tempfile.NamedTemporaryFile() as capture, os.fdopen(os.dup(2), "wb") as saved:
        witness = [sys.executable, "-I", "-S", "-c", _WITNESS, capture.name]
        with subprocess.Popen(witness, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=saved) as watching:
            os.dup2(capture.fileno(), 2)
            try:
                yield
            except Exception:
                capture.seek(0)
                saved.write(capture.read())
                raise
            finally:
                os.dup2(saved.fileno(), 2)
                watching.communicate(b"done")
