"""Object detection as a task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from typing_extensions import override

from rl_nas.errors import UsageError
from rl_nas.networks.families.family import BACKBONE, NECK
from rl_nas.settings import Settings
from rl_nas.spaces.published import PUBLISHED
from rl_nas.tasks.detection.anchors import SCALES, Anchors, anchor_sides_for, check_levels, parse_ratios, parse_sizes
from rl_nas.tasks.detection.class_choice import read_class_names
from rl_nas.tasks.detection.coco import check_tools
from rl_nas.tasks.detection.counts import count_boxes
from rl_nas.tasks.detection.data_settings import LAYOUTS, DetectionDataSettings
from rl_nas.tasks.detection.display import BoxDisplay
from rl_nas.tasks.detection.head import DetectionHead, grid_size
from rl_nas.tasks.detection.head_settings import DetectionHeadSettings
from rl_nas.tasks.detection.listing import listed
from rl_nas.tasks.detection.predict_settings import (
    SUPPRESSION,
    DetectionPredictSettings,
    Suppression,
    TrueBoxSettings,
    parse_suppression,
)
from rl_nas.tasks.detection.predictor import DetectionPredictor
from rl_nas.tasks.detection.settings import DetectionSettings
from rl_nas.tasks.task import Problem, Task

if TYPE_CHECKING:
    import keras

    from rl_nas.child.data.annotation import Annotation
    from rl_nas.child.data.examples import Examples
    from rl_nas.child.data.normalization import Normalization
    from rl_nas.tasks.detection.metric import DetectionMetric
    from rl_nas.tasks.detection.objective import DetectionObjective
    from rl_nas.tasks.detection.serving import Detector

_DEFAULT_NECK = "FPN"
_ANCHORS = "anchors"


class Detection(Task):
    """Boxes around objects and their classes; COCO's average precision on held-out images is the quality."""

    name: ClassVar[str] = "detection"
    noun: ClassVar[str] = "object detector"
    settings: ClassVar[tuple[type[Settings], ...]] = (
        DetectionSettings,
        DetectionHeadSettings,
        DetectionDataSettings,
        Suppression,
    )
    data_settings: ClassVar[tuple[type[Settings], ...]] = (DetectionDataSettings, Suppression)
    supports: ClassVar[frozenset[str]] = frozenset({"parameters", "gradient_norm"})
    layouts: ClassVar[str] = LAYOUTS
    parts: ClassVar[Mapping[str, str | None]] = {BACKBONE: None, NECK: _DEFAULT_NECK}
    predict_settings: ClassVar[tuple[type[Settings], ...]] = (DetectionPredictSettings, TrueBoxSettings)
    extras: ClassVar[tuple[str, ...]] = (SUPPRESSION,)
    keeps_norm: ClassVar[bool] = True
    needs_pretraining: ClassVar[bool] = True

    @override
    def annotation(
        self, features: Mapping[str, Any], supervised: Sequence[str], flags: Mapping[str, Any]
    ) -> Annotation | None:
        from rl_nas.tasks.detection.annotation import box_annotation

        return box_annotation(features, supervised, self.problem((), flags).of(DetectionDataSettings))

    @override
    def fits(self, features: Mapping[str, Any], supervised: Sequence[str]) -> bool:
        from rl_nas.tasks.detection.annotation import find_boxes

        return find_boxes(features, supervised) is not None

    @override
    def folder(self, path: str, flags: Mapping[str, Any]) -> Examples | None:
        from rl_nas.tasks.detection.folders import box_folder

        return box_folder(path, self.problem((), flags).of(DetectionDataSettings))

    @override
    def class_names(self, flags: Mapping[str, Any]) -> tuple[str, ...] | None:
        given = self.problem((), flags).of(DetectionDataSettings).classes
        return None if given is None else read_class_names(given)

    @override
    def on_targets(
        self, problem: Problem, targets: Callable[[], Iterable[Any]], tell: Callable[[str], None]
    ) -> Problem:
        """The problem with its anchors; tells which classes have no boxes, and how many boxes no anchor reaches.

        Raises:
            UsageError: there is no box to learn from, the flags give anchors for other levels, or the tools that
                measure detections are not installed.
        """
        check_tools()
        batches = [*targets()]
        counts = count_boxes(batches, problem.classes)
        if not any(counts.own):
            others = f" but {counts.ignored} that are ignored" if counts.ignored else ""
            raise UsageError(
                f"the {counts.images} training images have no box{others}; expected boxes to learn from: check the"
                " data set, or train on more of its images"
            )
        absent = [name for name, count in zip(problem.class_names, counts.own, strict=True) if not count]
        if absent:
            tell(f"the training images have no box of class {', '.join(absent)}")
        learned = [(batch["labels"] >= 0) & ~batch["ignore"] for batch in batches]
        boxes, labels = (
            np.concatenate([batch[name][where] for batch, where in zip(batches, learned, strict=True)])
            for name in ("boxes", "labels")
        )
        assert problem.image_size is not None
        strides = self.head(problem).pyramid
        sides = parse_sizes(problem.of(DetectionSettings).anchor_sizes) or anchor_sides_for(boxes, labels, strides)
        check_levels(sides, len(strides))
        maps = {stride: grid_size(problem.image_size, stride) for stride in strides}
        anchors = Anchors(maps, sides, self._ratios(problem))
        unreached = anchors.unreached(boxes, labels, problem.classes)
        reached = ", ".join(
            f"{missed} of {count} {name}"
            for name, count, missed in zip(problem.class_names, counts.own, unreached.tolist(), strict=True)
            if missed
        )
        of_levels = " ".join(",".join(f"{side:.0f}" for side in of_level) for of_level in sides)
        tell(
            f"anchors: {len(anchors.boxes)}, sides {of_levels}; boxes that none reaches at IoU 0.5:"
            f" {reached or 'none'} (training)"
        )
        return replace(problem, facts={**problem.facts, _ANCHORS: anchors.boxes})

    @override
    def of_model(self, problem: Problem, model: keras.Model) -> Problem:
        from rl_nas.tasks.detection.serving import anchors_in

        anchors = anchors_in(model)
        if anchors is None:
            raise UsageError("the model holds no anchors; expected the model.keras of a training for detection")
        return replace(problem, facts={**problem.facts, _ANCHORS: anchors})

    @override
    def head(self, problem: Problem) -> DetectionHead:
        neck = problem.parts.get(NECK, PUBLISHED[_DEFAULT_NECK])
        anchors = SCALES * len(self._ratios(problem))
        return DetectionHead(problem.classes, neck, problem.of(DetectionHeadSettings), anchors)

    @override
    def objective(self, problem: Problem) -> DetectionObjective:
        from rl_nas.tasks.detection.objective import DetectionObjective

        assert problem.image_size is not None
        settings, kept = problem.of(DetectionSettings), problem.of(Suppression)
        return DetectionObjective(settings, problem.facts[_ANCHORS], problem.image_size, kept)

    @override
    def metric(self, problem: Problem) -> DetectionMetric:
        from rl_nas.tasks.detection.metric import DetectionMetric

        assert problem.image_size is not None
        return DetectionMetric(problem.class_names, problem.image_size)

    @override
    def serving(
        self, problem: Problem, network: keras.Model, normalization: Normalization, *, middle: bool = False
    ) -> Detector:
        from rl_nas.tasks.detection.serving import Detector

        anchors, kept = problem.facts[_ANCHORS], problem.of(Suppression)
        names = problem.class_names
        return Detector(self.name, network, normalization, names, middle, anchors=anchors, kept=kept)

    @override
    def prediction(self, outputs: Mapping[str, Any], class_names: Sequence[str], top: int) -> tuple[str, Any]:
        return listed(outputs, class_names, top)

    @override
    def display(self, class_names: Sequence[str], extras: Mapping[str, str]) -> BoxDisplay:
        return BoxDisplay(class_names)

    @override
    def predictor(
        self, class_names: Sequence[str], extras: Mapping[str, str], flags: Mapping[str, Any]
    ) -> DetectionPredictor:
        exported = parse_suppression(extras[SUPPRESSION]) if SUPPRESSION in extras else Suppression()
        return DetectionPredictor(class_names, exported, flags)

    def _ratios(self, problem: Problem) -> tuple[float, ...]:
        return parse_ratios(problem.of(DetectionSettings).anchor_ratios)
