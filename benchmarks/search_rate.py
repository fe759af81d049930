"""How many trials a second the search itself can drive, and what of that its store takes.

    python benchmarks/search_rate.py

The children take no time; the store is a real one on the disk of the working folder, every trial synchronised; the
processes are real ones where it says so.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from frame import Table, run, strategies_of
from instant_search import instant, search_instantly

from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.loops.ordered import search
from rl_nas.settings import Settings, setting

COLUMNS = {
    "strategy": str,
    "executor": str,
    "trials a second": "{:,.0f}".format,
    "store, seconds per 1,000 trials": "{:.2f}".format,
}


@dataclass(frozen=True)
class RateSettings(Settings):
    """The searches to time."""

    title: ClassVar[str] = "Rate"

    strategies: str = setting("random,reinforce,aging_evolution", "with commas between")
    children: int = setting(2000, "of each search", minimum=1)
    update_every: int = setting(20, "of these between two updates", minimum=1)


COMMAND = Command(
    name="python benchmarks/search_rate.py",
    summary="measures what a search costs beside its children.",
    examples=("python benchmarks/search_rate.py --strategies=aging_evolution --children=500",),
    groups=(RateSettings,),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings = parsed.group(RateSettings)
    return Table(COLUMNS, _rows(settings, strategies_of(settings.strategies)))


def _rows(settings: RateSettings, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    spec, children, batch = EvaluatorSpec("instant_search:instant"), settings.children, settings.update_every
    executors: dict[str, Callable[[], InlineExecutor | ProcessExecutor]] = {
        "inline": lambda: InlineExecutor(instant()),
        "2 processes": lambda: ProcessExecutor(spec, 2, children_per_worker=batch + children),
    }
    for name in names:
        for kind, make in executors.items():
            with make() as executor:
                search_instantly(search, name, executor, batch, batch)  # starts what must start
                spent = search_instantly(search, name, executor, children, batch)
            yield name, kind, children / spent.whole, 1000 * spent.store / children


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
