"""How long a browser works until the page of a search is open.

    python benchmarks/page_opening.py
    python benchmarks/page_opening.py --pages=old.html,new.html

Without `--pages`, pages of made-up trials in the NASNet space are measured, of 50 decisions and three metrics. The time
is that of the browser's main thread, which other work on the machine changes least; the smallest of the repeats counts.
It needs Playwright, and a Chromium on the path.
"""

import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from frame import Table, run

from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.trial import Measurement, Trial, TrialState

COLUMNS: dict[str, Callable[[Any], str]] = {
    "page": str,
    "MB": "{:.2f}".format,
    "CPU seconds until the table": "{:.2f}".format,
    "until all charts": "{:.2f}".format,
    "of the first": "{:.0%}".format,
}
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_STAGES = ("ready", "drawn")


@dataclass(frozen=True)
class OpeningSettings(Settings):
    """The pages to measure."""

    title: ClassVar[str] = "Pages"

    pages: str = setting("", "files of rl_nas report, with commas between; empty: pages of made-up trials")
    trials: int = setting(20_000, "trials of the largest page; others have 200 and 2,000", minimum=1, maximum=50_000)
    repeats: int = setting(5, "times that each page is opened", minimum=1, maximum=100)


COMMAND = Command(
    name="python benchmarks/page_opening.py",
    summary="measures how long a browser works to open a page of rl_nas report.",
    examples=("python benchmarks/page_opening.py --trials=5000 --repeats=3",),
    groups=(OpeningSettings,),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, lambda parsed: Table(COLUMNS, _rows(parsed)), argv)


def _rows(parsed: Parsed) -> Iterator[tuple[Any, ...]]:
    settings = parsed.group(OpeningSettings)
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None or importlib.util.find_spec("playwright") is None:
        raise UsageError("no Playwright or no Chromium is installed; pip install playwright, apt-get install chromium")
    with tempfile.TemporaryDirectory() as scratch:
        pages = {name: Path(name) for name in filter(None, settings.pages.split(","))}
        if missing := [name for name, path in pages.items() if not path.is_file()]:
            raise UsageError(f"--pages: no file {missing[0]}")
        pages = pages or _made(Path(scratch), sorted({200, 2_000, settings.trials}))
        # In turns, as the machine may be slower in one minute than in the next.
        found = [[_opened(path, browser) for path in pages.values()] for _ in range(settings.repeats)]
        seconds = np.array(found, float).min(axis=0)
        for (name, path), (table, charts) in zip(pages.items(), seconds.tolist(), strict=True):
            yield name, path.stat().st_size / 1e6, table, charts, table / seconds[0, 0]


def _opened(path: Path, browser: str) -> list[float]:
    """CPU seconds of the main thread until the table is there, and until all charts are."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        started = running.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = started.new_page(viewport={"width": 1280, "height": 900})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(path.absolute().as_uri(), wait_until="commit")
        seconds = list[float]()
        for stage in _STAGES:
            page.wait_for_selector(f"body[data-{stage}]", state="attached", timeout=300_000)
            metrics = session.send("Performance.getMetrics")["metrics"]
            seconds.append(next(one["value"] for one in metrics if one["name"] == "ThreadTime"))
        started.close()
    return seconds


def _made(folder: Path, counts: Sequence[int]) -> dict[str, Path]:
    from rl_nas.report.page.page import page_html
    from rl_nas.report.page.run import PageRun
    from rl_nas.spaces.nasnet import nasnet

    space, rng, pages = nasnet(5), np.random.default_rng(0), {}
    for count in counts:
        trials = [_trial(index, space.sample(rng), rng) for index in range(count)]
        pages[f"{count:,} trials"] = folder / f"{count}.html"
        run_of = PageRun("made up", trials, {"space": "nasnet", "strategy": "random"}, space=space)
        pages[f"{count:,} trials"].write_text(page_html([run_of]), encoding="utf-8")
    return pages


def _trial(index: int, architecture: tuple[int, ...], rng: np.random.Generator) -> Trial:
    value, loss, top5 = rng.random(3).tolist()
    metrics = {"accuracy": value, "loss": loss, "top5_accuracy": top5}
    parameters, madds = map(int, rng.integers([10**6, 10**8]))
    measured = Measurement(value, metrics, parameters, madds, epochs=3, seconds=float(rng.random()))
    return Trial(index, architecture, TrialState.OK, value, measured)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
