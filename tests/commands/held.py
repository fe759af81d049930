"""A verb that stands still at a place: WHAT TEXT TIMES VERB WORDS...

The place is where it has written, for the TIMES-th time, a line to standard error that begins with TEXT (WHAT is
`line`), or is about to move a file to a path that ends with TEXT (WHAT is `file`). It tells so by one more line,
`held`, and goes on when a line comes on its standard input. So it can be killed or interrupted there, however slow the
machine is.
"""

import os
import select
import sys
from collections.abc import Sequence
from typing import Any, TextIO

TOLD = "held"


class Place:
    """Counts, and stands still at the last."""

    def __init__(self, times: int) -> None:
        self.left = times

    def met(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.write(2, f"{TOLD}\n".encode())
            while not select.select([0], [], [], 0.1)[0]:
                pass  # Python looks for signals here: one that came just before a read that blocks would not be met
            os.read(0, 1)


class Lines:
    """Standard error, looked at line by line."""

    def __init__(self, stream: TextIO, beginning: str, place: Place) -> None:
        self._stream, self._beginning, self._place, self._line = stream, beginning, place, ""

    def write(self, text: str) -> int:
        written = self._stream.write(text)
        *whole, self._line = (self._line + text).split("\n")
        for line in whole:
            if line.startswith(self._beginning):
                self._stream.flush()
                self._place.met()
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def main(arguments: Sequence[str]) -> int:
    what, text, times, *words = arguments
    place = Place(int(times))
    if what == "line":
        sys.stderr = Lines(sys.stderr, text, place)  # type: ignore[assignment]
    else:

        def hear(event: str, arguments: tuple[Any, ...]) -> None:
            if event == "os.rename" and str(arguments[1]).endswith(text):
                place.met()

        sys.addaudithook(hear)
    from rl_nas.__main__ import main

    return main(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
