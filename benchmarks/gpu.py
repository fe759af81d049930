"""Train steps of one network in several ways, on the device that this machine has: a GPU, or its CPU.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --cells=6 --ways=direct,direct+bfloat16,direct+xla,torch,torch+graph --seconds=120

Random images, each way in a process of its own with its own limit of time, so that one that takes too long costs no
other a figure. The memory floor is the time in which a sum of two numbers moves what a step must: each layer's output
five times (it is written and read forwards, read backwards, and its gradient is written and read).

What shortens XLA's compiling, and at which loss of speed:

    python benchmarks/gpu.py --nocompare --seconds=180 --ways=direct+xla,direct+xla+untuned,direct+xla+cached
"""

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from frame import Table, remark, run
from step_way import ADDED, Way
from torch_plan import torch_way
from xla_options import CACHED, XLA_OPTIONS, set_xla_options

from rl_nas.errors import UsageError
from rl_nas.extras import is_installed
from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.settings import Settings, setting
from rl_nas.spaces.published import NASNET_A
from rl_nas.tasks.classification.head import ClassificationHead

_COMPILED = {
    "direct": ("", "+xla", *(f"+xla+{option}" for option in XLA_OPTIONS)),
    "keras": ("", "+xla"),
    "torch": ("", "+graph"),
}
WAYS = tuple(
    way + precision + compiled
    for way, compilers in _COMPILED.items()
    for compiled in compilers
    for precision in ("", "+bfloat16")
)
_DEFAULT = "direct,direct+bfloat16,keras,torch,torch+graph,torch+bfloat16+graph"
_CLASSES, _FLOAT = 10, 4
_COMPARED = 3
"""First steps, whose losses are compared."""
_ROUND = 5
"""Steps between two looks at the clock."""
_TIMED = 10.0
"""Most seconds for the steps that are timed: a longer limit is for what comes before them, such as compiling."""
_MOVES = 5
"""Times that a step moves each layer's output."""
_FIGURES = ("images/s", "ms a step", "memory floor, ms", "s to the first step", "graph operations", "loss, against CPU")
COLUMNS = dict.fromkeys(("way", *_FIGURES), str)


@dataclass(frozen=True)
class GpuSettings(Settings):
    """What is measured."""

    title: ClassVar[str] = "Benchmark"

    ways: str = setting(_DEFAULT, f"with commas between, of {', '.join(WAYS)}; torch needs PyTorch")
    cells: int = setting(2, "normal cells between two reductions of NASNet-A", minimum=1)
    filters: int = setting(32, "filters of its first cell", minimum=1)
    pixels: int = setting(32, "of a side of the images", minimum=8)
    batch_size: int = setting(128, "images of a step", minimum=1)
    seconds: int = setting(
        35, "limit of time of each way; a third of it, at most 10, for the steps that are timed", minimum=1
    )
    compare: bool = setting(True, "compare the losses of the first steps with those in float32 on the CPU")


COMMAND = Command(
    name="python benchmarks/gpu.py",
    summary="times train steps of one network in several ways.",
    examples=("python benchmarks/gpu.py --ways=direct,direct+bfloat16 --cells=6",),
    groups=(GpuSettings,),
)


class Measured(NamedTuple):
    """What a way's process tells: seconds of its steps, and the losses of the first ones; the floor of a GPU alone."""

    first: float
    step: float
    floor: float | None
    operations: int | None
    losses: list[float]


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, lambda parsed: Table(COLUMNS, _rows(parsed.group(GpuSettings))), argv)


def _rows(settings: GpuSettings) -> Iterator[tuple[Any, ...]]:
    ways = names_of(settings.ways, list(WAYS), "ways")
    if not is_installed(["torch"]) and any(way.startswith("torch") for way in ways):
        remark("without PyTorch: pip install torch")
        ways = [way for way in ways if not way.startswith("torch")]
    if not ways:
        raise UsageError("--ways: nothing is left to be measured; expected some of TensorFlow's, or PyTorch")
    with tempfile.TemporaryDirectory() as cache:
        yield from _measured_rows(ways, settings, Path(cache))


def _measured_rows(ways: Sequence[str], settings: GpuSettings, cache: Path) -> Iterator[tuple[Any, ...]]:
    expected = _in_process("direct", settings, cache, cpu=True) if settings.compare else None
    for way in ways:
        if CACHED in way.split("+"):
            _in_process(way, settings, cache)  # fills the cache
        found = _in_process(way, settings, cache)
        if isinstance(found, str):
            yield (way, found, *[None] * (len(COLUMNS) - 2))
            continue
        same = None
        if isinstance(expected, Measured) and not way.startswith("torch"):  # that draws other weights
            same = f"{max(abs(a / b - 1) for a, b in zip(found.losses, expected.losses, strict=True)):.1e}"
        rate, step = settings.batch_size / found.step, 1000 * found.step
        floor = None if found.floor is None else f"{1000 * found.floor:.1f}"
        yield way, f"{rate:,.0f}", f"{step:.1f}", floor, f"{found.first:.1f}", found.operations, same


def _in_process(way: str, settings: GpuSettings, cache: Path, *, cpu: bool = False) -> Measured | str:
    """Measures a way in a fresh process; a text where it had not enough time, or failed."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(theirs, way, settings, cache, cpu), daemon=True)
    process.start()
    theirs.close()
    try:
        if not ours.poll(settings.seconds):
            return f"not within {settings.seconds} s"
        found: Measured | str = ours.recv()
        return found
    except EOFError:
        process.join()
        return f"ended with {process.exitcode}"
    finally:
        process.kill()
        process.join()


def _tell(pipe: Any, way: str, settings: GpuSettings, cache: Path, cpu: bool) -> None:
    os.dup2(2, 1)  # standard output is the table's
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if cpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    try:
        words, plan = way.split("+"), network(settings)
        set_xla_options(words, cache)
        made = (torch_way if words[0] == "torch" else tensorflow_way)(words, plan, batch_of(settings))
        numbers = _MOVES * settings.batch_size * plan.activations()
        pipe.send(
            _measured(
                made, numbers * (2 if "bfloat16" in words else _FLOAT), 0 if cpu else min(_TIMED, settings.seconds / 3)
            )
        )
    except Exception as error:  # of one way; the others are measured all the same
        pipe.send(f"{type(error).__name__}: {str(error).splitlines()[0][:60] if str(error) else ''}")


def network(settings: GpuSettings) -> Plan:
    """NASNet-A without the parts that are random in training, which the ways draw differently."""
    around = NetworkSettings(network="cifar", cells=settings.cells, filters=settings.filters)
    return plan_network(NASNET_A, around, (settings.pixels, settings.pixels, 3), ClassificationHead(_CLASSES))


def batch_of(settings: GpuSettings) -> tuple[np.ndarray, np.ndarray]:
    """Images, float32 [batch, side, side, 3], and labels, int64 [batch]."""
    rng, side = np.random.default_rng(0), settings.pixels
    images = rng.normal(size=(settings.batch_size, side, side, 3)).astype(np.float32)
    return images, rng.integers(0, _CLASSES, settings.batch_size)


def tensorflow_way(words: Sequence[str], plan: Plan, batch: tuple[np.ndarray, np.ndarray]) -> Way:
    """Our train step."""
    import tensorflow as tf

    from rl_nas.child.training.settings import TrainingSettings
    from rl_nas.child.training.train_step import TrainStep
    from rl_nas.tasks.classification.objective import CrossEntropy
    from rl_nas.tasks.classification.settings import ClassificationSettings

    precision = "bfloat16" if "bfloat16" in words else "float32"
    training = TrainingSettings(epochs=1, batch_size=len(batch[0]), learning_rate=0.001, precision=precision)
    objective = CrossEntropy(ClassificationSettings(), _CLASSES)
    update = TrainStep(_model(words, plan, precision), objective, training, len(batch[0]), 10_000)
    images, labels = (tf.constant(part) for part in batch)
    step = tf.function(lambda: update(images, labels)[0], autograph=False, jit_compile="xla" in words)

    def operations() -> int:
        graph = step.get_concrete_function().graph.as_graph_def()
        return len(graph.node) + sum(len(function.node_def) for function in graph.library.function)

    if not tf.config.list_physical_devices("GPU"):
        return Way(step, lambda: step, operations, None)
    numbers = tf.zeros([ADDED])
    add = tf.function(lambda: numbers + 1.0, autograph=False)
    return Way(step, lambda: step, operations, lambda: add()[0])


def _model(words: Sequence[str], plan: Plan, precision: str) -> Any:
    from rl_nas.child.network.flat_weights import FlatKerasModel
    from rl_nas.child.network.keras_model import build_model
    from rl_nas.child.network.planned_model import PlannedModel
    from rl_nas.child.training.devices import layers_in

    if words[0] == "direct":
        return PlannedModel(plan, precision=precision)
    with layers_in(precision):
        return FlatKerasModel(build_model(plan))


def _measured(way: Way, moved: int, seconds: float) -> Measured:
    """Measures a way.

    Args:
        way: to be measured.
        moved: bytes that a train step moves at least.
        seconds: for the steps that are timed; 0: only the first ones are taken.
    """
    started = time.monotonic()
    losses = [float(way.step())]
    first = time.monotonic() - started
    losses += [float(way.step()) for _ in range(_COMPARED - 1)]
    if not seconds:
        return Measured(first, 0.0, None, None, losses)
    took = _timed(way.steady(), seconds)
    floor = None if way.add is None else moved / (2 * _FLOAT * ADDED) * _timed(way.add, 1.0)
    return Measured(first, took, floor, way.operations(), losses)


def _timed(step: Callable[[], Any], seconds: float) -> float:
    """Seconds of a step: the least of rounds that wait for the device at their ends.

    Args:
        step: takes one; returns a number of the device.
        seconds: for all rounds.
    """

    def round_of_steps() -> float:
        started = time.monotonic()
        float([step() for _ in range(_ROUND)][-1])
        return (time.monotonic() - started) / _ROUND

    round_of_steps()
    least, began = float("inf"), time.monotonic()
    while time.monotonic() - began < seconds:
        least = min(least, round_of_steps())
    return least


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
