"""The interface of tasks: everything that differs between classification and other uses of a network.

A task's module imports no TensorFlow; what needs it is imported by the methods that return it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from rl_nas.errors import UsageError
from rl_nas.networks.families.family import BACKBONE
from rl_nas.networks.features import Head
from rl_nas.settings import Settings
from rl_nas.spaces.decisions import Genotype
from rl_nas.tasks.display import Display
from rl_nas.tasks.predictor import Predictor

if TYPE_CHECKING:
    import keras

    from rl_nas.child.data.annotation import Annotation
    from rl_nas.child.data.examples import Examples
    from rl_nas.child.data.normalization import Normalization
    from rl_nas.child.export.serving import Serving
    from rl_nas.child.network.flat_weights import Outputs
    from rl_nas.child.training.objective import Metric, Objective


SomeSettings = TypeVar("SomeSettings", bound=Settings)


@dataclass(frozen=True)
class Problem:
    """A task on a data set.

    Attributes:
        class_names: one per class; none if the data has no classes.
        settings: an instance of each of the task's `settings`.
        image_size: height and width of the images; None: they have no matter yet.
        parts: genotypes of parts of its networks beside the backbone, by name.
        facts: what the task found out about the training targets.
    """

    class_names: tuple[str, ...] = ()
    settings: tuple[Settings, ...] = ()
    image_size: tuple[int, int] | None = None
    parts: Mapping[str, Genotype] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def of(self, group: type[SomeSettings]) -> SomeSettings:
        """The settings of a group of the task."""
        return next(one for one in self.settings if isinstance(one, group))

    def changed(self, group: type[SomeSettings], **values: Any) -> Problem:
        """The problem with other values in a group of its settings."""
        changed = (
            replace(one, **values) if isinstance(one, group) else one  # type: ignore[type-var]
            for one in self.settings
        )
        return replace(self, settings=tuple(changed))


class Task(ABC):
    """The purpose of networks, such as classification.

    Attributes:
        name: what `--task` calls it.
        noun: for a trained network, such as `image classifier`.
        settings: groups of the task's own flags.
        data_settings: those of them that say what the targets are; `rl_nas export` takes them too.
        parts: parts of its networks; the backbone, and those with a flag that names a genotype -> that flag's default.
        supports: further abilities: `one_shot` (search with shared weights), `mixup`, and names of the scores of
            untrained networks; and `views`, with `averaged`.
        layouts: of the folders that `folder` reads, such as `train/CLASS/NAME.jpg`; for messages and help texts.
        predict_settings: groups of the task's own flags of `rl_nas predict`.
        extras: names of the files in `Annotation.extras` and `Serving.extras` that `display` and `predictor` read.
        keeps_norm: whether the batch normalization of trained backbones stays as it is, unless `--freeze` says
            otherwise: for batches that are too small for their own averages.
        needs_pretraining: whether backbones without any training find little in a short one.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    settings: ClassVar[tuple[type[Settings], ...]] = ()
    data_settings: ClassVar[tuple[type[Settings], ...]] = ()
    parts: ClassVar[Mapping[str, str | None]] = {BACKBONE: None}
    supports: ClassVar[frozenset[str]] = frozenset()
    layouts: ClassVar[str] = ""
    predict_settings: ClassVar[tuple[type[Settings], ...]] = ()
    extras: ClassVar[tuple[str, ...]] = ()
    keeps_norm: ClassVar[bool] = False
    needs_pretraining: ClassVar[bool] = False

    @abstractmethod
    def annotation(
        self, features: Mapping[str, Any], supervised: Sequence[str], flags: Mapping[str, Any]
    ) -> Annotation | None:
        """The features of a data set that hold the task's targets; None if there are none.

        Args:
            features: of TFDS, by name.
            supervised: names of the features that the data set calls input and target, if it does.
            flags: values of the task's flags, others may be among them; defaults for those that are missing.
        """

    def fits(self, features: Mapping[str, Any], supervised: Sequence[str]) -> bool:
        """Whether a data set has the task's targets; arguments as in `annotation`."""
        return self.annotation(features, supervised, {}) is not None

    def folder(self, path: str, flags: Mapping[str, Any]) -> Examples | None:
        """The examples in a folder of the user's; None if it is in none of the task's layouts.

        Args:
            path: of the folder, without a slash at its end; local or in a bucket.
            flags: as in `annotation`.

        Raises:
            UsageError: the folder is in a layout of the task, but something in it is wrong.
        """
        return None

    def class_names(self, flags: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The names of classes that flags give without a data set, by numbers here; None: they do not.

        Args:
            flags: as in `annotation`.

        Raises:
            UsageError: the flags are wrong.
        """
        given = flags.get("classes")
        if given is None:
            return None
        if not re.fullmatch(r"[1-9][0-9]{0,5}", given):
            raise UsageError(f"--classes={given}: expected a number of classes with --task={self.name}")
        return tuple(map(str, range(int(given))))

    @abstractmethod
    def head(self, problem: Problem) -> Head:
        """The last part of its networks."""

    @abstractmethod
    def objective(self, problem: Problem) -> Objective:
        """Loss and evidence."""

    @abstractmethod
    def metric(self, problem: Problem) -> Metric:
        """Figures over a split; the first is the quality."""

    @abstractmethod
    def serving(
        self, problem: Problem, network: keras.Model, normalization: Normalization, *, middle: bool = False
    ) -> Serving:
        """Serving of a trained network; arguments as in `Serving`."""

    @abstractmethod
    def prediction(self, outputs: Mapping[str, Any], class_names: Sequence[str], top: int) -> tuple[str, Any]:
        """The printed prediction of one image: a line of text, and a JSON value.

        Args:
            outputs: of the exported network for the image, arrays by name.
            class_names: one for each class.
            top: most classes to show.
        """

    def averaged(self, views: Sequence[tuple[Outputs, bool]], size: tuple[int, int]) -> Outputs:
        """The outputs that stand for the mean prediction over several views of the same images.

        Args:
            views: outputs of the network for the images at several sizes, and whether the images were mirrored.
            size: height and width of the images.

        Raises:
            UsageError: the task has no such outputs.
        """
        raise UsageError(f"views cannot be averaged with --task={self.name}; leave out --eval_scales and --eval_flip")

    def display(self, class_names: Sequence[str], extras: Mapping[str, str]) -> Display:
        """How images are shown with their targets and predictions.

        Args:
            class_names: one for each class.
            extras: content of the files that `Task.extras` names; some may be missing.
        """
        return Display(class_names)

    def predictor(self, class_names: Sequence[str], extras: Mapping[str, str], flags: Mapping[str, Any]) -> Predictor:
        """What `rl_nas predict` does beyond printing.

        Args:
            class_names: one for each class.
            extras: as in `display`; a stranger may have written them.
            flags: values of `predict_settings`, others may be among them.

        Raises:
            UsageError: the flags do not fit the network.
        """
        return Predictor()

    def problem(self, class_names: Sequence[str], flags: Mapping[str, Any] | None = None) -> Problem:
        """The task on a data set.

        Args:
            class_names: one per class.
            flags: values of the task's flags, others may be among them; defaults for those that are missing.
        """
        groups = (group.from_flags({**group().flags(), **(flags or {})}) for group in self.settings)
        return Problem(tuple(class_names), tuple(groups))

    def check(self, problem: Problem) -> None:
        """Tries what settings name, such as code of the user's, before images are decoded.

        Args:
            problem: of this task.

        Raises:
            UsageError: it cannot be used.
        """
        return  # built-in losses and metrics need no trial

    def on_backbone(self, problem: Problem, strides: Collection[int]) -> Problem:
        """The problem with the settings that were left out and follow from the backbone.

        Args:
            problem: of this task.
            strides: of the backbone's feature maps.
        """
        return problem

    def on_targets(
        self, problem: Problem, targets: Callable[[], Iterable[Any]], tell: Callable[[str], None]
    ) -> Problem:
        """The problem with facts about the training targets, such as weights that balance classes.

        Args:
            problem: of this task, with all parts of a network.
            targets: returns batches of them, as arrays; takes long on large data sets.
            tell: called with lines on what the user may not expect of them.
        """
        return problem

    def of_model(self, problem: Problem, model: keras.Model) -> Problem:
        """The problem with the facts that a trained network's `Serving.keras_model` holds.

        Raises:
            UsageError: it is no network of this task.
        """
        return problem

    def freeze(self, flag: str, *, trained: bool) -> str:
        """What of a network is not trained: `none`, `norm` or `backbone`.

        Args:
            flag: the value of `--freeze`, one of these or `auto`.
            trained: whether its backbone is.
        """
        if flag != "auto":
            return flag
        return "norm" if trained and self.keeps_norm else "none"

    def require(self, ability: str, flag: str) -> None:
        """Raises `UsageError` if the task cannot do what a flag asks for."""
        if ability not in self.supports:
            raise UsageError(f"{flag} is not possible with --task={self.name}; leave it out")
