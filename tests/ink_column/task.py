"""The task: its data, its networks' heads, and what it tells of a prediction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import rl_nas
from rl_nas.networks.features import Features, Head
from rl_nas.networks.layers import Conv, Dense, GlobalPool
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.networks.skeleton import Skeleton
from rl_nas.tasks.task import Problem

if TYPE_CHECKING:
    from ink_column.objective import InkMetric, InkObjective
    from ink_column.serving import InkServing
    from rl_nas.child.data.annotation import Annotation


@dataclass(frozen=True)
class InkHead(Head):
    """Plans `column` [1] by a convolution over all positions, as a mean over them would not know where the ink is."""

    layers: ClassVar[tuple[str, ...]] = ("head.",)

    def plan(self, ops: Ops, features: Features, skeleton: Skeleton, *, training: bool) -> dict[str, Tensor]:
        with ops.plan.scope("head"):
            h = features.finished(max(features.levels))
            h = ops.relu(ops.plan.add(Conv(8, h.size, padding="valid"), h, name="everywhere"))
            h = ops.plan.add(GlobalPool(), h, name="flatten")
            return {"column": ops.plan.add(Dense(1), h, name="column")}


class InkColumn(rl_nas.Task):
    """The mean column of an image's ink, in pixels from its left edge; the quality is R squared."""

    name: ClassVar[str] = "ink_column"
    noun: ClassVar[str] = "ink finder"
    supports: ClassVar[frozenset[str]] = frozenset({"one_shot", "parameters"})

    def annotation(
        self, features: Mapping[str, Any], supervised: Sequence[str], flags: Mapping[str, Any]
    ) -> "Annotation | None":
        from ink_column.data import annotation

        return annotation() if "image" in features else None

    def head(self, problem: Problem) -> InkHead:
        return InkHead()

    def objective(self, problem: Problem) -> "InkObjective":
        from ink_column.objective import InkObjective

        return InkObjective()

    def metric(self, problem: Problem) -> "InkMetric":
        from ink_column.objective import InkMetric

        return InkMetric()

    def serving(self, problem: Problem, network: Any, normalization: Any, *, middle: bool = False) -> "InkServing":
        from ink_column.serving import InkServing

        return InkServing(self.name, network, normalization, problem.class_names, middle)

    def prediction(self, outputs: Mapping[str, Any], class_names: Sequence[str], top: int) -> tuple[str, Any]:
        column = float(outputs["column"][0])
        return f"ink at column {column:.2f}", {"column": column}
