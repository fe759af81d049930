"""The networks of one run: what they have in common, and the part in which they differ."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from rl_nas.networks.families.catalog import family_of
from rl_nas.networks.families.family import HeadFamily
from rl_nas.networks.features import FeatureMaps, Head
from rl_nas.networks.layer import Shape
from rl_nas.networks.network import plan_network, solve
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.networks.skeleton import Skeleton
from rl_nas.spaces.decisions import Genotype
from rl_nas.tasks.task import Problem, Task


@dataclass(frozen=True)
class Networks:
    """Plans networks from genotypes.

    Attributes:
        task: of the networks.
        problem: with the parts that are the same in all of them.
        settings: of the network around a backbone.
        image_shape: height, width, channels of the images.
        backbone: if it is the same in all of them: its genotype, or its feature maps; None: genotypes are backbones.
        preset: for backbones of cells, if the settings name none.
        frozen_norm: whether the batch normalization of backbones is not trained.
    """

    task: Task
    problem: Problem
    settings: NetworkSettings | Skeleton
    image_shape: Shape
    backbone: Genotype | FeatureMaps | None = None
    preset: str = "proxy"
    frozen_norm: bool = False

    def head(self, genotype: Genotype) -> Head:
        """The head of the network of a genotype."""
        return self.task.head(self.problem_of(genotype))

    def problem_of(self, genotype: Genotype) -> Problem:
        """The problem with all parts of the network of a genotype."""
        if self.backbone is None:
            return self.problem
        return replace(self.problem, parts={**self.problem.parts, family_of(genotype).part: genotype})

    def on_targets(
        self, genotype: Genotype, targets: Callable[[], Iterable[Any]], tell: Callable[[str], None]
    ) -> "Networks":
        """The networks with what the task finds out about the training targets; see `Task.on_targets`.

        Args:
            genotype: any of those that are planned.
            targets: returns batches of them.
            tell: called with lines for the user.
        """
        facts = self.task.on_targets(self.problem_of(genotype), targets, tell).facts
        return replace(self, problem=replace(self.problem, facts=facts))

    def skeleton(self, genotype: Genotype) -> Skeleton:
        """The network around a backbone.

        Raises:
            UsageError: the settings contradict each other or have no effect, or no size is small enough.
        """
        if isinstance(self.settings, Skeleton):
            return self.settings
        return solve(self.backbone_of(genotype), self.settings, self.image_shape, self.head(genotype), self.preset)

    def plan(self, genotype: Genotype, training_steps: int | None = None) -> Plan:
        """The network of a genotype; arguments and errors as in `plan_network`."""
        skeleton, head = self.skeleton(genotype), self.head(genotype)
        backbone, frozen = self.backbone_of(genotype), self.frozen_norm
        return plan_network(backbone, skeleton, self.image_shape, head, training_steps, frozen_norm=frozen)

    def key(self, genotype: Genotype) -> str:
        """A name that genotypes share if their networks compute the same on these images."""
        family = family_of(genotype)
        if isinstance(family, HeadFamily):
            stride = self.head(genotype).image_multiple
            height, width = (-(-side // stride) for side in self.image_shape[:2])
            genotype = family.merged(genotype, (height, width))
        return genotype.canonical_key()

    def backbone_of(self, genotype: Genotype) -> Genotype | FeatureMaps:
        """The backbone of the network of a genotype."""
        return genotype if self.backbone is None else self.backbone
