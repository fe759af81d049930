"""Levels of feature pyramids in flags."""

import re

from rl_nas.errors import UsageError

MAX_LEVEL = 12


def limits(text: str, flag: str) -> tuple[int, int]:
    """The finest and the coarsest level; level n has stride 2**n.

    Args:
        text: both, such as `3-7`.
        flag: whose value it is.

    Raises:
        UsageError: it is something else.
    """
    found = re.fullmatch(r"([0-9]{1,2})-([0-9]{1,2})", text)
    finest, coarsest = map(int, found.groups()) if found else (0, -1)
    if not finest <= coarsest <= MAX_LEVEL:
        raise UsageError(f"--{flag}={text}: expected the finest and the coarsest level, 0 to {MAX_LEVEL}, such as 3-7")
    return finest, coarsest
