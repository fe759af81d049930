"""The ways to train children that child_overhead.py compares: one process each, one JSON line a child.

python benchmarks/child_ways.py --flagfile=flags/digits.cfg --way=fast --children=3
"""

import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import psutil

from rl_nas.child.data.settings import AugmentSettings, DataSettings
from rl_nas.child.training.settings import TrainingSettings
from rl_nas.commands import cli
from rl_nas.flags.lists import names_of
from rl_nas.commands.search import SEARCH
from rl_nas.workflows.settings import SearchRunSettings
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.settings import Settings, setting
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.decisions import Architecture
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.trial import Job, child_seed

if TYPE_CHECKING:
    from rl_nas.child.data.images import ImageData
    from rl_nas.child.network.flat_weights import FlatModel

WAYS = ("tuner", "fit", "plain", "fast", "workers")
MIB = 2**20


class Parts(NamedTuple):
    """What a child's time went into, in seconds.

    Attributes:
        steady: its steps, each as long as the mean of all but the first.
        measuring: its accuracy.
    """

    steady: float = 0.0
    measuring: float = 0.0


@dataclass(frozen=True)
class WaySettings(Settings):
    """What is trained."""

    title: ClassVar[str] = "Benchmark"

    way: str = setting("tuner,fit,plain,fast,workers", "how children are trained; child_ways.py: one of these")
    children: int = setting(3, "random children of the space, the same for all ways", minimum=1)
    threads: int = setting(1, "CPU threads of a process; the workers have one each", minimum=1)


# The flags of a search come along, so that its flagfiles can be given as they are.
COMMAND = Command(
    name="python benchmarks/child_ways.py",
    summary="trains children in one way and prints what each took.",
    examples=("python benchmarks/child_ways.py --flagfile=flags/digits.cfg --way=fit",),
    groups=(WaySettings, *SEARCH.groups),
)


class Bench:
    """The data, the children, and how they are trained."""

    def __init__(self, parsed: Parsed) -> None:
        self.parsed = parsed
        self.training = parsed.group(TrainingSettings)
        self.seed, self.children = parsed.group(SearchRunSettings).seed, parsed.group(WaySettings).children
        self.space = find_space(parsed.group(SpaceSettings))
        rng = np.random.default_rng(self.seed)
        self.architectures: list[Architecture] = [self.space.sample(rng) for _ in range(self.children)]

    @cached_property
    def images(self) -> "ImageData":
        """Those of the search; the workers load them for themselves."""
        from rl_nas.child.data.images import load_images

        return load_images(self.parsed.group(DataSettings))

    @property
    def steps(self) -> int:
        """Training steps of a child."""
        return len(self.images.train_targets) // self.training.batch_size * self.training.epochs

    def plan(self, number: int) -> Plan:
        """The network of a child."""
        genotype = self.space.decode(self.architectures[number])
        network = self.parsed.group(NetworkSettings)
        return plan_network(genotype, network, self.images.image_shape, self.images.classes, self.steps)

    def compiled(self, number: int) -> Any:
        """A child for Keras' `fit`: without augmentation, weight decay and clipping, which cost our ways time."""
        import keras

        from rl_nas.child.network.keras_model import build_model

        model = build_model(self.plan(number), seed=child_seed(self.seed, number))
        schedule = keras.optimizers.schedules.CosineDecay(self.training.learning_rate, self.steps)
        model.compile(
            keras.optimizers.SGD(schedule, momentum=self.training.momentum),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
            jit_compile=self.training.jit_compile,
        )
        return model

    def arrays(self) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
        """Whitened training and held-out images with their labels."""
        whiten, images = self.images.normalization(), self.images
        return (
            (whiten(images.train_images).numpy(), images.train_targets),
            (whiten(images.valid_images).numpy(), images.valid_targets),
        )


def by_fit(bench: Bench) -> Iterator[Parts]:
    """A loop around Keras' `fit` that forgets every child before the next."""
    import keras

    (images, labels), valid = bench.arrays()
    for number in range(bench.children):
        model = bench.compiled(number)
        clock = _batch_clock()
        model.fit(images, labels, bench.training.batch_size, bench.training.epochs, verbose=0, callbacks=[clock])
        trained = time.perf_counter()
        model.evaluate(*valid, batch_size=500, verbose=0)
        measuring = time.perf_counter() - trained
        del model
        keras.backend.clear_session()
        gc.collect()
        yield Parts(clock.mean * bench.steps, measuring)


def by_tuner(bench: Bench) -> Iterator[Parts]:
    """Keras Tuner, whose hyperparameter is the number of the child; it trains them all before it returns."""
    import keras_tuner

    train, valid = bench.arrays()

    class Cells(keras_tuner.HyperModel):
        def build(self, hp: Any) -> Any:
            return bench.compiled(hp.Int("child", 0, bench.children - 1))

    class Tuner(keras_tuner.GridSearch):
        def on_trial_end(self, trial: Any) -> None:
            super().on_trial_end(trial)
            say(Parts())

    with tempfile.TemporaryDirectory() as folder:
        tuner = Tuner(Cells(), objective="val_accuracy", max_trials=bench.children, directory=folder)
        size, epochs = bench.training.batch_size, bench.training.epochs
        tuner.search(*train, batch_size=size, epochs=epochs, validation_data=valid, verbose=0)
    return iter(())


def by_ours(bench: Bench, make: Callable[[Plan, int], "FlatModel"]) -> Iterator[Parts]:
    """Our own step, with a stopwatch."""
    import keras

    from rl_nas.child.training.child_training import ChildTrainer, DeviceData, evaluate, quick_start

    class Watched(ChildTrainer):
        def step(self, indices: np.ndarray) -> Any:
            started = time.perf_counter()
            loss = super().step(indices)
            float(loss)
            self.times.append(time.perf_counter() - started)
            return loss

    data = DeviceData(bench.images)
    gc.collect()
    gc.freeze()
    for number in range(bench.children):
        seed = child_seed(bench.seed, number)
        flat_model = make(bench.plan(number), seed)
        trainer = Watched(flat_model, data, bench.training, bench.parsed.group(AugmentSettings), seed)
        trainer.times = []
        with quick_start():
            trainer.train()
        trained = time.perf_counter()
        evaluate(flat_model.infer, data)
        parts = Parts(float(np.mean(trainer.times[1:])) * bench.steps, time.perf_counter() - trained)
        del flat_model, trainer
        keras.backend.clear_session()
        gc.collect()
        yield parts


def by_workers(bench: Bench) -> Iterator[Parts]:
    """What `rl_nas search` does, with two workers of one thread."""
    from rl_nas.workflows.children import Children
    from rl_nas.store.run_folder import SearchFolder

    with tempfile.TemporaryDirectory() as folder:
        run_folder = SearchFolder(folder)
        run_folder.children.mkdir(parents=True, exist_ok=True)
        flags = {**bench.parsed.values, "workers": 2, "threads_per_worker": 1}
        assert ExecutionSettings.from_flags(flags).workers == 2
        jobs = [
            Job(number, architecture, child_seed(bench.seed, number))
            for number, architecture in enumerate(bench.architectures)
        ]
        with Children(flags, run_folder).executor() as executor:
            for _ in executor.run(jobs):
                yield Parts()


def _batch_clock() -> Any:
    import keras

    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self._times: list[float] = []

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self._times.append(time.perf_counter())

        @property
        def mean(self) -> float:
            return float(np.mean(np.diff(self._times)))

    return Clock()


def say(parts: Parts) -> None:
    """One child is over: prints when, what its time went into, and the memory."""
    me = psutil.Process()
    memory = max([me.memory_info().rss, *(p.memory_info().rss for p in me.children(recursive=True))])
    print(json.dumps({"at": time.monotonic(), **parts._asdict(), "mib": memory / MIB}), flush=True)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return cli.run(COMMAND, _run, argv)


def _run(parsed: Parsed) -> int:
    cli.load_tensorflow(debug=False)
    import tensorflow as tf

    from rl_nas.child.network.flat_weights import FlatKerasModel
    from rl_nas.child.network.keras_model import build_model
    from rl_nas.child.network.planned_model import PlannedModel

    settings = parsed.group(WaySettings)
    (way,) = names_of(settings.way, WAYS, "way")
    if way != "workers":
        tf.config.threading.set_intra_op_parallelism_threads(settings.threads)
        tf.config.threading.set_inter_op_parallelism_threads(settings.threads)
    ways: dict[str, Callable[[Bench], Iterator[Parts]]] = {
        "fit": by_fit,
        "tuner": by_tuner,
        "plain": lambda bench: by_ours(bench, lambda plan, seed: FlatKerasModel(build_model(plan, seed=seed))),
        "fast": lambda bench: by_ours(bench, lambda plan, seed: PlannedModel(plan, seed=seed)),
        "workers": by_workers,
    }
    bench = Bench(parsed)
    if way != "workers":
        _ = bench.images  # theirs is part of what they take
    say(Parts())
    for parts in ways[way](bench):
        say(parts)
    return cli.DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
