"""Classifiers whose figures have the names of a run's own figures."""

from typing import Any, ClassVar

from rl_nas.tasks.classification.task import Classification


class Metric(Classification):
    """A metric called `epochs`."""

    name: ClassVar[str] = "clashing_metric"

    def metric(self, classes: int) -> Any:
        metric = super().metric(classes)
        means = metric.result
        metric.result = lambda: {**means(), "epochs": 1.0}  # type: ignore[method-assign]
        return metric


class Figure(Classification):
    """A figure of the training images called `seconds`."""

    name: ClassVar[str] = "clashing_figure"

    def objective(self, settings: Any, classes: int) -> Any:
        objective = super().objective(settings, classes)
        objective.figure_names = ("seconds",)  # type: ignore[misc]
        return objective
