"""A way of computing train steps, of whichever package: what gpu.py measures."""

from collections.abc import Callable
from typing import Any, NamedTuple

ADDED = 2**28
"""Numbers of 32 bits whose sums with another one tell how fast a GPU's memory is."""


class Way(NamedTuple):
    """A way of computing train steps.

    Attributes:
        step: takes a step; returns its loss.
        steady: makes what takes all further steps, after some.
        operations: of a step's graph; None: there is none.
        add: reads and writes `ADDED` numbers on a GPU; returns one of them; None: there is no GPU.
    """

    step: Callable[[], Any]
    steady: Callable[[], Callable[[], Any]]
    operations: Callable[[], int | None]
    add: Callable[[], Any] | None
