"""Frame of all verbs: help, errors in one line, exit codes."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rl_nas.errors import RunError, StorageError, UsageError, printable
from rl_nas.exit_codes import DONE, FAILED, INTERRUPTED, WRONG_USE
from rl_nas.flags.parsing import Command, OutputSettings, Parsed, help_text, parse


def run(command: Command, body: Callable[[Parsed], int], argv: Sequence[str]) -> int:
    """Parses the flags, runs the verb, and turns exceptions into one line and an exit code."""
    debug = "--debug" in argv
    try:
        if any(word in ("--help", "-h", "-help") for word in argv):
            print(help_text(command), flush=True)
            return DONE
        parsed = parse(command, argv)
        debug = parsed.group(OutputSettings).debug
        with _sigterm_like_ctrl_c():
            code = body(parsed)
        sys.stdout.flush()  # failures at exit would come too late to be reported
        return code
    except BrokenPipeError:
        # The reader of the output has left (`| head`): not an error.
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
    line = printable(" ".join(message.split()))
    hint = "" if debug or code != FAILED else " (--debug shows where)"
    print(f"{command.name}: {line}{hint}", file=sys.stderr)
    return code


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """Makes SIGTERM, which clusters send before they kill, end a verb as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # signals are handled only there
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
