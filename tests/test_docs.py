"""The documentation says what is true: its code runs, its commands parse, its files exist."""

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rl_nas
from rl_nas.__main__ import VERBS
from rl_nas.commands.bench import BENCH
from rl_nas.commands.describe import DESCRIBE
from rl_nas.commands.doctor import DOCTOR
from rl_nas.commands.export import EXPORT
from rl_nas.commands.predict import PREDICT
from rl_nas.commands.proxy import PROXY
from rl_nas.commands.report import REPORT
from rl_nas.commands.runs import RUNS
from rl_nas.commands.search import SEARCH
from rl_nas.commands.train import TRAIN
from rl_nas.flags.parsing import parse

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = {
    "search": SEARCH,
    "train": TRAIN,
    "export": EXPORT,
    "predict": PREDICT,
    "runs": RUNS,
    "report": REPORT,
    "proxy": PROXY,
    "bench": BENCH,
    "describe": DESCRIBE,
    "doctor": DOCTOR,
}


def code(page: Path) -> dict[str, Any]:
    """Runs the Python of a page, in order; returns what it defines."""
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        exec(compile(block, str(page), "exec"), names)
    return names


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def command_lines() -> list[str]:
    return [
        line.strip()
        for page in PAGES
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.match(r"^    rl_nas \w+ [-\w]", line)
    ]


@pytest.mark.filterwarnings("ignore:(currentThread|getName)")  # in Keras Tuner
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.name, marks=pytest.mark.long if page.name == "python.md" else ())
        for page in PAGES
        if page.name != "README.md" and "```python" in page.read_text()
    ],
)
def test_python_of_a_page_runs(page: Path) -> None:
    assert code(page)


def test_strategy_of_the_readme_climbs() -> None:
    """And `rl_nas search` takes it as it stands: tests/test_plugins.py."""
    strategy = code(ROOT / "README.md")["HillClimb"](rl_nas.nasnet(2), seed=0)

    def evaluate(job: rl_nas.Job) -> rl_nas.Measurement:
        return rl_nas.Measurement(float(np.mean(job.architecture)))

    with rl_nas.TrialStore(Path(":memory:")) as store:
        executor = rl_nas.InlineExecutor(evaluate)
        rl_nas.search(strategy, executor, store, reward=lambda m: m.quality, trials=500, batch_size=5, seed=0)
        found = [trial.reward or 0.0 for trial in store.trials()]
    assert max(found[250:]) > max(found[:50])


@pytest.mark.parametrize("line", command_lines())
def test_commands_parse(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    _, verb, *words = shlex.split(line, comments=True)
    if words != ["--help"]:
        parse(COMMANDS[verb], words)


def test_every_verb_is_checked() -> None:
    assert set(COMMANDS) == set(VERBS)
    assert {shlex.split(line)[1] for line in command_lines()} == set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        assert target.startswith("https://") or (page.parent / target).exists(), target
    for target in re.findall(r"`(rl_nas/[\w/.]+)`", text):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_headings(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https:)([^)#]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        assert anchor in anchors(page.parent / target if target else page), f"{target}#{anchor}"


def test_the_readme_lists_every_room() -> None:
    listed = re.findall(r"^    (rl_nas/[\w/<>]+/) ", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    for folder in listed:
        assert "<" in folder or (ROOT / folder).is_dir(), folder
    rooms = {path.parent.name for path in (ROOT / "rl_nas").glob("*/__init__.py")}
    assert {folder.split("/")[1] for folder in listed} == rooms


def test_every_recipe_is_told_of() -> None:
    text = "".join((ROOT / page).read_text(encoding="utf-8") for page in ("docs/search.md", "docs/recipes.md"))
    for recipe in (ROOT / "rl_nas/flags").glob("*.cfg"):
        assert f"`{recipe.name}`" in text


def test_public_names_exist() -> None:
    for name in rl_nas.__all__:
        assert getattr(rl_nas, name) is not None
    assert rl_nas.search is importlib.import_module("rl_nas.loops.ordered").search
