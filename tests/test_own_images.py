"""docs/own_images.md, followed to the letter: with rl_nas from its wheel, outside of the repository."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from installed import install_wheel
from own_photos import BROKEN, COLORS, make_photos
from watchdog import TIMEOUT

pytestmark = pytest.mark.long

PAGE = (Path(__file__).parents[1] / "docs/own_images.md").read_text(encoding="utf-8")
WITHOUT = "import runpy, sys; sys.modules['rl_nas'] = None; sys.argv.pop(0); runpy.run_path(sys.argv[0])"
"""Runs a script where `import rl_nas` fails."""


def commands() -> list[str]:
    return re.findall(r"^    ((?:rl_nas \w+|rm|python \w+\.py) .*)$", PAGE, re.MULTILINE)


def blocks() -> list[str]:
    """The indented parts of the page."""
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", PAGE, re.MULTILINE)
    return [re.sub(r"^    ", "", block.strip("\n"), flags=re.MULTILINE) for block in found]


class Followed:
    """What the commands of the page did, one after the other."""

    def __init__(self, place: Path) -> None:
        self.home = place / "home"
        self.home.mkdir()
        make_photos(self.home / "photos")
        (script,) = (block for block in blocks() if block.startswith("import sys"))
        (self.home / "serve.py").write_text(script)
        python = install_wheel(place)
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        variables = {**inherited, "PATH": f"{python.parent}:{os.environ['PATH']}"}
        self.done: list[subprocess.CompletedProcess[str]] = []
        for line in commands():
            words = line.split()
            if words[0] == "python":
                words = [sys.executable, "-P", "-c", WITHOUT, *words[1:]]
            self.done.append(
                subprocess.run(
                    words, cwd=self.home, env=variables, capture_output=True, text=True, check=False, timeout=TIMEOUT
                )
            )

    def of(self, begin: str) -> subprocess.CompletedProcess[str]:
        """The last command that begins so."""
        return [done for line, done in zip(commands(), self.done, strict=True) if line.startswith(begin)][-1]


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Followed:
    return Followed(tmp_path_factory.mktemp("followed"))


def test_all_commands_but_the_one_with_the_broken_file_succeed(followed: Followed) -> None:
    first, *others = followed.done
    assert first.returncode == 2
    error = first.stderr.splitlines()[-1]
    assert error == f"rl_nas search: photos/{BROKEN} cannot be decoded; fix or remove it"
    assert error in blocks()
    for line, done in zip(commands()[1:], others, strict=True):
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_each_fault_is_told_once_as_the_page_shows(followed: Followed) -> None:
    (shown,) = (block.splitlines() for block in blocks() if block.startswith("photos: "))
    told = followed.of("rl_nas search").stderr.splitlines()
    assert [line for line in told if line in shown] == shown


def test_the_numbers_say_what_they_were_measured_on(followed: Followed) -> None:
    trained = followed.of("rl_nas train").stdout
    assert re.search(
        r"^accuracy [\d.]+ \(95%: [\d.]+ to [\d.]+\), loss .* on \d+ images of split test: final$", trained, re.M
    )
    config = json.loads((followed.home / "runs/photos-final/config.json").read_text())["flags"]
    searched = json.loads((followed.home / "runs/photos/config.json").read_text())["flags"]
    for name in ("image_size", "valid_fraction", "test_fraction", "split_seed", "stratify"):
        assert config[name] == searched[name] is not None, name
    assert config["auto"] is searched["auto"] is None


def test_what_was_trained_is_served_without_rl_nas(followed: Followed) -> None:
    with open(followed.home / "predicted/predictions.csv") as file:
        rows = list(csv.DictReader(file))
    assert {row["true_class"] for row in rows} == {*COLORS, "moon"}
    right = sum(row["1/class"] == row["true_class"] for row in rows)
    assert right / len(rows) > 0.8
    by_name = {row["image"]: row for row in rows}
    served = [line.split() for line in followed.of("python serve.py").stdout.splitlines()]
    assert len(served) == 2
    for name, label, probability in served:
        assert label == by_name[name]["1/class"]
        assert float(probability) == pytest.approx(float(by_name[name]["1/probability"]), abs=1e-3)
