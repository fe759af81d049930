"""The cost of a child beside its training, in five ways of training the same children, one after the other.

    python benchmarks/child_overhead.py --flagfile=flags/digits.cfg --children=50

tuner: Keras Tuner (pip install keras-tuner). fit: a loop around Keras' `fit` and `clear_session`. plain: the Keras
model with our step. fast: what `rl_nas search` does (`PlannedModel`). workers: that in two processes.
All have one thread; with more, such small children are no faster.

A child's steady training is its number of steps times the mean duration of all but the first: what it would take if
nothing had to be made, traced, compiled, measured and cleaned up. The overhead is the rest of its wall time; what of it
the measurement on the held-out images takes stands beside it, and the fraction of a step in which its batch is read.

Segmentation heads on the features of a backbone have the two ways of ours:

    python benchmarks/child_overhead.py --flagfile=flags/camvid_dpc.cfg --backbone=runs/backbone --way=fast,workers
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from statistics import mean
from typing import Any, ClassVar

from child_ways import WAYS, Moment, moments
from frame import Table, in_new_process, remark, run
from random_children import ChildrenSettings

from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.workflows.config import SearchConfig

MARKS = (1, 10, 50)
PACKAGES = {"tuner": ("keras_tuner", "keras-tuner")}
"""Way -> the module that it needs besides, and the package that brings it."""

SECONDS = "{:.2f}".format


@dataclass(frozen=True)
class WaySettings(Settings):
    """How children are trained."""

    title: ClassVar[str] = "Ways"

    way: str = setting(",".join(WAYS), "with commas between")


# The flags of a search come along, so that its flagfiles can be given as they are.
COMMAND = Command(
    name="python benchmarks/child_overhead.py",
    summary="measures what children cost beside their training, in several ways.",
    examples=(
        "python benchmarks/child_overhead.py --flagfile=flags/digits.cfg --children=50",
        "python benchmarks/child_overhead.py --flagfile=flags/digits.cfg --way=fit,fast",
    ),
    groups=(WaySettings, ChildrenSettings, *SearchConfig.groups()),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings, config = parsed.group(ChildrenSettings), SearchConfig.from_flags(parsed.values)
    marks = [mark for mark in MARKS if mark <= settings.children]
    columns = {
        "way": str,
        **{f"s a child, first {mark}": SECONDS for mark in marks},
        "s a child, after the first": SECONDS,
        "steady training, s": SECONDS,
        "share": "{:.0%}".format,
        "overhead, s": SECONDS,
        "of which measuring": SECONDS,
        "reading, of a step": "{:.1%}".format,
        "memory, MiB: first, last child": "{0[first]:.0f}, {0[last]:.0f}".format,
    }
    return Table(columns, _rows(_possible(parsed.group(WaySettings).way), config, settings, marks))


def _possible(text: str) -> list[str]:
    """The ways in a flag's value; tells of those whose package is missing, and leaves them out."""
    possible = []
    for way in names_of(text, list(WAYS), "way"):
        module, package = PACKAGES.get(way, ("", ""))
        if module and find_spec(module) is None:
            remark(f"--way={way} is left out: it needs the package {package}, which is not installed")
        else:
            possible.append(way)
    return possible


def _rows(
    ways: Sequence[str], config: SearchConfig, settings: ChildrenSettings, marks: Sequence[int]
) -> Iterator[tuple[Any, ...]]:
    for way in ways:
        told = in_new_process(moments, way, config, settings.children, settings.threads)
        yield way, *_figures(told, marks)


def _figures(told: Sequence[Moment], marks: Sequence[int]) -> Iterator[Any]:
    """All columns but the first: of the moments when the process was ready and when each child was over."""
    at = [moment.at for moment in told]
    later = (at[-1] - at[1]) / (len(at) - 2) if len(at) > 2 else None
    yield from ((at[mark] - at[0]) / mark for mark in marks)
    yield later
    steady = [moment.steady for moment in told[2:] if moment.steady is not None]
    if later is None or not steady:
        yield from [None] * 5
    else:
        yield from (mean(steady), mean(steady) / later, later - mean(steady))
        yield mean(moment.measuring or 0.0 for moment in told[2:])
        reading = [moment.reading for moment in told[2:] if moment.reading is not None]
        yield mean(reading) if reading else None
    yield {"first": told[1].mib, "last": told[-1].mib}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
