"""Where the wall time of a child goes: building, tracing, the first step, steady training, evaluation.

    python benchmarks/child_overhead.py --flagfile=flags/digits.cfg --children=5 --json

With --compare_fit the same children are also trained by Keras' own `fit`, one after the other in the same
process: the ratio of the two is what our own step saves.
"""

import gc
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rl_nas.child.settings import AugmentSettings, DataSettings, TrainingSettings
from rl_nas.commands import frame
from rl_nas.commands.search_flags import SEARCH, RunSettings
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.settings import Settings, setting
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.trial import child_seed

if TYPE_CHECKING:
    from rl_nas.child.training import DeviceData


@dataclass(frozen=True)
class OverheadSettings(Settings):
    """What is measured."""

    title: ClassVar[str] = "Benchmark"

    children: int = setting(3, "random children of the space to train", minimum=1)
    compare_fit: bool = setting(False, "also train every child by model.fit")


# The flags of a search come along, so that its flagfiles can be given as they are.
OVERHEAD = Command(
    name="benchmarks/child_overhead.py",
    summary="measures where the wall time of children goes.",
    examples=("python benchmarks/child_overhead.py --flagfile=flags/digits.cfg --json",),
    groups=(OverheadSettings, *SEARCH.groups),
)


@dataclass(frozen=True)
class Overhead:
    """What one child took.

    Attributes:
        layers: of the Keras model.
        steps: training steps.
        build: seconds until the Keras model stands.
        trace: seconds of making the optimizer and tracing the step.
        first_step: seconds of the first step: graph optimisation and one step.
        steady_step: seconds of every later step, mean.
        evaluate: seconds of measuring the accuracy.
        total: seconds of the whole child.
        steady_share: share of `total` that is steady training.
        fit: seconds of the same child by `model.fit` and `model.evaluate`, if asked for.
        fit_ratio: `fit` / `total`.
    """

    layers: int
    steps: int
    build: float
    trace: float
    first_step: float
    steady_step: float
    evaluate: float
    total: float
    steady_share: float
    fit: float | None = None
    fit_ratio: float | None = None


def measure(
    plan: Plan, data: "DeviceData", training: TrainingSettings, augmentation: AugmentSettings, seed: int
) -> Overhead:
    """Trains one child the way a search does, with a stopwatch between the parts."""
    from rl_nas.child.build import build_model
    from rl_nas.child.training import ChildTrainer, evaluate, training_steps

    times = [time.perf_counter()]
    model = build_model(plan, seed=seed)
    times.append(time.perf_counter())
    trainer = ChildTrainer(model, data, training, augmentation, seed)
    trainer.trace()
    times.append(time.perf_counter())
    float(trainer.step(np.arange(min(training.batch_size, len(data.train_images)))))
    times.append(time.perf_counter())
    trainer.train()
    times.append(time.perf_counter())
    evaluate(model, data)
    times.append(time.perf_counter())
    build, trace, first_step, steady, evaluated = np.diff(times).tolist()
    steps, total = training_steps(training, len(data.train_images)), times[-1] - times[0]
    return Overhead(
        len(model.layers), steps, build, trace, first_step, steady / steps, evaluated, total, steady / total
    )


def fit_seconds(plan: Plan, data: "DeviceData", training: TrainingSettings, seed: int) -> float:
    """The same child by Keras' `fit`: cosine SGD on whitened images, without augmentation and weight decay."""
    import keras

    from rl_nas.child.build import build_model

    started = time.perf_counter()
    model = build_model(plan, seed=seed)
    images = data.whiten(data.train_images).numpy()
    steps = len(images) // training.batch_size * training.epochs
    schedule = keras.optimizers.schedules.CosineDecay(training.learning_rate, steps)
    model.compile(
        keras.optimizers.SGD(schedule, momentum=training.momentum),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=training.jit_compile,
    )
    model.fit(images, data.train_labels.numpy(), training.batch_size, training.epochs, verbose=0)
    model.evaluate(data.whiten(data.valid_images).numpy(), data.valid_labels, batch_size=500, verbose=0)
    return time.perf_counter() - started


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return frame.run(OVERHEAD, _run, argv)


def _run(parsed: Parsed) -> int:
    frame.load_tensorflow(debug=parsed.group(OutputSettings).debug)
    import keras

    from rl_nas.child.data import load_images
    from rl_nas.child.training import DeviceData

    settings, seed = parsed.group(OverheadSettings), parsed.group(RunSettings).seed
    training = parsed.group(TrainingSettings)
    space = find_space(parsed.group(SpaceSettings))
    images = load_images(parsed.group(DataSettings))
    data = DeviceData(images)
    rng = np.random.default_rng(seed)
    results = []
    for number in range(settings.children):
        genotype = space.decode(space.sample(rng))
        plan = plan_network(genotype, parsed.group(NetworkSettings), images.image_shape, images.classes)
        result = asdict(measure(plan, data, training, parsed.group(AugmentSettings), child_seed(seed, number)))
        if settings.compare_fit:
            result["fit"] = fit_seconds(plan, data, training, child_seed(seed, number))
            result["fit_ratio"] = result["fit"] / result["total"]
        results.append(result)
        keras.backend.clear_session()
        gc.collect()
        if not parsed.group(OutputSettings).json:
            print(_line(result) if number else f"{_header()}\n{_line(result)}", flush=True)
    if parsed.group(OutputSettings).json:
        print(json.dumps({"flags": parsed.values, "children": results}, indent=2))
    return frame.DONE


def _header() -> str:
    return "  ".join(f"{field.name:>12}" for field in fields(Overhead))


def _line(result: dict[str, Any]) -> str:
    return "  ".join(f"{'-' if value is None else format(value, '.4g'):>12}" for value in result.values())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
