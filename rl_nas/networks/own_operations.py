"""Operations of cells by name, the user's own among them."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.networks.layers import BatchNorm
from rl_nas.networks.operations import OperationPlan, Ops, add_operation
from rl_nas.networks.plan import Plan
from rl_nas.plugins import check_call, load_plugin
from rl_nas.settings import Settings, setting
from rl_nas.spaces.cells import CellGenotype
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.operations import OPERATIONS

_TRIED = (32, 32, 8)
"""Shape of the image that a user's operation is planned on before its use."""


@dataclass(frozen=True)
class OperationSettings(Settings):
    """Operations of cells."""

    title: ClassVar[str] = "Operations"

    operations: str | None = setting(
        None,
        "operations of cells, separated by commas; built-in ones, or module:NAME for functions of your own, which"
        " genotype files may then name too; left out: the space's own",
    )

    def check_genotype(self, genotype: Genotype) -> None:
        """Raises `UsageError` if operations are given for a genotype without them."""
        if self.operations is not None and genotype.KIND != CellGenotype.KIND:
            raise UsageError(
                f"--operations={self.operations} has no effect on a network of {genotype.KIND}; leave it out"
            )


def find_operations(settings: OperationSettings) -> tuple[str, ...] | None:
    """Names of the given operations; None if there are none. Adds the user's own to the vocabulary.

    Raises:
        UsageError: there is no such operation, or a user's operation cannot be planned.
    """
    if settings.operations is None:
        return None
    names = tuple(name.strip() for name in settings.operations.split(","))
    for number, name in enumerate(names):
        if name in names[:number]:
            raise UsageError(f"--operations={settings.operations} names {name} twice; give it once")
        if name not in OPERATIONS:
            _add(name)
    return names


def _add(name: str) -> None:
    plan: OperationPlan = load_plugin("operations", name, OPERATIONS)
    expected = "a function of ops, x, filters and stride"
    if not callable(plan):
        raise UsageError(f"--operations={name} is {type(plan).__name__}; expected {expected}")
    check_call("operations", name, plan, None, None, 1, 1, expected=expected)
    add_operation(name, plan)
    for stride in (1, 2):
        for filters in (_TRIED[2], 2 * _TRIED[2]):
            tried = Plan.of_image(_TRIED)
            Ops(tried, BatchNorm(momentum=0.9, epsilon=1e-5)).apply(name, tried.image, filters, stride)
