"""Segmentation in `rl_nas predict`: masks and overlays as files, tiles, comparison with true masks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from rl_nas.child.data.image_header import UPRIGHT, ImageHeader
from rl_nas.errors import UsageError
from rl_nas.tasks.display import Outputs, as_rgb
from rl_nas.tasks.folder_files import check_inside, files_below
from rl_nas.tasks.predictor import ImageFile, Predictor, Serve
from rl_nas.tasks.segmentation.class_list import ClassList
from rl_nas.tasks.segmentation.confusion import confusion, figures
from rl_nas.tasks.segmentation.display import MaskDisplay
from rl_nas.tasks.segmentation.label_map import LabelMap, make_label_map
from rl_nas.tasks.segmentation.layouts import all_images
from rl_nas.tasks.segmentation.mask_settings import MaskSettings
from rl_nas.tasks.segmentation.masks import COLOR, check_size, decode_mask, file_size
from rl_nas.tasks.segmentation.matching import match_names
from rl_nas.tasks.segmentation.overlay import mask_png, overlay_png
from rl_nas.tasks.segmentation.predict_settings import TileSettings, TruthSettings
from rl_nas.tasks.segmentation.tiling import blended


class SegmentationPredictor(Predictor):
    """Writes a mask and an overlay of every image; measures predictions whose true masks are known."""

    def __init__(self, class_names: Sequence[str], labels: LabelMap, flags: Mapping[str, Any]) -> None:
        """Reads what flags name.

        Args:
            class_names: one for each class.
            labels: what the values of masks meant when the network was exported.
            flags: those of `rl_nas predict`.

        Raises:
            UsageError: the flags are wrong, or give other classes than the network's.
        """
        self._names, self._display = tuple(class_names), MaskDisplay(class_names, labels)
        self._tiles, self._truth = TileSettings.from_flags(flags), TruthSettings.from_flags(flags)
        self._meaning = MaskSettings.from_flags(flags)
        self._suffix, self._labels = self._meaning.mask_suffix, _given_labels(self._meaning, labels)
        self._confusion = np.zeros([len(self._names)] * 2, np.int64)

    @override
    def images(self, folder: Path, tell: Callable[[str], None]) -> list[ImageFile] | None:
        found = all_images(folder, self._suffix, tell)
        if found is None:
            return None
        for file in (file for one in found for file in (one.file, one.mask) if file is not None):
            check_inside(file, folder)
        return [ImageFile(*one) for one in found]

    @override
    def with_targets(self, images: Sequence[ImageFile], tell: Callable[[str], None]) -> list[ImageFile]:
        if self._truth.masks is None:
            if self._meaning != MaskSettings() and not any(image.target for image in images):
                given = [name for name, value in self._meaning.flags().items() if value is not None]
                raise UsageError(
                    f"--{given[0]} is about true masks, and there are none; give their folder with --masks"
                )
            return list(images)
        where, others = f"--masks={self._truth.masks}", list[str]()
        folder = Path(self._truth.masks).expanduser()
        if not folder.is_dir():
            raise UsageError(f"{where}: no such folder; expected one with a mask for every image")
        masks = dict(files_below(folder, others))
        found = match_names([image.name for image in images], list(masks), self._suffix)
        if found.images_left:
            raise UsageError(
                f"{where}: images without a mask: {len(found.images_left)}, such as {found.images_left[0]}; add masks,"
                " leave the images out, or give --mask_suffix"
            )
        return [image._replace(target=masks[found.masks[image.name]]) for image in images]

    @override
    def check(self, file: ImageFile, header: ImageHeader) -> None:
        if file.target is None:
            return
        try:
            size = file_size(file.target)
        except OSError as error:
            raise UsageError(f"mask {file.target} cannot be read: {error.strerror or error}") from error
        check_size(size, header, str(file.target))

    @override
    def outputs(self, serve: Serve, image: np.ndarray) -> Outputs:
        """The class numbers alone: probabilities of large images take much memory."""
        size = self._tiles.size
        if size is None:
            return {"classes": serve(image)["classes"]}
        bands = blended(lambda part: serve(part)["probabilities"], image, size, self._tiles.shared)
        return {"classes": np.concatenate(list(_likeliest(bands)))}

    @override
    def files(self, image: np.ndarray, outputs: Outputs) -> dict[str, bytes]:
        mask, display = outputs["classes"], self._display
        legend = [(key, f"{key.name}  {float(np.mean(mask == key.number)):.1%}") for key in display.keys(mask)]
        return {
            "masks": mask_png(mask, display.palette),
            "overlays": overlay_png(as_rgb(image), display.colored(mask), legend),
        }

    @override
    def measure(self, file: ImageFile, outputs: Outputs, orientation: int = UPRIGHT) -> None:
        if file.target is None:
            return
        from rl_nas.child.data.orientation import turned  # imports TensorFlow

        stored = self._labels.classes_of(decode_mask(file.target.read_bytes(), str(file.target)), str(file.target))
        target = np.asarray(turned(stored[..., np.newaxis], orientation))[..., 0]
        self._confusion += confusion(target, outputs["classes"], len(self._names))

    @override
    def figures(self) -> dict[str, float]:
        return figures(self._confusion, self._names)


def _given_labels(meaning: MaskSettings, exported: LabelMap) -> LabelMap:
    """What the values of true masks mean: as in the network's training, with what flags ignore, or as flags say."""
    if meaning.classes is None and meaning.label_map is None:
        return exported if meaning.ignore_label is None else exported.ignoring(meaning.ignore_label)
    colors = {value: label for value, label in exported.meaning.items() if value >= COLOR}
    labels = make_label_map(meaning, ClassList(exported.names, colors))
    if meaning.classes is None or not meaning.classes.isdecimal():  # classes have names
        return labels.numbered_as(exported.names, f"--classes={meaning.classes}")
    if len(labels.names) != len(exported.names):
        raise UsageError(f"the network has {len(exported.names)} classes; flags say {len(labels.names)}")
    return LabelMap(exported.names, labels.meaning)


def _likeliest(bands: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    for band in bands:
        yield band.argmax(axis=-1).astype(np.uint8)
