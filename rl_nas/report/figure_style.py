"""The style of all pictures, whatever the user has set for others."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def own_style() -> Iterator[None]:
    """Draws by the defaults of matplotlib; a matplotlibrc may ask for LaTeX, which is not there, or for other sizes."""
    from matplotlib import style  # takes a second

    with style.context("default"):
        yield
