"""Semantic segmentation as a task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from rl_nas.errors import UsageError
from rl_nas.networks.families.family import BACKBONE, HEAD
from rl_nas.settings import Settings
from rl_nas.spaces.published import PUBLISHED
from rl_nas.tasks.segmentation.absent import absent_classes
from rl_nas.tasks.segmentation.class_list import ClassList
from rl_nas.tasks.segmentation.display import MaskDisplay
from rl_nas.tasks.segmentation.head import SegmentationHead
from rl_nas.tasks.segmentation.head_settings import SegmentationHeadSettings
from rl_nas.tasks.segmentation.label_map import MASK_VALUES, LabelMap, make_label_map, parse_label_map
from rl_nas.tasks.segmentation.layouts import LAYOUTS
from rl_nas.tasks.segmentation.mask_settings import MaskSettings
from rl_nas.tasks.segmentation.predict_settings import TileSettings, TruthSettings
from rl_nas.tasks.segmentation.predictor import SegmentationPredictor
from rl_nas.tasks.segmentation.settings import LOSSES, SegmentationSettings
from rl_nas.tasks.segmentation.weights import class_weights, count_pixels
from rl_nas.tasks.task import Problem, Task
from rl_nas.tasks.weight_file import read_weights

if TYPE_CHECKING:
    import keras

    from rl_nas.child.data.annotation import Annotation
    from rl_nas.child.data.examples import Examples
    from rl_nas.child.data.normalization import Normalization
    from rl_nas.child.network.flat_weights import Outputs
    from rl_nas.tasks.segmentation.metric import SegmentationMetric
    from rl_nas.tasks.segmentation.objective import SegmentationObjective
    from rl_nas.tasks.segmentation.serving import Segmenter

_DEFAULT_HEAD = "ASPP"
_WEIGHTS = "class_weights"


class Segmentation(Task):
    """A class for each pixel; the mean intersection over union on held-out images is the quality."""

    name: ClassVar[str] = "segmentation"
    noun: ClassVar[str] = "segmentation network"
    settings: ClassVar[tuple[type[Settings], ...]] = (SegmentationSettings, SegmentationHeadSettings, MaskSettings)
    data_settings: ClassVar[tuple[type[Settings], ...]] = (MaskSettings,)
    supports: ClassVar[frozenset[str]] = frozenset({"parameters", "gradient_norm", "views"})
    layouts: ClassVar[str] = LAYOUTS
    parts: ClassVar[Mapping[str, str | None]] = {BACKBONE: None, HEAD: _DEFAULT_HEAD}
    predict_settings: ClassVar[tuple[type[Settings], ...]] = (TileSettings, TruthSettings, MaskSettings)
    extras: ClassVar[tuple[str, ...]] = (MASK_VALUES,)

    @override
    def annotation(
        self, features: Mapping[str, Any], supervised: Sequence[str], flags: Mapping[str, Any]
    ) -> Annotation | None:
        from rl_nas.tasks.segmentation.annotation import masks_of

        return masks_of(features, supervised, self.problem((), flags).of(MaskSettings))

    @override
    def folder(self, path: str, flags: Mapping[str, Any]) -> Examples | None:
        from rl_nas.tasks.segmentation.folders import mask_folder

        return mask_folder(path, self.problem((), flags).of(MaskSettings).mask_suffix)

    @override
    def fits(self, features: Mapping[str, Any], supervised: Sequence[str]) -> bool:
        from rl_nas.tasks.segmentation.annotation import find_masks

        return find_masks(features, supervised) is not None

    @override
    def check(self, problem: Problem) -> None:
        loss = problem.of(SegmentationSettings).loss
        if loss not in LOSSES:
            raise UsageError(
                f"--loss={loss}: losses of your own are for classes of images; expected one of {', '.join(LOSSES)},"
                " or a --task=module:NAME of your own"
            )

    @override
    def on_backbone(self, problem: Problem, strides: Collection[int]) -> Problem:
        settings = problem.of(SegmentationHeadSettings)
        if settings.dilated and settings.output_stride not in [stride for stride in strides if stride < max(strides)]:
            raise UsageError(
                f"--dilated has no effect with --output_stride={settings.output_stride}: the backbone has features of"
                f" stride {', '.join(map(str, strides))}; give a finer one of these"
            )
        if settings.output_stride is None:
            problem = problem.changed(SegmentationHeadSettings, output_stride=max(strides))
        if problem.of(SegmentationHeadSettings).output_stride in strides:  # otherwise the plan is refused
            problem.of(SegmentationHeadSettings).check_decoder(strides)
        return problem

    @override
    def on_targets(
        self, problem: Problem, targets: Callable[[], Iterable[Any]], tell: Callable[[str], None]
    ) -> Problem:
        choice = problem.of(SegmentationSettings).class_weights
        if choice not in ("none", "auto"):
            read_weights(Path(choice), problem.class_names)  # before all masks are
        counts = count_pixels(targets(), problem.classes)
        absent = absent_classes(counts.own, problem.class_names)
        if absent is not None:
            tell(absent)
        weights = class_weights(choice, problem.class_names, counts)
        return replace(problem, facts={_WEIGHTS: weights})

    @override
    def class_names(self, flags: Mapping[str, Any]) -> tuple[str, ...] | None:
        settings = self.problem((), flags).of(MaskSettings)
        if settings.classes is None and settings.label_map is None:
            return None
        return make_label_map(settings).names

    @override
    def head(self, problem: Problem) -> SegmentationHead:
        cell = problem.parts.get(HEAD, PUBLISHED[_DEFAULT_HEAD])
        return SegmentationHead(problem.classes, cell, problem.of(SegmentationHeadSettings))

    @override
    def objective(self, problem: Problem) -> SegmentationObjective:
        from rl_nas.tasks.segmentation.objective import SegmentationObjective

        settings = problem.of(SegmentationSettings)
        return SegmentationObjective(settings, problem.classes, problem.facts.get(_WEIGHTS))

    @override
    def metric(self, problem: Problem) -> SegmentationMetric:
        from rl_nas.tasks.segmentation.metric import SegmentationMetric

        return SegmentationMetric(problem.class_names)

    @override
    def serving(
        self, problem: Problem, network: keras.Model, normalization: Normalization, *, middle: bool = False
    ) -> Segmenter:
        from rl_nas.tasks.segmentation.serving import Segmenter

        return Segmenter(self.name, network, normalization, problem.class_names, middle)

    @override
    def averaged(self, views: Sequence[tuple[Outputs, bool]], size: tuple[int, int]) -> Outputs:
        from rl_nas.tasks.segmentation.averaging import averaged

        return averaged(views, size)

    @override
    def prediction(self, outputs: Mapping[str, Any], class_names: Sequence[str], top: int) -> tuple[str, Any]:
        mask = outputs["classes"]
        pixels = {name: float((mask == number).mean()) for number, name in enumerate(class_names)}
        found = sorted(((name, part) for name, part in pixels.items() if part), key=lambda pair: -pair[1])
        return "  ".join(f"{name} {part:.1%}" for name, part in found[:top]), pixels

    @override
    def display(self, class_names: Sequence[str], extras: Mapping[str, str]) -> MaskDisplay:
        return MaskDisplay(class_names, _labels(class_names, extras))

    @override
    def predictor(
        self, class_names: Sequence[str], extras: Mapping[str, str], flags: Mapping[str, Any]
    ) -> SegmentationPredictor:
        return SegmentationPredictor(class_names, _labels(class_names, extras), flags)


def _labels(class_names: Sequence[str], extras: Mapping[str, str]) -> LabelMap:
    """What the values of masks mean: as an exported network says, or class numbers with 255 to be ignored."""
    if MASK_VALUES in extras:
        return parse_label_map(extras[MASK_VALUES], class_names, MASK_VALUES)
    return make_label_map(MaskSettings(), ClassList(tuple(class_names)))
