"""True boxes for `rl_nas predict`, as trainings read them. No TensorFlow until they are used."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from rl_nas.child.data.broken_images import read_headers
from rl_nas.child.data.image_header import ImageHeader
from rl_nas.errors import UsageError
from rl_nas.tasks.detection.class_choice import PADDING, some_names
from rl_nas.tasks.detection.cleaning import Boxes, check_pixels, clean_boxes
from rl_nas.tasks.detection.coco_json import read_coco_file
from rl_nas.tasks.detection.data_settings import AUTO
from rl_nas.tasks.detection.formats import list_boxes
from rl_nas.tasks.detection.listed import ListedImages, Oddities
from rl_nas.tasks.detection.predict_settings import TrueBoxSettings
from rl_nas.tasks.folder_files import headers_inside
from rl_nas.tasks.predictor import ImageFile

_Target = Mapping[str, np.ndarray]


class TrueBoxes:
    """Reads the true boxes of images, whose classes are those of the network by their names."""

    def __init__(self, class_names: Sequence[str], settings: TrueBoxSettings) -> None:
        """Reads nothing yet.

        Args:
            class_names: of the network.
            settings: the flags.
        """
        self._names, self._settings = tuple(class_names), settings
        self._known: dict[Path, tuple[Boxes, ImageHeader]] = {}

    def images(self, folder: Path, tell: Callable[[str], None]) -> list[ImageFile] | None:
        """The images of a folder in a layout of the task, of all splits; arguments and errors as `Predictor.images`.

        Their target is the folder, where their boxes come from.
        """
        if self._settings.boxes is not None:
            return None
        odd = Oddities()
        try:
            listed = list_boxes(folder, self._settings.box_format, lambda: self._names, odd)
        except OSError as error:
            raise UsageError(f"{error.filename or folder} cannot be read: {error.strerror or error}") from error
        if listed is None:
            return None
        self._keep(listed, folder, headers_inside(_files(listed), folder), odd, tell)
        return [ImageFile(file.relative_to(folder).as_posix(), file, folder) for file in _files(listed)]

    def with_targets(self, images: Sequence[ImageFile], tell: Callable[[str], None]) -> list[ImageFile]:
        """The same images with the boxes that `--boxes` names.

        Raises:
            UsageError: it lacks some, is not as COCO's, or flags are about boxes that are not there.
        """
        if self._settings.boxes is None:
            if self._settings.box_format != AUTO and not any(image.target for image in images):
                raise UsageError(
                    f"--box_format={self._settings.box_format} is about true boxes, and there are none; leave it out"
                )
            return list(images)
        where, file = f"--boxes={self._settings.boxes}", Path(self._settings.boxes).expanduser()
        if not file.is_file():
            raise UsageError(f"{where}: no such file; expected one of JSON, in COCO's format")
        named: dict[str, Path] = {}
        for image in images:
            if named.setdefault(image.name, image.path) != image.path:
                raise UsageError(
                    f"{where}: {named[image.name]} and {image.path} have the same name; give a folder above both"
                )
        odd = Oddities()
        listed = read_coco_file(file, named, odd)
        check_pixels(listed.splits, file)
        found = {image.file for some in listed.splits.values() for image in some}
        left = [str(image.path) for image in images if image.path not in found]
        if left:
            raise UsageError(
                f"{where} does not list {len(left)} of {len(images)} images, such as {left[0]}; leave them out, or add"
                " them to the file"
            )
        self._keep(listed, file, read_headers(_files(listed)), odd, tell)
        return [image._replace(target=file) for image in images]

    def target(self, file: ImageFile, orientation: int) -> _Target:
        """The target of an image as in training, but in pixels of the image itself, turned upright.

        Args:
            file: one with a target.
            orientation: of the image as it is stored, by EXIF.
        """
        from rl_nas.child.data.annotation import Frame
        from rl_nas.tasks.detection.annotation import decode_boxes  # imports TensorFlow

        boxes, header = self._known[file.path]
        size, rows = header._replace(orientation=orientation).seen, len(boxes.labels)
        decoded = decode_boxes(rows, {**boxes._asdict(), "count": rows}, Frame(size, size, orientation))
        return {name: np.asarray(values) for name, values in decoded.items()}

    def _keep(
        self,
        listed: ListedImages,
        where: Path,
        headers: Sequence[ImageHeader],
        odd: Oddities,
        tell: Callable[[str], None],
    ) -> None:
        """Keeps the boxes of images, and tells what is odd about them."""
        if listed.class_names and not set(listed.class_names).intersection(self._names):
            raise UsageError(
                f"{where} has boxes of {some_names(listed.class_names)}; expected classes of the network:"
                f" {some_names(self._names)}"
            )
        number_of = {name: number for number, name in reversed([*enumerate(self._names)])}
        numbers = [number_of.get(name, PADDING) for name in listed.class_names]
        others, sought = Counter[str](), 0
        images = (image for some in listed.splits.values() for image in some)
        for image, header in zip(images, headers, strict=True):
            boxes = clean_boxes(image, header, odd)
            labels = np.array([numbers[label] for label in boxes.labels], np.int32)
            others.update(listed.class_names[label] for label in boxes.labels[labels == PADDING])
            sought += int(np.count_nonzero((labels != PADDING) & ~boxes.ignore))
            self._known[image.file] = boxes._replace(labels=labels), header
        if others:
            counts = some_names([f"{name} ({count})" for name, count in others.most_common()])
            odd.tell(f"{where}: boxes of classes that the network does not have: {counts}; left out")
        if not sought:
            odd.tell(f"{where}: no true box is to be found; there is nothing to compare detections with")
        for line in odd.told(where):
            tell(line)


def _files(listed: ListedImages) -> list[Path]:
    return [image.file for images in listed.splits.values() for image in images]
