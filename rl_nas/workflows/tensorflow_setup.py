"""Setup of TensorFlow for verbs: quiet, deterministic, without reserving all GPU memory."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rl_nas.errors import UsageError


def load_tensorflow(*, debug: bool = False) -> None:
    """Imports TensorFlow without its start-up messages, which none of its settings silences; `debug` shows them."""
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
            tf.config.experimental.set_memory_growth(gpu, True)


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
        raise UsageError("--determinism=on and --jit_compile exclude each other: leave one out")
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
    """Captures standard error, of C++ code too; shows it only if the body fails."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as capture:
        saved = os.dup(2)
        os.dup2(capture.fileno(), 2)
        try:
            yield
        except Exception:
            capture.seek(0)
            os.write(saved, capture.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
