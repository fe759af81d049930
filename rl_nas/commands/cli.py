"""Frame of all verbs: help, errors in one line, exit codes."""

import shutil
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rl_nas.commands.display import Display, OutputClosedError
from rl_nas.errors import RunError, StorageError, UsageError, printable
from rl_nas.exit_codes import DONE, FAILED, INTERRUPTED, WRONG_USE
from rl_nas.flags.parsing import Command, OutputSettings, Parsed, help_text, parse

_PACKAGE = Path(__file__).parents[1]

_SOON = 0.05
"""Seconds after which an interrupt that was discarded is repeated."""

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(
    command: Command,
    body: Callable[[Parsed], int],
    argv: Sequence[str],
    *,
    only_prints: Callable[[Parsed], bool] = lambda parsed: False,
) -> int:
    """Parses the flags, runs the verb, and turns exceptions into one line and an exit code.

    Args:
        command: its flags.
        body: the verb; returns the exit code.
        argv: the words of the command line.
        only_prints: whether, by its flags, all is done when nobody reads the standard output any more (`| head`).
    """
    with Display() as display, _warnings_in_a_line():
        return _run(command, body, argv, display, only_prints=only_prints)


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    """Prints this package's own warnings without the place in the code that others are printed with."""
    usual = warnings.formatwarning

    def form(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
    ) -> str:
        ours = Path(filename).is_relative_to(_PACKAGE)
        return f"{printable(str(message))}\n" if ours else usual(message, category, filename, lineno, line)

    warnings.formatwarning = form
    try:
        yield
    finally:
        warnings.formatwarning = usual


def tell(line: str) -> None:
    """Prints a line that is no result."""
    print(printable(line), file=sys.stderr, flush=True)


def program() -> str:
    """What to type to run a verb: `rl_nas`, or as it was typed now where a shell would not find that."""
    typed = sys.argv[0]
    return typed if Path(typed).name == "rl_nas" and shutil.which("rl_nas") is None else "rl_nas"


def _run(
    command: Command,
    body: Callable[[Parsed], int],
    argv: Sequence[str],
    display: Display,
    *,
    only_prints: Callable[[Parsed], bool],
) -> int:
    debug, prints = "--debug" in argv, any(word in ("--help", "-h", "-help") for word in argv)
    try:
        with _ended_by_signals(display):
            if prints:
                print(help_text(command), flush=True)
                return DONE
            parsed = parse(command, argv)
            prints = only_prints(parsed)
            debug = parsed.group(OutputSettings).debug
            code = body(parsed)
            sys.stdout.flush()
            return code
    except OutputClosedError as closed:
        if closed.of_results and prints:
            return DONE
        return _report(command, f"interrupted: {closed}", INTERRUPTED, debug)
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
def _ended_by_signals(display: Display) -> Iterator[None]:
    """Makes SIGTERM, which clusters send before they kill, and SIGHUP, of a closed terminal, end a verb as Ctrl-C does.

    Only another Ctrl-C interrupts what a verb does at its end: the others often come twice. An interrupt in a finalizer
    (`__del__`), where Python discards it, is repeated.
    """
    lost: list[int] = []

    def interrupt(number: int, _: object) -> None:
        if number == signal.SIGINT or not display.ending or lost:
            lost.clear()
            display.ending = True
            raise KeyboardInterrupt

    def unraisable(found: Any) -> None:
        if not issubclass(found.exc_type, KeyboardInterrupt):
            shown(found)
            return
        lost.append(handled[0])
        main = threading.main_thread().ident
        again = threading.Timer(_SOON, signal.pthread_kill, [main, handled[0]])  # also ends what it waits for
        again.daemon = True
        again.start()

    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # signals are handled only there
        before = {number: signal.getsignal(number) for number in _ENDING}
    handled = [number for number, handler in before.items() if handler is not signal.SIG_IGN]  # as nohup wants it
    for number in handled:
        signal.signal(number, interrupt)
    shown = sys.unraisablehook
    if handled:
        sys.unraisablehook = unraisable
    try:
        yield
    finally:
        display.ending = True
        if handled:
            sys.unraisablehook = shown
        for number in handled:
            signal.signal(number, before[number] or signal.SIG_DFL)
