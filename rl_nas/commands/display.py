"""Standard output and error of a verb, whose reader may leave (`| head`) and whose terminal may be closed."""

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, Self, TextIO, cast

_CLOSED = (errno.EPIPE, errno.EIO)


def open_closed_streams() -> None:
    """Opens the standard streams that the caller has closed (`2>&-`): what is written to them is dropped.

    Otherwise the next file that is opened would get the number of one, and with it what libraries write.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # which takes the lowest free number
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


class OutputClosedError(KeyboardInterrupt):
    """Nobody reads an output any more: the work ends as by Ctrl-C.

    Attributes:
        of_results: whether it is the standard output.
    """

    def __init__(self, *, of_results: bool) -> None:
        super().__init__("its output was closed")
        self.of_results = of_results


class Display:
    """The outputs of a verb while it is the context: the first write that nobody reads raises `OutputClosedError`.

    What is written to a closed output afterwards, while the verb ends, is dropped.

    Attributes:
        ending: whether the verb was told to end, by this or by a signal.
    """

    def __init__(self) -> None:
        self.ending = False

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for redirect, stream in (
                (contextlib.redirect_stdout, sys.stdout),
                (contextlib.redirect_stderr, sys.stderr),
            ):
                watched = _Watched(self, stream, of_results=stream is sys.stdout)
                stack.enter_context(redirect(cast(TextIO, watched)))
                stack.callback(self._flush, watched)
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *raised: Any) -> None:
        self._exit.close()

    def _flush(self, stream: "_Watched") -> None:
        """So that Python has nothing to write at its exit, where an error would be reported too late."""
        self.ending = True
        with contextlib.suppress(OSError):
            stream.flush()


class _Watched:
    """A text stream that notices that nobody reads it."""

    def __init__(self, display: Display, stream: TextIO, *, of_results: bool) -> None:
        self._display, self._stream, self._of_results = display, stream, of_results

    def write(self, text: str) -> int:
        with self._noticed():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._noticed():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _noticed(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _CLOSED:
                raise
            if threading.current_thread() is not threading.main_thread():
                return  # the main thread notices it when it writes
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if not self._display.ending:
                self._display.ending = True
                raise OutputClosedError(of_results=self._of_results) from None
