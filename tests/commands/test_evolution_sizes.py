"""`rl_nas search --strategy=aging_evolution`: the sizes of its population are chosen once, and recorded."""

import functools
import json
from pathlib import Path
from typing import Any

import processes
import pytest
from processes import Words

from rl_nas.commands.search import CHANGEABLE, SEARCH
from rl_nas.flags.parsing import parse
from rl_nas.workflows.checks import with_found_sizes
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.run_config import config, merge

pytestmark = pytest.mark.long

run = functools.partial(processes.run, "search")
WARNING = "aging_evolution draws its first population at random"


def started(*words: str) -> dict[str, Any]:
    """The flags that a new search records."""
    given = SearchConfig.from_flags(parse(SEARCH, words).values)
    return dict(config(with_found_sizes(given).flags())["flags"])


def sizes(flags: dict[str, Any]) -> tuple[int | None, int | None]:
    return flags["evolution_population"], flags["evolution_sample"]


def test_a_new_search_records_the_sizes_that_it_has() -> None:
    assert sizes(started("--strategy=aging_evolution", "--trials=20")) == (5, 2)
    assert sizes(started("--strategy=aging_evolution", "--trials=1000")) == (100, 25)
    assert sizes(started("--strategy=aging_evolution", "--evolution_population=7", "--trials=20")) == (7, 2)
    assert sizes(started("--strategy=random", "--trials=20")) == (None, None)  # a flagfile of it suits any strategy


@pytest.mark.parametrize("recorded", [(5, 2), (100, 25)])  # the latter by earlier versions, whatever the trials
def test_more_trials_keep_the_recorded_sizes(recorded: tuple[int, int]) -> None:
    flags = started("--strategy=aging_evolution", "--trials=20")
    flags |= dict(zip(("evolution_population", "evolution_sample"), recorded, strict=True))
    merged = merge(parse(SEARCH, ["--resume", "--trials=400"]), {"flags": flags}, CHANGEABLE)
    assert sizes(merged.values) == recorded
    assert merged.values["trials"] == 400


@pytest.mark.slow
def test_a_short_search_mutates_and_goes_on_with_its_population(base: Path, tiny: Words) -> None:
    folder = base / "aging"
    words = ("--strategy=aging_evolution", "--executor=inline", f"--run_dir={folder}")
    done = run(*tiny, *words, "--trials=4", "--evolution_population=4")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(WARNING) == 1
    done = run("--resume", "--trials=5", f"--run_dir={folder}")
    assert done.returncode == 0, done.stderr
    assert WARNING not in done.stderr
    written = json.loads((folder / "config.json").read_text())
    assert sizes(written["flags"]) == (4, 2)
    assert [change["flag"] for change in written["changes"]] == ["trials"]
