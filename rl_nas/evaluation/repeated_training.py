"""Measures an architecture by several trainings of its child network, as one short training is mostly noise."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from rl_nas.checkpoint import State
from rl_nas.metrics import quality_of
from rl_nas.store.class_results import ClassResults
from rl_nas.trial import Job, Measurement, child_seed

OnChild = Callable[[Job, Measurement, Any, ClassResults | None], None]
"""Is called with the job, the measurement, the model and the results of each class of a child.

The model has `weights` with path and value.
"""

DEVIATION = "_deviation"
"""End of the name of the metric that tells how far apart the qualities of a child's trainings are."""


class SingleTraining(Protocol):
    """Measures a child by one training: `rl_nas.evaluation.trained_child.TrainedChildEvaluator`."""

    def __call__(self, job: Job, *, number: int = 0) -> Measurement:
        """Trains the child of a job; `number` of its trainings, from 0: only in the first one the filter is asked."""


class Finished(Protocol):
    """Finished trainings of children that are not measured to the end."""

    def load(self, index: int) -> State | None:
        """What is kept of a trial's child, if there is anything."""

    def save(self, index: int, state: State) -> None:
        """Keeps something of a trial's child."""


class RepeatedTraining:
    """Measures children by the means over trainings with different seeds; a child fails if any of them fails.

    Each finished training is kept, and not repeated when its child is evaluated again. `on_child` is called with the
    weights and the classes of the best training, of equals the first, and the means.
    """

    def __init__(
        self, evaluator: Callable[[OnChild], SingleTraining], seeds: int, finished: Finished, on_child: OnChild
    ) -> None:
        """Makes the evaluator of one training.

        Args:
            evaluator: makes it, from what it calls with every trained child.
            seeds: trainings of a child; 2 at least.
            finished: keeps trainings.
            on_child: called with every child.
        """
        self._train, self._seeds, self._finished, self._on_child = evaluator(self._take), seeds, finished, on_child
        self._weights: dict[str, np.ndarray] = {}  # of the last training, as the next
        self._classes: ClassResults | None = None

    def __call__(self, job: Job) -> Measurement:
        """Trains the child of a job by every seed; raises what the evaluator of one training raises."""
        job_name = [list(job.architecture), job.seed]
        kept = self._finished.load(job.index)
        if kept is None or kept.get("job") != job_name:  # asynchronous searches may propose something else again
            kept = {"job": job_name, "measured": [], "weights": {}, "classes": None}
        measured = [Measurement(**{**one, "curve": tuple(one["curve"])}) for one in kept["measured"]]
        weights, classes = kept["weights"], kept.get("classes") and ClassResults.of(kept["classes"])
        for number in range(len(measured), self._seeds):
            training = replace(job, seed=training_seed(job.seed, number))
            one = self._train(training, number=number)
            if not measured or one.quality > max(before.quality for before in measured):
                weights, classes = self._weights, self._classes
            measured.append(one)
            documents = [{**vars(each), "metrics": dict(each.metrics)} for each in measured]
            document = classes and classes.document()
            state = {"job": job_name, "measured": documents, "weights": weights, "classes": document}
            self._finished.save(job.index, state)
        mean = mean_of(measured)
        self._on_child(job, mean, _Weights(weights), classes)
        return mean

    def _take(self, job: Job, measurement: Measurement, model: Any, classes: ClassResults | None) -> None:
        self._classes = classes
        self._weights = {variable.path: np.asarray(variable.numpy()) for variable in model.weights}


def training_seed(seed: int, number: int) -> int:
    """Seed of a child's training, by its number; that of the first is the child's own."""
    return child_seed(seed, number) if number else seed


def mean_of(measured: Sequence[Measurement]) -> Measurement:
    """The mean of measurements of one child.

    Metrics, curves and latencies are means, each metric over the measurements that have it; seconds are the sum. A
    further metric, behind the quality, is the sample standard deviation of it, in its unit: `accuracy_deviation`.
    """
    names = dict.fromkeys(name for one in measured for name in one.metrics)
    means = {name: float(np.mean([one.metrics[name] for one in measured if name in one.metrics])) for name in names}
    quality = quality_of(means)
    deviation = float(np.std([one.quality for one in measured], ddof=1))
    latencies = [one.latency for one in measured if one.latency is not None]
    return replace(
        measured[0],
        quality=quality.value,
        metrics={quality.name: quality.value, quality.name + DEVIATION: deviation, **means},
        seconds=sum(one.seconds or 0.0 for one in measured),
        latency=float(np.mean(latencies)) if latencies else None,
        curve=tuple(np.mean([one.curve for one in measured], axis=0).tolist()),
    )


class _Weights:
    """Weights by path, as a model has them."""

    def __init__(self, weights: Mapping[str, np.ndarray]) -> None:
        self.weights: list[Any] = [_Weight(path, value) for path, value in weights.items()]


class _Weight:
    def __init__(self, path: str, value: np.ndarray) -> None:
        self.path, self._value = path, value

    def numpy(self) -> np.ndarray:
        """The value."""
        return self._value
