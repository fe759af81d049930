"""Spaces of one architecture, a published genotype: `--space=published_space:FPN`, with this folder on PYTHONPATH.

Children of a search are then trainings of it by the recipe of the search.
"""

from typing import Any

from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.published import PUBLISHED


def __getattr__(name: str) -> SearchSpace[Any]:
    """The space of a name; raises AttributeError if nothing is published under it."""
    if name not in PUBLISHED:
        raise AttributeError(name)
    return SearchSpace(name, (), lambda values: PUBLISHED[name], lambda genotype: {})
