"""What a child costs beside its training, in five ways of training the same children, one after the other.

    python benchmarks/child_overhead.py --flagfile=flags/digits.cfg --children=50

tuner: Keras Tuner (pip install keras-tuner). fit: a loop around Keras' `fit` and `clear_session`. plain: the Keras
model with our step. fast: what `rl_nas search` does (`PlannedModel`). workers: that in two processes.
All have one thread; with more, such small children are no faster.

A child's steady training is its number of steps times the mean duration of all but the first: what it would take if
nothing had to be made, traced, compiled, measured and cleaned up. The overhead is the rest of its wall time; what of it
the accuracy on the held-out images takes stands beside it.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from child_ways import COMMAND as CHILD_COMMAND
from child_ways import WAYS, WaySettings

from rl_nas.commands import cli
from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command, Parsed, flag_words

MARKS = (1, 10, 50)

COMMAND = Command(
    name="python benchmarks/child_overhead.py",
    summary="measures what children cost beside their training, in several ways.",
    examples=("python benchmarks/child_overhead.py --flagfile=flags/digits.cfg --children=50",),
    groups=CHILD_COMMAND.groups,
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return cli.run(COMMAND, _run, argv)


def _run(parsed: Parsed) -> int:
    ways = names_of(parsed.group(WaySettings).way, WAYS, "way")
    children = parsed.group(WaySettings).children
    marks = [mark for mark in MARKS if mark <= children]
    print("| way | " + " | ".join(f"s a child, first {mark}" for mark in marks), end=" | ")
    print("s a child, after the first | steady training, s | share", end=" | ")
    print("overhead, s | of which accuracy | memory, MiB: first, last child |")
    print("|" + " --- |" * (len(marks) + 7))
    for way in ways:
        print(f"| {way} | {_row(_lines({**parsed.values, 'way': way}), marks)} |", flush=True)
    return cli.DONE


def _lines(flags: Mapping[str, Any]) -> list[dict[str, float]]:
    """When the process was ready, and what it said of every child."""
    words = [sys.executable, str(Path(__file__).with_name("child_ways.py")), *flag_words(flags)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"at"')]


def _row(lines: list[dict[str, float]], marks: list[int]) -> str:
    at = [line["at"] for line in lines]
    later = (at[-1] - at[1]) / (len(at) - 2) if len(at) > 2 else float("nan")
    steady, measuring = (mean([line[part] for line in lines[2:]] or [0.0]) for part in ("steady", "measuring"))
    cells = [f"{(at[mark] - at[0]) / mark:.2f}" for mark in marks]
    cells += [f"{later:.2f}"]
    known = [f"{steady:.2f}", f"{steady / later:.0%}", f"{later - steady:.2f}", f"{measuring:.2f}"]
    cells += known if steady else ["-"] * len(known)
    cells += [f"{lines[1]['mib']:.0f}, {lines[-1]['mib']:.0f}"]
    return " | ".join(cells)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
