"""Code of a user's own, for the tests of plug-ins: the examples of the documentation, in a folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

from watchdog import TIMEOUT

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "plugins.md")

TINY = (
    "--flagfile=digits.cfg",
    "--trials=4",
    "--update_every=2",
    "--epochs=1",
    "--filters=2",
    "--blocks=1",
    "--seed=3",
    "--try_export=false",
)
"""Flags of a search for seconds."""
STRATEGY, REWARD, SPACE = (
    "--strategy=my_strategy:HillClimb",
    "--reward=my_rewards:frugal",
    "--space=my_spaces:shallow",
)
TRACKER = "--track=my_tracker:Lines"
LOSSES = ("--loss=my_losses:focal", "--metric=my_losses:kappa")
OPERATIONS, TASK = "--operations=max_pool_3x3,my_operations:once_5x5", "--task=my_tasks:Parity"


def examples() -> dict[str, str]:
    """The Python of the documentation that says, in its first line, in which file it stands."""
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    return {
        name: code for code, name in re.findall(r"^```python\n(# (\w+\.py)\n.*?)^```", text, re.DOTALL | re.MULTILINE)
    }


def write_examples(folder: Path) -> Path:
    for name, code in examples().items():
        (folder / name).write_text(code, encoding="utf-8")
    return folder


def rl_nas(
    folder: Path, *words: str | Path, python: str = sys.executable, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs a command in a folder that is on no path, as an installed `rl_nas` does."""
    command = [python, "-P", "-m", "rl_nas", *map(str, words)]
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
