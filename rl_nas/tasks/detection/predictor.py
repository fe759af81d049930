"""Detection in `rl_nas predict`: boxes on images, a file in COCO's format, comparison with true boxes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from rl_nas.child.data.image_header import UPRIGHT
from rl_nas.tasks.detection.coco import average_precisions, check_tools
from rl_nas.tasks.detection.coco_file import CocoFile
from rl_nas.tasks.detection.display import SHOWN_SCORE
from rl_nas.tasks.detection.listing import SHOWN
from rl_nas.tasks.detection.overlaps import suppressed
from rl_nas.tasks.detection.overlay import overlay_png
from rl_nas.tasks.detection.predict_settings import DetectionPredictSettings, Suppression, TrueBoxSettings
from rl_nas.tasks.detection.records import Detections, Truth, detections, true_boxes
from rl_nas.tasks.detection.true_boxes import TrueBoxes
from rl_nas.tasks.display import Outputs, as_rgb
from rl_nas.tasks.predictor import ImageFile, Predictor, Serve

DETECTIONS = "detections.json"
_SIZE = "size"


class DetectionPredictor(Predictor):
    """Draws detections, writes them in COCO's format, and measures them where true boxes are known."""

    def __init__(
        self,
        class_names: Sequence[str],
        exported: Suppression,
        flags: Mapping[str, Any],
    ) -> None:
        """Checks the flags.

        Args:
            class_names: one for each class.
            exported: which detections the exported network leaves.
            flags: those of `rl_nas predict`.

        Raises:
            UsageError: a flag asks for detections that the network leaves out.
        """
        self._names = tuple(class_names)
        self._source = TrueBoxes(class_names, TrueBoxSettings.from_flags(flags))
        self._settings = DetectionPredictSettings.from_flags(flags)
        self._settings.check(exported)
        given = self._settings.score_threshold
        self._shown = SHOWN_SCORE if given is None else given
        self._file = CocoFile(self._names)
        self._truths: list[Truth] = []
        self._measured: list[Detections] = []

    @override
    def images(self, folder: Path, tell: Callable[[str], None]) -> list[ImageFile] | None:
        return self._source.images(folder, tell)

    @override
    def with_targets(self, images: Sequence[ImageFile], tell: Callable[[str], None]) -> list[ImageFile]:
        found = self._source.with_targets(images, tell)
        if any(file.target for file in found):
            check_tools()
        return found

    @override
    def outputs(self, serve: Serve, image: np.ndarray) -> Outputs:
        """Those of the network that flags leave, without padding; `size` of the image, and what is shown of them."""
        settings, found = self._settings, detections(serve(image))
        found = found.at(np.argsort(-found.scores, kind="stable")).above(settings.score_threshold or 0)
        if settings.nms_iou is not None:
            found = suppressed(found, settings.nms_iou)
        found = found.at(np.arange(len(found.scores))[: settings.max_detections])
        size, count = np.array(image.shape[:2]), np.int32(len(found.scores))
        return {**found._asdict(), "count": np.asarray(count), _SIZE: size, SHOWN: np.asarray(self._shown)}

    @override
    def files(self, image: np.ndarray, outputs: Outputs) -> dict[str, bytes]:
        return {"overlays": overlay_png(as_rgb(image), detections(outputs).above(self._shown), self._names)}

    @override
    def measure(self, file: ImageFile, outputs: Outputs, orientation: int = UPRIGHT) -> None:
        found = detections(outputs)
        if file.target is not None:
            self._truths.append(true_boxes(self._source.target(file, orientation)))  # which may be broken
            self._measured.append(found)
        self._file.add(file.name, outputs[_SIZE].tolist(), found)

    @override
    def figures(self) -> dict[str, float]:
        return average_precisions(self._truths, self._measured, self._names) if self._truths else {}

    @override
    def documents(self) -> dict[str, str]:
        return {DETECTIONS: self._file.text()}
