"""The form of all benchmarks: each makes one table, printed as Markdown or, with `--json`, as a list of its rows.

Nothing else is printed on standard output; remarks are on standard error.
"""

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, is_dataclass
from multiprocessing import get_context
from typing import Any

from rl_nas.commands import cli
from rl_nas.exit_codes import DONE
from rl_nas.flags.lists import names_of
from rl_nas.flags.parsing import Command, OutputSettings, Parsed
from rl_nas.statistics import Estimate
from rl_nas.strategies.catalog import LEARNED, STRATEGIES
from rl_nas.workflows.tensorflow_setup import load_tensorflow


@dataclass(frozen=True)
class Table:
    """A table whose rows may be measured while it is printed.

    Attributes:
        columns: name of each -> its values as text.
        rows: a value for each column; None where there is none. Dataclasses and named tuples are JSON objects.
    """

    columns: Mapping[str, Callable[[Any], str]]
    rows: Iterable[Sequence[Any]]

    def markdown(self) -> Iterator[str]:
        """The lines, each as soon as its row is there."""
        yield _line(self.columns)
        yield _line("---" for _ in self.columns)
        for row in self.rows:
            shown = zip(self.columns.values(), row, strict=True)
            yield _line("-" if value is None else show(value) for show, value in shown)

    def document(self) -> list[dict[str, Any]]:
        """The rows as JSON values by the names of the columns."""
        return [dict(zip(self.columns, map(_plain, row), strict=True)) for row in self.rows]


def run(command: Command, make: Callable[[Parsed], Table], argv: Sequence[str]) -> int:
    """Prints the table that is made of a command line; returns the exit code."""

    def body(parsed: Parsed) -> int:
        table = make(parsed)
        if parsed.group(OutputSettings).json:
            print(json.dumps(table.document()))
        else:
            for line in table.markdown():
                print(line, flush=True)
        return DONE

    return cli.run(command, body, argv)


def remark(text: str) -> None:
    """Tells a line beside the table."""
    print(text, file=sys.stderr, flush=True)


def strategies_of(text: str) -> list[str]:
    """The strategies in a flag's value, with commas between; TensorFlow is imported where one of them needs it."""
    names = names_of(text, list(STRATEGIES), "strategies")
    if set(names) & set(LEARNED):
        load_tensorflow()
    return names


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function in a fresh process, whose standard output goes to standard error."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=os.dup2, initargs=(2, 1)) as pool:
        return pool.submit(function, *arguments).result()


def estimate_text(one: Estimate) -> str:
    """A mean with its interval, if that is more than a point."""
    return f"{one.mean:.4f}" if one.low == one.high else f"{one.mean:.4f} [{one.low:.4f}, {one.high:.4f}]"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(value: Any) -> Any:
    """A value as JSON knows it: null where it is no finite number."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
