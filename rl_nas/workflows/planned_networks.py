"""The networks of a search, planned before its images are read."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from rl_nas.child.data.source import ImageSource
from rl_nas.errors import UsageError
from rl_nas.evaluation.limits import PlannedCost, training_bytes
from rl_nas.networks.layer import Cost
from rl_nas.networks.settings import NetworkSettings
from rl_nas.report.first_lines import network_line
from rl_nas.spaces.decisions import Genotype, SearchSpace
from rl_nas.tasks.networks import Networks
from rl_nas.tasks.sources import Opened, tell_user
from rl_nas.workflows.auxiliary import with_fitting_auxiliary
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.networks import NamedBackbone, make_networks

_MOST, _TYPICAL_OF = 10, 5
"""Random networks that are planned, and those that can be built of which a typical one is the median."""


class PlannedNetworks(NamedTuple):
    """The networks of a search.

    Attributes:
        networks: from images to outputs.
        backbone: that is not searched; None: it is.
    """

    networks: Networks
    backbone: NamedBackbone | None

    def fitting(self, space: SearchSpace[Any], asked: Collection[str]) -> "PlannedNetworks":
        """These networks, without an auxiliary head of a preset or a recipe that is too large for all of them.

        Args:
            space: of the search.
            asked: names of the flags that the command line itself gives.

        Raises:
            UsageError: no network can be planned for training, or the head is asked for.
        """
        rng = np.random.default_rng(0)
        made = [partial(space.decode, space.sample(rng)) for _ in range(_MOST)]
        fitting = with_fitting_auxiliary(self.networks, made, asked="auxiliary" in asked, tell=tell_user)
        return self._replace(networks=fitting)

    def config(self, config: SearchConfig) -> SearchConfig:
        """The config of these networks from the one that they were planned for."""
        found = self.networks.settings
        return replace(config, network=found) if isinstance(found, NetworkSettings) else config

    def line(self, space: SearchSpace[Any]) -> str:
        """The size of a typical network, in words.

        Raises:
            UsageError: no network can be built, as for small images; some spaces hold a few invalid ones.
        """
        rng, errors, costs = np.random.default_rng(0), list[UsageError](), list[Cost]()
        while len(costs) < _TYPICAL_OF and len(costs) + len(errors) < _MOST:
            try:
                costs.append(self._cost(space.decode(space.sample(rng))))
            except UsageError as error:
                errors.append(error)
        if not costs:
            raise errors[0]
        typical = sorted(costs, key=lambda cost: cost.madds)[len(costs) // 2]
        return network_line(typical, f" (median of {len(costs)} random networks of --space={space.name})")

    def child_bytes(self, space: SearchSpace[Any], source: ImageSource, batch: int) -> int:
        """Estimated memory of a device that a large child needs, the largest of a few random ones, in bytes.

        Args:
            space: of the search.
            source: of the images, which are on the device, a byte for each value.
            batch: images of a train step.
        """
        rng, steps = np.random.default_rng(0), [0]
        for _ in range(_MOST):
            with suppress(UsageError):  # it cannot be built, and is not trained
                steps.append(training_bytes(self.networks.plan(space.decode(space.sample(rng)), 1), batch))
        return max(steps) + (source.images("train") + source.images("valid")) * prod(source.shape)

    def planned_cost(self, genotype: Genotype) -> PlannedCost:
        """Cost of the whole network; raises `UsageError` if it cannot be built."""
        keras = None if self.backbone is None else self.backbone.keras
        return PlannedCost.of(self.networks.plan(genotype), Cost() if keras is None else keras.cost)

    def _cost(self, genotype: Genotype) -> Cost:
        """Cost of the whole network; raises `UsageError` if it cannot be built."""
        self.networks.plan(genotype, 1)  # with what only the training needs
        cost = self.planned_cost(genotype)
        return Cost(cost.parameters, madds=cost.madds)


def plan_networks(config: SearchConfig, genotype: Genotype, opened: Opened) -> PlannedNetworks:
    """Plans the networks of a search.

    Args:
        config: of the search.
        genotype: any of its space.
        opened: task and data set.

    Raises:
        UsageError: space, parts, task and data do not fit together.
    """
    what = f"--space={config.space.space}"
    problem = config.problem(opened.task, opened.source.class_names)
    networks, named = make_networks(opened.task, problem, genotype, what, config.flags(), opened.source.shape)
    networks.plan(genotype)
    if named is None and config.features.asked:
        raise UsageError(f"{config.features.asked}: for a --backbone that is not searched; leave it out")
    return PlannedNetworks(networks, named)
