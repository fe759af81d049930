"""Flags of the part of a detector behind its backbone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting
from rl_nas.spaces.levels import limits

FINEST, COARSEST = 3, 5
"""Levels of a pyramid if neither a flag nor the neck says others."""


@dataclass(frozen=True)
class DetectionHeadSettings(Settings):
    """The neck, and the towers behind it."""

    title: ClassVar[str] = "Detection head"

    neck: str | None = setting(
        None, "genotype of the neck: a published name, a file, or a run's folder; left out: FPN, unless it is searched"
    )
    levels: str | None = setting(
        None,
        "levels of the feature pyramid, from the finest to the coarsest; level n has stride 2^n (RetinaNet: 3-7); left"
        f" out: {FINEST}-{COARSEST}, or those of a searched neck",
    )
    neck_filters: int = setting(64, "filters of the neck's layers (RetinaNet: 256)", minimum=1, maximum=100_000)
    neck_repeats: int = setting(1, "necks behind each other (NAS-FPN: 7)", minimum=1, maximum=100)
    tower_layers: int = setting(
        2, "layers of each of both towers, shared over levels (RetinaNet: 4)", minimum=0, maximum=100
    )
    tower_filters: int = setting(64, "filters of the towers' layers (RetinaNet: 256)", minimum=1, maximum=100_000)
    tower_separable: bool = setting(True, "separable convolutions in the towers, but for their last ones")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.levels is not None:
            self._given_levels()

    def strides(self, of_neck: Sequence[int] | None) -> tuple[int, ...]:
        """Strides of the pyramid, from the finest to the coarsest.

        Args:
            of_neck: the levels that the neck is for; None: it is for any.

        Raises:
            UsageError: the neck is for others than --levels.
        """
        given = self._given_levels() if self.levels is not None else None
        if of_neck is None:
            return tuple(2**level for level in given or range(FINEST, COARSEST + 1))
        if given is not None and [*given] != [*of_neck]:
            raise UsageError(
                f"--levels={self.levels}: the neck is for levels {min(of_neck)} to {max(of_neck)}; leave it out, or"
                " search for others with --neck_levels"
            )
        return tuple(2**level for level in of_neck)

    def _given_levels(self) -> range:
        finest, coarsest = limits(self.levels or "", "levels")
        return range(finest, coarsest + 1)
