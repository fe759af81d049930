"""Search spaces by name."""

from collections.abc import Callable, Sequence
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.plugins import check_call, check_returns, load_plugin
from rl_nas.spaces.amoebanet import amoebanet
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.dpc_space import dpc, rates_of
from rl_nas.spaces.enas_micro import enas_micro
from rl_nas.spaces.levels import limits
from rl_nas.spaces.nas_fpn_space import nas_fpn
from rl_nas.spaces.nas_rl import nas_rl
from rl_nas.spaces.nasbench101 import nasbench101
from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.spaces.nasnet import nasnet
from rl_nas.spaces.settings import SpaceSettings

SPACES: dict[str, Callable[[SpaceSettings], SearchSpace[Any]]] = {
    "nasnet": lambda settings: nasnet(settings.blocks),
    "amoebanet": lambda settings: amoebanet(settings.blocks),
    "enas_micro": lambda settings: enas_micro(settings.blocks),
    "nas_rl": lambda settings: nas_rl(
        settings.layers, settings.strides, settings.skips, settings.start_layers, settings.grow_every
    ),
    "nasbench101": lambda settings: nasbench101(),
    "nasbench201": lambda settings: nasbench201(),
    "dpc": lambda settings: dpc(settings.branches, rates_of(settings.rates)),
    "nas_fpn": lambda settings: nas_fpn(settings.merges, *limits(settings.neck_levels, "neck_levels")),
}


OF_CELLS: dict[str, Callable[[int, tuple[str, ...]], SearchSpace[Any]]] = {
    "nasnet": nasnet,
    "amoebanet": amoebanet,
    "enas_micro": enas_micro,
}
"""Spaces that may offer other operations: functions of the blocks and the operations."""


READS: dict[str, frozenset[str]] = {
    **dict.fromkeys(OF_CELLS, frozenset({"blocks"})),
    "nas_rl": frozenset({"layers", "strides", "skips", "start_layers", "grow_every"}),
    "dpc": frozenset({"branches", "rates"}),
    "nas_fpn": frozenset({"merges", "neck_levels"}),
}
"""Settings that a space reads, by its name; others read none."""


def check_read(settings: SpaceSettings) -> None:
    """Raises `UsageError` for a setting that is not the default and has no effect on the space."""
    defaults = SpaceSettings().flags()
    for name, value in settings.flags().items():
        if value != defaults[name] and name not in ("space", *READS.get(settings.space, ())):
            raise UsageError(f"--{name}={value} has no effect with --space={settings.space}; leave it out")


def find_space(settings: SpaceSettings, operations: Sequence[str] | None = None) -> SearchSpace[Any]:
    """The space of the settings.

    `module:NAME` is the user's own: a `SearchSpace`, or a function that returns one.

    Args:
        settings: name and parameters.
        operations: names of the operations of its cells; None: the space's own.

    Raises:
        UsageError: there is none, or its operations cannot be chosen.
    """
    name = settings.space
    if operations is not None and name in OF_CELLS:
        return OF_CELLS[name](settings.blocks, tuple(operations))
    space = SPACES[name](settings) if name in SPACES else _own_space(name)
    if operations is not None:
        raise UsageError(
            f"--operations is for --space={', '.join(OF_CELLS)}; --space={name} has operations of its own: leave it out"
        )
    return space


def _own_space(name: str) -> SearchSpace[Any]:
    space = load_plugin("space", name, SPACES)
    if callable(space):
        expected = "a SearchSpace or a function without arguments that returns one"
        check_returns("space", name, space, SearchSpace, expected)
        check_call("space", name, space, expected=expected)
        space = space()
    if not isinstance(space, SearchSpace):
        raise UsageError(
            f"--space={name} is {type(space).__name__}; expected a SearchSpace or a function that returns one"
        )
    return space
