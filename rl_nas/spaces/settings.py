"""Settings of the search space."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting
from rl_nas.spaces.levels import limits


@dataclass(frozen=True)
class SpaceSettings(Settings):
    """A search space by name, and its parameters."""

    title: ClassVar[str] = "Search space"

    space: str = setting(
        "nasnet",
        "nasnet, amoebanet, enas_micro, nas_rl, nasbench101, nasbench201, dpc, nas_fpn, or module:NAME for one of your"
        " own",
    )
    blocks: int = setting(
        5, "blocks of each cell (B in the papers); nasnet, amoebanet, enas_micro", minimum=1, maximum=20
    )
    layers: int = setting(15, "layers of the chain; nas_rl", minimum=1, maximum=100)
    start_layers: int | None = setting(
        None, "layers of the first networks, which grow by two at a time up to --layers; nas_rl", minimum=1, maximum=100
    )
    grow_every: int = setting(1600, "trials until networks grow by two layers; nas_rl with --start_layers", minimum=1)
    strides: bool = setting(False, "decide the strides of each layer too; nas_rl")
    skips: bool = setting(True, "decide which earlier layers each layer reads; nas_rl")
    branches: int = setting(5, "branches of a dense prediction cell (B in the paper); dpc", minimum=1, maximum=20)
    rates: str = setting(
        "1,3,6,9,12,15,18,21", "rates of atrous convolutions, along height and width, separated by commas; dpc"
    )
    merges: int = setting(
        7,
        "merging cells of a neck, of which the last ones are its outputs, one for each level; nas_fpn",
        minimum=2,
        maximum=12,
    )
    neck_levels: str = setting(
        "3-7", "finest and coarsest level that a neck reads and puts out; level n has stride 2^n; nas_fpn"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        finest, coarsest = limits(self.neck_levels, "neck_levels")
        if finest == coarsest:
            raise UsageError(f"--neck_levels={self.neck_levels}: a neck merges levels; expected at least two")
