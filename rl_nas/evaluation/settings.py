"""Settings of the filter of children, of their pretraining and of final evaluations; TensorFlow-free."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from rl_nas.errors import UsageError
from rl_nas.image_size import parse_image_size
from rl_nas.settings import Settings, setting

SCORE_NAMES = ("parameters", "gradient_norm", "synflow", "naswot", "jacov")
"""Names of `rl_nas.evaluation.zero_cost.SCORES`, whose module imports TensorFlow."""

VOTERS = ("synflow", "naswot", "jacov", "parameters")
"""Scores that vote on the first children of a warm start."""

_LEAST_SCALE, _LARGEST_SCALE = 0.1, 4


@dataclass(frozen=True)
class FilterSettings(Settings):
    """Filter of children by a score of their untrained networks."""

    title: ClassVar[str] = "Filter of children"

    filter: str | None = setting(
        None,
        "score of the untrained network; children with a low one are `invalid`",
        choices=SCORE_NAMES,
    )
    filter_fraction: float = setting(
        0.5, "fraction of random networks of the space that pass the filter", above=0, maximum=1
    )
    filter_sample: int = setting(50, "random networks that the threshold is computed from", minimum=2, maximum=100_000)
    filter_images: int = setting(32, "training images that a score is computed on", minimum=2, maximum=100_000)


@dataclass(frozen=True)
class WarmStartSettings(Settings):
    """First children that are chosen by scores of untrained networks."""

    title: ClassVar[str] = "Warm start"

    warm_start: str = setting(
        "none",
        "first children: none: the strategy's own; scores: the best of some random networks by a vote (the mean rank)"
        " of scores of the untrained networks, whatever the strategy",
        choices=("none", "scores"),
    )
    warm_start_children: int = setting(10, "children that are chosen so", minimum=1, maximum=1000)
    warm_start_sample: int = setting(100, "random networks that are scored", minimum=1, maximum=100_000)
    warm_start_scores: str | None = setting(
        None, f"scores that vote, separated by commas; left out: those of {', '.join(VOTERS)} that the task has"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warm_start_children > self.warm_start_sample:
            raise UsageError(
                f"--warm_start_children={self.warm_start_children} of --warm_start_sample={self.warm_start_sample}"
                " random networks; give more of these, or fewer children"
            )
        unknown = [name for name in (self.warm_start_scores or "parameters").split(",") if name not in SCORE_NAMES]
        if unknown:
            raise UsageError(f"--warm_start_scores: no score {unknown[0]!r}; expected some of {', '.join(SCORE_NAMES)}")

    def names(self, supported: Collection[str]) -> list[str]:
        """The scores that vote, of a task that has the supported ones."""
        if self.warm_start_scores is not None:
            return self.warm_start_scores.split(",")
        return [name for name in VOTERS if name in supported]


@dataclass(frozen=True)
class PretrainSettings(Settings):
    """Training of backbones as classifiers, before they are trained for their task."""

    title: ClassVar[str] = "Pretraining of the backbone"
    prefix: ClassVar[str] = "pretrain_"

    epochs: int | None = setting(
        None,
        "train every backbone that --space or --genotype describes as a classifier first, for so many epochs; 0: do not"
        " (with --task=detection the default is to ask: without pretraining, short trainings find little)",
        minimum=0,
        maximum=1_000_000,
    )
    dataset: str = setting("cifar10", "images with classes: TFDS name, folder:PATH or dir:PATH, as --dataset")
    image_size: str | None = setting(None, "pixels, N or HxW, to which these images are resized; left out: their own")
    images: int | None = setting(None, "train on so many of them at random; left out: on all", minimum=1)
    batch_size: int = setting(128, "images of a train step", minimum=1, maximum=1_000_000)
    learning_rate: float = setting(
        0.1, "largest learning rate; SGD with Nesterov's momentum along half a cosine", above=0
    )
    dir: str | None = setting(
        None, "folder of pretrained weights, by network, which runs may share; left out: pretrained in --run_dir"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image_size is not None:
            parse_image_size(self.image_size)
        given = [one.name for one in fields(self) if one.name != "epochs" and getattr(self, one.name) != one.default]
        if given and not self.epochs:
            raise UsageError(f"--{self.prefix}{given[0]} has no effect without --pretrain_epochs; give their number")


@dataclass(frozen=True)
class EvaluationSettings(Settings):
    """Views of images that final measurements are averaged over."""

    title: ClassVar[str] = "Final evaluation"
    prefix: ClassVar[str] = "eval_"

    scales: str | None = setting(
        None,
        "at the end, measure mean predictions over images resized by these factors too, separated by commas, such as"
        " 0.5,0.75,1 (Chen et al. 2018); for segmentation",
    )
    flip: bool = setting(
        False, "at the end, measure mean predictions over images and mirrored ones too; for segmentation"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for word in self._words:
            try:
                ok = _LEAST_SCALE <= float(word) <= _LARGEST_SCALE
            except ValueError:
                ok = False
            if not ok:
                raise UsageError(
                    f"--eval_scales={self.scales}: expected numbers from {_LEAST_SCALE} to {_LARGEST_SCALE}, separated"
                    " by commas, such as 0.5,0.75,1"
                )

    @property
    def all_scales(self) -> tuple[float, ...]:
        """The factors, without repetition; 1 if none are given."""
        return tuple(dict.fromkeys(map(float, self._words)))

    def document(self) -> dict[str, Any]:
        """The views as JSON values."""
        return {"scales": list(self.all_scales), "flip": self.flip}

    def measured_in(self, results: Mapping[str, Any]) -> bool:
        """Whether the results of a training have all that these settings ask for."""
        views = results.get("views", {})
        return not self.asked or self.document() == {name: views.get(name) for name in self.document()}

    @property
    def _words(self) -> list[str]:
        return ["1"] if self.scales is None else self.scales.split(",")

    @property
    def asked(self) -> str:
        """The flags that ask for several views; empty if none does."""
        flags = [f"--eval_scales={self.scales}"] if self.scales is not None else []
        return " ".join([*flags, "--eval_flip"] if self.flip else flags)
