"""What is shipped: rl_nas and nothing else."""

import builtins
import inspect
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

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


@pytest.mark.long
def test_sdist_holds_rl_nas_and_what_builds_it(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        inside = {name.split("/", 1)[1].split("/")[0] for name in sdist.getnames() if "/" in name}
    metadata = {"rl_nas.egg-info", "PKG-INFO", "setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE"}
    assert inside <= metadata | {"rl_nas", "MANIFEST.in"}
    assert "rl_nas" in inside


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
