"""Classification in `rl_nas predict`: accuracy on images in folders of classes."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import ClassVar, NamedTuple

from typing_extensions import override

from rl_nas.child.data.image_header import UPRIGHT
from rl_nas.names import shown_names
from rl_nas.statistics import proportion_interval
from rl_nas.tasks.display import Outputs
from rl_nas.tasks.folder_files import SPLITS
from rl_nas.tasks.predictor import ImageFile, Predictor

_SHOWN = 4
"""Names in a line."""


class _Place(NamedTuple):
    """The folder of an image's class: its name, that of the folder above it, and which part of the path it is."""

    name: str
    split: str
    depth: int


class ClassPredictor(Predictor):
    """Measures the accuracy where folders are named as classes: CLASS/NAME or SPLIT/CLASS/NAME."""

    draws: ClassVar[bool] = False

    def __init__(self, class_names: Sequence[str]) -> None:
        self._number = {name: number for number, name in enumerate(class_names)}
        self._hits, self._images = Counter[str](), Counter[str]()
        self._split_of: dict[Path, str] = {}

    @override
    def with_targets(self, images: Sequence[ImageFile], tell: Callable[[str], None]) -> list[ImageFile]:
        """The same images; the target of those in a folder of a class is that folder."""
        places = [self._place(image) for image in images]
        self._tell(images, places, tell)
        self._split_of = {one.path: place.split for one, place in zip(images, places, strict=True) if place is not None}
        return [
            image if place is None else image._replace(target=_folder(image, place.depth))
            for image, place in zip(images, places, strict=True)
        ]

    @override
    def measure(self, file: ImageFile, outputs: Outputs, orientation: int = UPRIGHT) -> None:
        if file.target is not None:
            split = self._split_of[file.path]
            self._images[split] += 1
            self._hits[split] += int(outputs["probabilities"].argmax() == self._number[file.target.name])

    @override
    def cells(self, file: ImageFile) -> Mapping[str, str]:
        """The true class, if it is known."""
        return {} if file.target is None else {"true_class": file.target.name}

    @override
    def figures(self) -> dict[str, float]:
        """The accuracy with its interval; of each split alone where there are several, as one was trained on."""
        figures: dict[str, float] = {}
        for split, images in self._images.items():
            low, high = proportion_interval(self._hits[split], images)
            of = f"/{split}" if len(self._images) > 1 else ""
            one = {"accuracy": self._hits[split] / images, "accuracy_low": low, "accuracy_high": high}
            figures |= {f"{name}{of}": value for name, value in {**one, **({"images": images} if of else {})}.items()}
        return figures

    def _place(self, image: ImageFile) -> _Place | None:
        """Where the class of an image stands in its name; None: in no place."""
        first, second, *_ = (*PurePath(image.name).parts[:-1], "", "")
        if second in self._number and (first not in self._number or first.lower() in SPLITS):
            return _Place(second, first, 1)
        return _Place(first, "", 0) if first in self._number else None

    def _tell(self, images: Sequence[ImageFile], places: Sequence[_Place | None], tell: Callable[[str], None]) -> None:
        """Tells what is not measured, and which classes have no images."""
        left = [image for image, place in zip(images, places, strict=True) if place is None]
        folders = [PurePath(image.name).parts[:-1] for image in left]
        if len(left) == len(images):
            if any(folders):
                names = shown_names(self._number, _SHOWN)
                tell(f"accuracy is not measured: no folder is named as a class of the model ({names})")
            return
        depth = max(place.depth for place in places if place is not None)
        unknown = Counter(folder[min(depth, len(folder) - 1)] if folder else "" for folder in folders)
        beside = unknown.pop("", 0)
        if unknown:
            names = shown_names([f"{name} ({count})" for name, count in unknown.most_common()], _SHOWN)
            tell(f"not measured: {unknown.total()} images in folders that are no classes of the model: {names}")
        if beside:
            tell(f"not measured: {beside} images in no folder of a class, such as {left[folders.index(())].name}")
        absent = self._number.keys() - {place.name for place in places if place is not None}
        if absent:
            names = shown_names(sorted(absent), _SHOWN)
            tell(f"no images of {len(absent)} of the model's {len(self._number)} classes: {names}")


def _folder(image: ImageFile, depth: int) -> Path:
    """The folder above an image that a part of its name is."""
    return image.path.parents[len(PurePath(image.name).parts) - 2 - depth]
