"""The classifier behind a backbone, and the auxiliary one beside it in training (Zoph et al. 2018)."""

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from rl_nas.errors import UsageError
from rl_nas.networks.features import Features, Head
from rl_nas.networks.layers import Conv, Dense, Dropout, GlobalPool, Pool
from rl_nas.networks.operations import Ops
from rl_nas.networks.plan import Tensor
from rl_nas.networks.skeleton import Skeleton

_AUXILIARY_FILTERS = (128, 768)


@dataclass(frozen=True)
class ClassificationHead(Head):
    """Plans `logits` [classes], and `auxiliary` [classes] if a network is trained with it.

    Attributes:
        classes: of the data set.
    """

    classes: int
    reads: ClassVar[frozenset[str]] = frozenset({"dropout", "auxiliary"})
    classifier: ClassVar[str] = "head.logits"
    layers: ClassVar[tuple[str, ...]] = (classifier, "auxiliary.")
    freezes_norm: ClassVar[bool] = True

    @override
    def plan(self, ops: Ops, features: Features, skeleton: Skeleton, *, training: bool) -> dict[str, Tensor]:
        """Plans global average pooling, dropout and a dense layer.

        Raises:
            UsageError: the auxiliary head has nothing to read, or the image is too small for it.
        """
        outputs = {}
        if skeleton.auxiliary and training:
            outputs["auxiliary"] = self._plan_auxiliary(ops, features)
        with ops.plan.scope("head"):
            h = ops.plan.add(GlobalPool(), features.finished(max(features.levels)), name="pool")
            if skeleton.dropout:
                h = ops.plan.add(Dropout(skeleton.dropout), h, name="dropout")
            return {"logits": ops.plan.add(Dense(self.classes), h, name="logits"), **outputs}

    def _plan_auxiliary(self, ops: Ops, features: Features) -> Tensor:
        """Plans the auxiliary head two thirds of the way up the network: it reads what the last reduction reads."""
        if len(features.levels) < 2:
            raise UsageError(
                "the auxiliary head reads what the last reduction reads, and there is none; give --noauxiliary"
            )
        h = features.levels[sorted(features.levels)[-2]]
        if min(h.size) < 5:
            raise UsageError(
                f"the auxiliary head pools 5x5 pixels, but gets {h.size[0]}x{h.size[1]};"
                " give --noauxiliary or larger images"
            )
        plan, (narrow, wide) = ops.plan, _AUXILIARY_FILTERS
        with plan.behind(h), plan.scope("auxiliary"):
            h = plan.add(Pool("avg", 5, stride=3, padding="valid"), ops.relu(h), name="pool")
            h = ops.relu(ops.conv_bn(h, narrow))
            h = plan.add(Conv(wide, h.size, padding="valid"), h, name="conv")
            h = ops.relu(plan.add(ops.norm, h, name="bn"))
            return plan.add(Dense(self.classes), plan.add(GlobalPool(), h, name="flatten"), name="logits")
