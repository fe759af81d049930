"""The search space of a config."""

from typing import Any

import numpy as np

from rl_nas.networks.own_operations import find_operations
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.decisions import Genotype, SearchSpace
from rl_nas.workflows.config import SearchConfig


def search_space(config: SearchConfig) -> SearchSpace[Any]:
    """The space of a search, with the operations of its cells, which are added to the vocabulary.

    Raises:
        UsageError: there is no such space, or no such operation.
    """
    return find_space(config.space, find_operations(config.operations))


def any_genotype(space: SearchSpace[Any]) -> Genotype:
    """A genotype of a space, always the same."""
    genotype: Genotype = space.decode(space.sample(np.random.default_rng(0)))
    return genotype
