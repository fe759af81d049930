"""`make` takes a Python that rl_nas is tested with, or names one to install. The interpreters here are fakes."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = ("python3", "python3.13", "python3.12", "python3.11")
ABSENT = "#!/bin/sh\nexit 127\n"
"""As pyenv's shims of versions that are not chosen; so no interpreter of the machine is found."""

FAKE = """#!/bin/sh
case $1 in
-c) echo {version} ;;
-m) mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo "$0" >.venv/made_by ;;
esac
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A copy of what `make` needs, in a folder whose name has no version."""
    clone = tmp_path / "clone"
    clone.mkdir()
    shutil.copy(ROOT / "Makefile", clone)
    shutil.copytree(ROOT / ".ci", clone / ".ci")
    return clone


def make(place: Path, interpreters: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """`make venv` where these interpreters have these versions, and no others are."""
    found = place.parent / "bin"
    found.mkdir(exist_ok=True)
    for name in (*NAMES, *interpreters):
        script = found / name
        script.write_text(FAKE.format(version=interpreters[name]) if name in interpreters else ABSENT)
        script.chmod(0o755)
    return subprocess.run(
        ["make", "venv", *words],
        cwd=place,
        env={"PATH": f"{found}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def made_by(place: Path) -> str:
    return Path((place / ".venv/made_by").read_text().strip()).name


@pytest.mark.parametrize(
    ("interpreters", "chosen"),
    [
        ({"python3": "3.12", "python3.13": "3.13"}, "python3"),
        ({"python3": "3.10", "python3.12": "3.12", "python3.11": "3.11"}, "python3.12"),
        ({"python3": "3.14", "python3.11": "3.11", "python3.13": "3.13"}, "python3.13"),
        ({"python3.11": "3.11"}, "python3.11"),
    ],
)
def test_a_python_that_fits_is_taken(place: Path, interpreters: Mapping[str, str], chosen: str) -> None:
    done = make(place, interpreters)
    assert done.returncode == 0, done.stderr
    assert made_by(place) == chosen
    if interpreters.get("python3", "3.12") != "3.12":
        assert done.stdout == f"python3 is {interpreters['python3']}; .venv is made with {chosen}\n"


@pytest.mark.parametrize(
    ("interpreters", "met"),
    [
        ({}, ""),
        ({"python3": "3.10"}, " python3 is 3.10;"),
        ({"python3": "3.14", "python3.11": "3.1"}, " python3 is 3.14;"),
    ],
)
def test_where_none_fits_a_line_says_what_to_install(place: Path, interpreters: Mapping[str, str], met: str) -> None:
    done = make(place, interpreters)
    assert done.returncode != 0
    told, of_make = done.stderr.splitlines()
    assert told.startswith(f"no Python of 3.11 3.12 3.13 with venv and pip on PATH;{met}")
    assert told.endswith("install python3.13, or give make PYTHON=/path/to/python")
    assert of_make.startswith("make: ***")
    assert not (place / ".venv").exists()


def test_the_python_that_is_given_wins_and_is_checked(place: Path) -> None:
    interpreters = {"python3": "3.11", "mine": "3.13", "old": "3.10"}
    for word, said in (("old", "3.10"), ("nowhere", "no Python with venv and pip")):
        done = make(place, interpreters, f"PYTHON={word}")
        assert done.returncode != 0
        assert done.stderr.splitlines()[0] == f"PYTHON={word} is {said}; expected one of 3.11 3.12 3.13"
    assert make(place, interpreters, "PYTHON=mine").returncode == 0
    assert made_by(place) == "mine"


def test_an_environment_of_another_python_is_told(place: Path) -> None:
    """It would be used as it is, whatever PYTHON says."""
    interpreters = {"python3": "3.11", "mine": "3.13"}
    assert make(place, interpreters).returncode == 0
    assert make(place, interpreters).returncode == 0
    done = make(place, interpreters, "PYTHON=mine")
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith(".venv has Python 3.11, PYTHON=mine is 3.13: remove .venv")
    (place / ".venv/bin/python").write_text(FAKE.format(version="3.10"))
    done = make(place, interpreters)
    assert done.returncode != 0
    assert done.stderr.splitlines()[0].startswith(".venv has Python 3.10; expected one of 3.11 3.12 3.13: remove .venv")


def test_every_target_that_installs_looks_first() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    installing = re.findall(r"^(\S+): (.*)\n\t\$\(BIN\)/pip install", text, re.M)
    assert len(installing) >= 3
    assert all(needed.endswith("| venv") for _, needed in installing)
