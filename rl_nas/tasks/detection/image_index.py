"""Images by the names that annotations give them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from rl_nas.errors import UsageError
from rl_nas.tasks.detection.listed import Oddities, shown
from rl_nas.tasks.folder_files import files_below

OTHER_NAME = "images found under other folders or in another case than annotations say"


class ImageIndex:
    """The JPEG and PNG images of a folder.

    What an annotation names is looked up among them, never opened as a path, so that no name leads elsewhere.
    """

    def __init__(self, root: Path, odd: Oddities, files: Mapping[str, Path] | None = None) -> None:
        """Lists the images.

        Args:
            root: the folder.
            odd: gets names that differ from those of the files.
            files: the images, by their paths below the folder; None: all that are there.
        """
        self._root, self._odd = root, odd
        self._files = dict(files_below(root, [])) if files is None else files
        self._called: dict[str, list[str]] = defaultdict(list)
        for name in self._files:
            self._called[PurePosixPath(name).name.lower()].append(name)
        self._used: set[str] = set()

    def find(self, given: str, folders: Sequence[Path], where: str) -> tuple[str, Path] | None:
        """The image of a name: its path below the folder that holds it, and its file; None: it is absent.

        A name in another case, or with other folders before it, is understood if one image alone is called so.

        Args:
            given: the name.
            folders: where it may lie, the likeliest first.
            where: the name stands, for messages.

        Raises:
            UsageError: several images are called so.
        """
        places = [folder.relative_to(self._root).as_posix().removeprefix(".") for folder in folders]
        places = [f"{place}/" if place else "" for place in places]
        clean = given.replace("\\", "/").removeprefix("./")
        for place in places:
            if place + clean in self._files:
                return self._taken(place + clean, place)
        called = self._called.get(PurePosixPath(clean).name.lower(), [])
        for place in places:
            below = [name for name in called if name.startswith(place)]
            if len(below) > 1:
                raise UsageError(
                    f"{where} names '{shown(given)}', and {self._root} has {' and '.join(below[:2])}; expected the path"
                    " of one of them"
                )
            if below:
                self._odd.add(OTHER_NAME, f"{below[0]} for {shown(given)}")
                return self._taken(below[0], place)
        return None

    def unused(self) -> list[str]:
        """The images that were not found by any name."""
        return [name for name in self._files if name not in self._used]

    def _taken(self, name: str, place: str) -> tuple[str, Path]:
        self._used.add(name)
        return name.removeprefix(place), self._files[name]
