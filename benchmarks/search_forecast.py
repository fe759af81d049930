"""How long searches take, against the forecast of `rl_nas doctor`.

    python benchmarks/search_forecast.py --recipes=digits,shapes_dpc

Each recipe is a flagfile of flags/; other flags of searches, such as --trials, change all of them. The forecast is made
right before the search, with nothing else running.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from frame import Table, remark, run

from rl_nas.errors import RunError
from rl_nas.flags.parsing import Command, Parsed, flag_words
from rl_nas.settings import Settings, setting
from rl_nas.workflows.config import SearchConfig


@dataclass(frozen=True)
class ForecastSettings(Settings):
    """What is searched."""

    title: ClassVar[str] = "Forecasts"

    recipes: str = setting("digits", "flagfiles of searches, with commas between")


COMMAND = Command(
    name="python benchmarks/search_forecast.py",
    summary="compares the time of searches with the forecast of rl_nas doctor.",
    examples=("python benchmarks/search_forecast.py --recipes=digits,shapes_dpc",),
    groups=(ForecastSettings, *SearchConfig.groups()),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    recipes = [recipe.strip() for recipe in parsed.group(ForecastSettings).recipes.split(",")]
    given = {name: parsed.values[name] for name in parsed.given if name in SearchConfig().flags()}
    whole, ratio = "{:,.0f}".format, "{:.2f}".format
    columns = {"recipe": str, "children": whole, "forecast, s": whole, "search, s": whole, "forecast / search": ratio}
    return Table(columns, _rows(recipes, flag_words(given)))


def _rows(recipes: Sequence[str], words: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for recipe in recipes:
        remark(f"{recipe}: forecast")
        found = json.loads(_verb("doctor", f"--flagfile={recipe}", *words, "--json"))
        forecast = next(check["figures"] for check in found["checks"] if check["check"] == "forecast")
        remark(f"{recipe}: search, {forecast['seconds']:,.0f} s")
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            result = json.loads(_verb("search", f"--flagfile={recipe}", *words, f"--run_dir={folder}/run", "--json"))
            seconds = time.monotonic() - began
        yield recipe, result["trials"], forecast["seconds"], seconds, forecast["seconds"] / seconds


def _verb(name: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "rl_nas", name, *words], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise RunError(f"rl_nas {name} {' '.join(words)} failed; see the lines above")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
