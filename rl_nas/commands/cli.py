"""What all verbs share: help, errors in one line, exit codes, a quiet TensorFlow."""

import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rl_nas.errors import RunError, StorageError, UsageError
from rl_nas.flags.parsing import Command, OutputSettings, Parsed, help_text, parse

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


def run(command: Command, body: Callable[[Parsed], int], argv: Sequence[str]) -> int:
    """Parses the flags, runs the verb, and turns what it raises into one line and an exit code."""
    debug = "--debug" in argv
    try:
        if any(word in ("--help", "-h", "-help") for word in argv):
            print(help_text(command), flush=True)
            return DONE
        parsed = parse(command, argv)
        debug = parsed.group(OutputSettings).debug
        with _sigterm_like_ctrl_c():
            code = body(parsed)
        sys.stdout.flush()  # what fails at exit comes too late to be told
        return code
    except BrokenPipeError:
        # The reader of our output has left (`| head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        return _report(command, "interrupted", INTERRUPTED, debug)
    except (UsageError, StorageError) as error:
        return _report(command, str(error), WRONG_USE, debug)
    except RunError as error:
        if error.log:
            print(error.log, file=sys.stderr)
        return _report(command, str(error), FAILED, debug)
    except Exception as error:
        return _report(command, f"{type(error).__name__}: {error}", FAILED, debug)


def _report(command: Command, message: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    line = " ".join(message.split())
    hint = "" if debug or code != FAILED else " (--debug shows where)"
    print(f"{command.name}: {line}{hint}", file=sys.stderr)
    return code


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """What a cluster sends before it kills ends a verb as Ctrl-C does: with what it has, and how to go on."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only there are signals handled
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def load_tensorflow(*, debug: bool) -> None:
    """Imports TensorFlow without its start-up chatter, which no setting of its own silences; with `debug` as is."""
    if debug:
        import tensorflow as tf
    else:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        from absl import logging

        logging.set_verbosity(logging.ERROR)
        with captured_stderr():
            import tensorflow as tf

            tf.config.list_physical_devices()
            tf.get_logger().setLevel("ERROR")  # TFDS calls what is deprecated
    for gpu in tf.config.list_physical_devices("GPU"):
        # Of its memory what is needed, not all of it: others use it too.
        tf.config.experimental.set_memory_growth(gpu, True)


def settle_determinism(wanted: str) -> None:
    """Makes TensorFlow repeat results to the bit: `on`, `off`, or `auto`, which is on unless there is a GPU."""
    import tensorflow as tf

    if wanted == "on" or (wanted == "auto" and not tf.config.list_physical_devices("GPU")):
        tf.config.experimental.enable_op_determinism()


@contextmanager
def captured_stderr() -> Iterator[None]:
    """Keeps what C++ code writes to standard error; shows it only if the body fails."""
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
