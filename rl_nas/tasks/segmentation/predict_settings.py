"""Flags of segmentation in `rl_nas predict`."""

from dataclasses import dataclass
from typing import Any, ClassVar

from rl_nas.errors import UsageError
from rl_nas.image_size import parse_image_size
from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class TileSettings(Settings):
    """Large images."""

    title: ClassVar[str] = "Large images (segmentation)"

    tile: str | None = setting(
        None,
        "pixels, N for a square or HxW; predict on overlapping tiles of this size, each resized to what the network"
        " reads, and blend their probabilities; left out: the whole image is resized",
    )
    overlap: int | None = setting(
        None, "least pixels that neighboring tiles share; left out: a quarter of a tile's shorter side", minimum=0
    )

    def __post_init__(self) -> None:
        given: Any = self.tile
        if isinstance(given, int):  # a square, from Python
            object.__setattr__(self, "tile", str(given))
        super().__post_init__()
        if self.size is None and self.overlap is not None:
            raise UsageError(f"--overlap={self.overlap} is of tiles; give their size with --tile, or leave it out")
        if self.size is not None and self.shared >= min(self.size):
            raise UsageError(
                f"--overlap={self.overlap} is not below the sides of --tile={self.tile}; give a smaller one"
            )

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of a tile; None: no tiles."""
        return None if self.tile is None else parse_image_size(self.tile, "tile")

    @property
    def shared(self) -> int:
        """Least pixels that neighboring tiles share."""
        if self.overlap is not None:
            return self.overlap
        return 0 if self.size is None else min(self.size) // 4


@dataclass(frozen=True)
class TruthSettings(Settings):
    """Masks to compare with."""

    title: ClassVar[str] = "Masks to compare with (segmentation)"

    masks: str | None = setting(
        None,
        "folder with the true mask of every image, by the names of files: the metrics over all images, in their own"
        " size, are shown too; folders in a layout of the task bring theirs. Values mean what they did in the network's"
        " training, unless the flags below say otherwise",
    )
