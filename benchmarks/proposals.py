"""How long strategies take to propose batches, and their memory, as the trials grow.

    python benchmarks/proposals.py --batches=5,20,64,450 --strategies=controller,gp

Each strategy has a process of its own, in which the batches follow each other; rewards are instant. A batch is timed
after the trials of those before it. Seconds are CPU seconds of all threads; the memory is the largest of the process so
far, TensorFlow included where it is needed.
"""

import resource
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from frame import Table, in_new_process, run, strategies_of

from rl_nas.errors import UsageError
from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.strategies.catalog import STRATEGIES, StrategyOptions, find_strategy
from rl_nas.trial import Measurement, Trial, TrialState

COLUMNS = {
    "strategy": str,
    "trials before": "{:,}".format,
    "proposed": str,
    "CPU seconds": "{:.2f}".format,
    "seconds to observe": "{:.2f}".format,
    "largest memory, MiB": "{:,.0f}".format,
}


@dataclass(frozen=True)
class ProposalSettings(Settings):
    """The batches to measure."""

    title: ClassVar[str] = "Proposals"

    strategies: str = setting("controller,gp", "with commas between")
    batches: str = setting("20,5,20,64,450,5", "sizes of the batches that follow each other, with commas between")


COMMAND = Command(
    name="python benchmarks/proposals.py",
    summary="measures the time and the memory of proposals.",
    examples=("python benchmarks/proposals.py --strategies=controller --batches=20,64",),
    groups=(ProposalSettings, SpaceSettings),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, lambda parsed: Table(COLUMNS, _rows(parsed)), argv)


def measure(name: str, settings: SpaceSettings, batches: Sequence[int]) -> list[tuple[Any, ...]]:
    """Rows of a strategy, without its name."""
    strategies_of(name)
    space = find_space(settings)
    strategy, rows, count = find_strategy(name)(space, StrategyOptions(), 0), list[tuple[Any, ...]](), 0
    for batch in batches:
        started = time.process_time()
        proposed = strategy.propose(batch)
        ready = time.process_time()
        strategy.observe([_trial(number, architecture) for number, architecture in enumerate(proposed, count)])
        seconds = ready - started, time.process_time() - ready
        rows.append((count, batch, *seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
        count += batch
    return rows


def _rows(parsed: Parsed) -> Iterator[tuple[Any, ...]]:
    settings = parsed.group(ProposalSettings)
    batches = _sizes(settings.batches)
    # Without TensorFlow in this process: on Linux the largest memory of a new one begins with its parent's.
    for name in names_of(settings.strategies, list(STRATEGIES), "strategies"):
        for row in in_new_process(measure, name, parsed.group(SpaceSettings), batches):
            yield name, *row


def _sizes(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and len(word) < 6 and int(word) for word in words):
        raise UsageError(f"--batches={text}: expected whole numbers above 0 and below 10^5, separated by commas")
    return list(map(int, words))


def _trial(number: int, architecture: tuple[int, ...]) -> Trial:
    reward = sum(choice % 3 == 0 for choice in architecture) / len(architecture)
    return Trial(number, architecture, TrialState.OK, reward, Measurement(reward))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
