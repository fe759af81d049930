"""Images by the names that annotations give them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from rl_nas.errors import UsageError
from rl_nas.tasks.detection.listed import Oddities, shown
from rl_nas.tasks.folder_files import files_below

OTHER_NAME = "images found under other folders or in another case than annotations say"
_HINT = "expected paths that tell them apart"

Names = defaultdict[str, list[str]]


class ImageIndex:
    """The images of a folder.

    What an annotation names is looked up among them, never opened as a path, so that no name leads elsewhere.
    """

    def __init__(self, root: Path, odd: Oddities, files: Mapping[str, Path] | None = None, hint: str = _HINT) -> None:
        """Lists the images.

        Args:
            root: the folder.
            odd: gets names that differ from those of the files.
            files: the images, by their paths below the folder; None: all that are there.
            hint: what to do where a name could be that of several images, or an image that of several names.
        """
        self._root, self._odd, self._hint = root, odd, hint
        self._files = dict(files_below(root, [])) if files is None else files
        self._called = Names(list)
        for name in self._files:
            self._called[PurePosixPath(name).name.lower()].append(name)
        self._used: set[str] = set()
        self._given: set[str] = set()
        self._guessed: dict[str, str] = {}
        self._fits: tuple[Names, Names] | None = None

    def begin(self, given: Iterable[str]) -> None:
        """Begins with the names of another file: those that end the whole path of an image are of no other one."""
        self._given, self._guessed, self._fits = set(map(_clean, given)), {}, None

    def find(self, given: str, folders: Sequence[Path], where: str) -> tuple[str, Path] | None:
        """The image of a name: its path below the folder that holds it, and its file; None: it is absent.

        A name in another case, or with other folders before it, is understood if one image alone is called so, and if
        no other name of the file fits this image better (`begin`) or as well.

        Args:
            given: the name.
            folders: where it may lie, the likeliest first.
            where: the name stands, for messages.

        Raises:
            UsageError: several images are called so, or the image is found by another name too.
        """
        places = [folder.relative_to(self._root).as_posix().removeprefix(".") for folder in folders]
        places = [f"{place}/" if place else "" for place in places]
        clean = _clean(given)
        for place in places:
            if place + clean in self._files:
                return self._taken(place + clean, place)
        fitting, others = self._by_fit()
        called = fitting.get(clean) or others.get(PurePosixPath(clean).name.lower(), [])
        for place in places:
            below = [name for name in called if name.startswith(place)]
            if len(below) > 1:
                files = " and ".join(str(self._files[name]) for name in below[:2])
                raise UsageError(f"{where} names '{shown(given)}', which could be {files}; {self._hint}")
            if below:
                other = self._guessed.setdefault(below[0], clean)
                if other != clean:
                    raise UsageError(
                        f"{where} names '{shown(given)}', and another one '{shown(other)}', and both could be"
                        f" {self._files[below[0]]}; {self._hint}"
                    )
                self._odd.add(OTHER_NAME, f"{below[0]} for {shown(given)}")
                return self._taken(below[0], place)
        return None

    def unused(self) -> list[str]:
        """The images that were not found by any name."""
        return [name for name in self._files if name not in self._used]

    def _by_fit(self) -> tuple[Names, Names]:
        """The images by the given names that fit them, and those that none fits, by their own names."""
        if self._fits is None:
            fitting, others = Names(list), Names(list)
            for called, names in self._called.items():
                for name in names:
                    endings = self._endings(name)
                    for ending in endings:
                        fitting[ending].append(name)
                    if not endings:
                        others[called].append(name)
            self._fits = fitting, others
        return self._fits

    def _endings(self, name: str) -> set[str]:
        """Those of the given names that end the whole path of an image."""
        parts = self._files[name].absolute().parts
        return self._given.intersection("/".join(parts[start:]) for start in range(1, len(parts)))

    def _taken(self, name: str, place: str) -> tuple[str, Path]:
        self._used.add(name)
        return name.removeprefix(place), self._files[name]


def _clean(given: str) -> str:
    return given.replace("\\", "/").removeprefix("./")
