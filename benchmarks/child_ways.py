"""The ways of training the same children that child_overhead.py compares, each in a process of its own."""

import gc
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import psutil
from fit_ways import by_fit, by_tuner
from random_children import RandomChildren, Tell, tensorflow_with_threads

from rl_nas.errors import RunError
from rl_nas.networks.plan import Plan
from rl_nas.store.search_folder import SearchFolder
from rl_nas.workflows.config import SearchConfig

if TYPE_CHECKING:
    from rl_nas.child.network.flat_weights import FlatModel

MIB = 2**20


class Moment(NamedTuple):
    """The process was ready, or a child was over.

    Attributes:
        at: seconds on a clock.
        mib: memory of the process, or of its largest worker.
        steady: seconds of the child's steps, each as long as the mean of all but the first; None where not known.
        measuring: seconds that its quality took; None where not known.
        reading: fraction of a step in which its batch is read; None where not known.
    """

    at: float
    mib: float
    steady: float | None = None
    measuring: float | None = None
    reading: float | None = None


def moments(way: str, config: SearchConfig, count: int, threads: int) -> list[Moment]:
    """Trains random children in one way; when the process was ready, and when each child was over."""
    ours = way != "workers"  # those set their own threads, and load the images for themselves
    tensorflow_with_threads(threads if ours else None)
    children, told = RandomChildren(config, count), []
    if ours:
        _ = children.images

    def tell(**parts: float) -> None:
        me = psutil.Process()
        memory = max(process.memory_info().rss for process in (me, *me.children(recursive=True)))
        told.append(Moment(time.monotonic(), memory / MIB, **parts))

    tell()
    WAYS[way](children, tell)
    return told


def by_keras_model(children: RandomChildren, tell: Tell) -> None:
    """Our own step, on the Keras model."""
    from rl_nas.child.network.flat_weights import FlatKerasModel
    from rl_nas.child.network.keras_model import build_model

    _by_our_step(children, tell, lambda plan, seed: FlatKerasModel(build_model(plan, seed=seed)))


def by_planned_model(children: RandomChildren, tell: Tell) -> None:
    """As `rl_nas search` does in a worker."""
    from rl_nas.child.network.planned_model import PlannedModel

    _by_our_step(children, tell, lambda plan, seed: PlannedModel(plan, seed=seed))


def by_workers(children: RandomChildren, tell: Tell) -> None:
    """As `rl_nas search` does, with two workers of one thread."""
    from rl_nas.workflows.children import Children

    config = children.config
    config = replace(config, execution=replace(config.execution, workers=2, threads_per_worker=1))
    with tempfile.TemporaryDirectory() as name:
        folder = SearchFolder(name)
        for path in folder.folders:
            path.mkdir()
        with Children(config.execution, folder).executor(config) as executor:
            for outcome in executor.run(children.jobs):
                if outcome.measurement is None:
                    raise RunError(f"child {outcome.job.index}: {outcome.failures[-1].error}", outcome.failures[-1].log)
                tell()


WAYS: dict[str, Callable[[RandomChildren, Tell], None]] = {
    "tuner": by_tuner,
    "fit": by_fit,
    "plain": by_keras_model,
    "fast": by_planned_model,
    "workers": by_workers,
}


def _by_our_step(children: RandomChildren, tell: Tell, make: Callable[[Plan, int], "FlatModel"]) -> None:
    import keras

    from rl_nas.child.training.child_training import ChildTrainer, evaluate, measured_batch, quick_start

    class Watched(ChildTrainer):
        def step(self, indices: np.ndarray) -> Any:
            started = time.perf_counter()
            loss = super().step(indices)
            float(loss)
            times.append(time.perf_counter() - started)
            return loss

    config, data, objective = children.config, children.data, children.objective
    read = data.read

    def watched_read(indices: np.ndarray, seed: np.ndarray) -> Any:
        started = time.perf_counter()
        batch = read(indices, seed)
        reads.append(time.perf_counter() - started)
        return batch

    data.read = watched_read  # type: ignore[method-assign]
    gc.collect()
    gc.freeze()
    for job in children.jobs:
        times: list[float] = []
        reads: list[float] = []
        plan = children.plan(job)
        model = make(plan, job.seed)
        trainer = Watched(model, objective, data, config.training, config.augmentation, job.seed)
        with quick_start():
            trainer.train()
        trained = time.perf_counter()
        evaluate(trainer.infer, data, objective, children.metric, measured_batch(plan))
        measuring = time.perf_counter() - trained
        del model, trainer
        keras.backend.clear_session()
        gc.collect()
        step = float(np.mean(times[1:]))
        tell(steady=step * children.steps, measuring=measuring, reading=float(np.mean(reads[1:])) / step)
