"""rl_nas installed from its wheel, in a virtual environment that has all else of the present one."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("rl_nas", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")


def install_wheel(place: Path) -> Path:
    """Builds and installs the wheel below a folder; returns the environment's Python."""
    source = place / "source"
    source.mkdir()
    for name in SOURCES:
        subprocess.run(["cp", "-r", str(ROOT / name), str(source)], check=True)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    venv.create(place / "venv", symlinks=True)
    made = place / "venv/bin/python"
    pip = [sys.executable, "-m", "pip", "--python", str(made), "install", "--no-deps", "--quiet", "--no-index"]
    subprocess.run([*pip, str(next(place.glob("*.whl")))], check=True)
    packages = next((place / "venv").glob("lib/python*/site-packages"))
    (packages / "present.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return made
