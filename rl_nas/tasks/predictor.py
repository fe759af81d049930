"""What a task adds to `rl_nas predict`: where targets are, how networks are applied, what is written. No TensorFlow."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from rl_nas.child.data.image_header import UPRIGHT, ImageHeader
from rl_nas.tasks.display import Outputs

Serve = Callable[[np.ndarray], Outputs]
"""From one image, uint8 [height, width, channels] of any size, to the outputs of the exported network."""


class ImageFile(NamedTuple):
    """A file to predict on.

    Attributes:
        name: a path that is relative to what the user named.
        path: the file.
        target: file of its target, or the folder that says it, if it is known.
        word: as the user named it; empty for the images of a folder.
    """

    name: str
    path: Path
    target: Path | None = None
    word: str = ""

    @property
    def shown(self) -> str:
        """What results call it."""
        return self.word or str(self.path)


class Predictor:
    """Predicts without further files and without targets: the base of the predictors of tasks.

    One of them is made for every call of the verb.

    Attributes:
        draws: whether `files` may have any, whose names come from those of the images.
    """

    draws: ClassVar[bool] = True

    def images(self, folder: Path, tell: Callable[[str], None]) -> list[ImageFile] | None:
        """The images of a folder in a layout of the task; None: it is in none.

        Args:
            folder: of the user's.
            tell: called with a line on what is left out.

        Raises:
            UsageError: something in the layout is wrong.
        """
        return None

    def with_targets(self, images: Sequence[ImageFile], tell: Callable[[str], None]) -> list[ImageFile]:
        """The same images with the targets that flags name.

        Raises:
            UsageError: some are missing.
        """
        return list(images)

    def check(self, file: ImageFile, header: ImageHeader) -> None:
        """Raises `UsageError`, before any work, if a target cannot belong to an image with this header."""

    def outputs(self, serve: Serve, image: np.ndarray) -> Outputs:
        """The outputs for an image."""
        return serve(image)

    def files(self, image: np.ndarray, outputs: Outputs) -> Mapping[str, bytes]:
        """The files of a prediction: folder -> content of a PNG image.

        Args:
            image: uint8 [height, width, channels].
            outputs: of `outputs`.
        """
        return {}

    def measure(self, file: ImageFile, outputs: Outputs, orientation: int = UPRIGHT) -> None:
        """Compares a prediction with its target, if there is one.

        Args:
            file: of the image.
            outputs: for the image turned upright.
            orientation: of the image as it is stored, by EXIF.

        Raises:
            UsageError: the target cannot be read, or says what the network cannot.
        """

    def cells(self, file: ImageFile) -> Mapping[str, str]:
        """Further cells of an image's row in the table of predictions, by column: what is known of its target."""
        return {}

    def figures(self) -> dict[str, float]:
        """The metrics over all that were measured; none: nothing was."""
        return {}

    def documents(self) -> Mapping[str, str]:
        """Text files about all images for which `measure` was called: name -> content."""
        return {}
