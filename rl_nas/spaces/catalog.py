"""Search spaces by name."""

import difflib
from collections.abc import Callable
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.plugins import load_plugin
from rl_nas.spaces.amoebanet import amoebanet
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.enas_micro import enas_micro
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
}


def find_space(settings: SpaceSettings) -> SearchSpace[Any]:
    """The space of that name.

    `module:NAME` is one of the user's own: a `SearchSpace`, or a function that returns one.

    Raises:
        UsageError: there is none.
    """
    name = settings.space
    if name in SPACES:
        return SPACES[name](settings)
    if ":" not in name:
        near = difflib.get_close_matches(name, SPACES, n=1)
        hint = f"did you mean {near[0]}?" if near else f"spaces: {', '.join(SPACES)}, or module:NAME"
        raise UsageError(f"unknown --space={name}; {hint}")
    found = load_plugin("space", name)
    space = found() if callable(found) else found
    if not isinstance(space, SearchSpace):
        raise UsageError(
            f"--space={name} is {type(space).__name__}; expected a SearchSpace or a function that returns one"
        )
    return space
