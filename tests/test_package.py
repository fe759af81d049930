"""What is shipped: rl_nas and nothing else."""

import builtins
import inspect
import re
import runpy
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import setuptools

import rl_nas

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    # Without isolation: the tests' environment has the build requirements, and a build needs no network.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return out


@pytest.mark.long
def test_wheel_holds_rl_nas_alone(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()
        top_level = wheel.read(next(name for name in names if name.endswith("top_level.txt"))).decode().split()
    assert top_level == ["rl_nas"]
    assert {name.split("/")[0].split("-")[0] for name in names} == {"rl_nas"}
    for recipe in ("digits.cfg", "cifar10_nasnet.cfg", "imagenet_mobile.cfg"):
        assert f"rl_nas/flags/{recipe}" in names
    assert {"rl_nas/py.typed", "rl_nas/bench/tables/digits.npz"} <= set(names)
    page = {"page.html", "page.css", "page.js", "tabulator/tabulator.min.js", "tabulator/LICENSE"}
    assert {f"rl_nas/report/page/{name}" for name in page} <= set(names)


@pytest.mark.long
def test_sdist_holds_rl_nas_and_what_builds_it(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        files = {member.name.split("/", 1)[1] for member in sdist.getmembers() if member.isfile()}
    metadata = {"rl_nas.egg-info", "PKG-INFO", "setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in"}
    beside = {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "Makefile", "constraints.txt"}
    folders = {"rl_nas", "docs", "examples", "benchmarks", "tests", ".ci"}
    assert {name.split("/")[0] for name in files} == metadata | beside | folders
    assert not [name for name in files if "__pycache__" in name]
    for folder in ("docs", "examples", "benchmarks", "tests", ".ci"):
        ours = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert {name for name in ours if "__pycache__" not in name} <= files


def described(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What setup.py says of the package."""
    said: dict[str, Any] = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(setuptools, "setup", lambda **words: said.update(words))
    runpy.run_path("setup.py")
    return said


def test_the_page_on_a_package_index_has_no_dead_links(monkeypatch: pytest.MonkeyPatch) -> None:
    readme, page = (ROOT / "README.md").read_text(encoding="utf-8"), described(monkeypatch)["long_description"]
    targets = re.findall(r"\]\(([^)]*)\)", readme)
    assert "docs/install.md" in targets
    assert [target for target in targets if target.startswith("https://")] == re.findall(r"\]\(([^)]*)\)", page)
    assert "| `docs/install.md` | extras, GPUs" in page
    assert "The files that this page names are in the source archive" in page


def test_one_range_of_python_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    said = described(monkeypatch)
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(said["classifiers"]))
    assert named == ["3.11", "3.12", "3.13"]
    assert said["python_requires"] == f">={named[0]}"
    assert f'tested="{" ".join(named)}"' in (ROOT / ".ci/make_venv").read_text(encoding="utf-8")
    for page in ("README.md", "docs/install.md"):
        assert f"Python {named[0]} to {named[-1]}" in (ROOT / page).read_text(encoding="utf-8")


def test_citation_is_of_this_version() -> None:
    """The required keys of the Citation File Format 1.2.0, which the whole file was validated against once."""
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    said = dict(re.findall(r"^([\w-]+): *(.*)$", text, re.M))
    assert said.keys() >= {"cff-version", "message", "title", "authors", "type"}
    assert (said["cff-version"], said["version"], said["license"]) == ("1.2.0", version("rl_nas"), "Apache-2.0")


@pytest.mark.skipif(not (ROOT / "controller").exists(), reason="source archives have no links")
@pytest.mark.parametrize("name", ["controller", "child", "flags"])
def test_rooms_at_the_top_are_relative_links(name: str) -> None:
    assert (ROOT / name).is_symlink()
    assert (ROOT / name).readlink() == Path("rl_nas") / name


def test_tab_completion_shows_the_public_names_alone() -> None:
    shown = {name for name in dir(rl_nas) if not re.fullmatch("__.*__", name)}
    assert shown == set(rl_nas.__all__) - {"__version__"}
    assert all(getattr(rl_nas, name) is not None for name in rl_nas.__all__)
    assert rl_nas.__version__ == version("rl_nas")


def test_errors_that_docstrings_name_are_public() -> None:
    public = [getattr(rl_nas, name) for name in rl_nas.__all__]
    documented = [*public, *(method for one in public if inspect.isclass(one) for method in vars(one).values())]
    named = {error for one in documented for error in re.findall(r"^ *(\w+Error): ", inspect.getdoc(one) or "", re.M)}
    ours = {name for name in named if not hasattr(builtins, name)}
    assert "UsageError" in ours
    assert ours <= set(rl_nas.__all__)
