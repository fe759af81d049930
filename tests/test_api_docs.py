"""The API reference: all that is public, and pages without a gap."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import rl_nas

ROOT = Path(__file__).parents[1]


def test_the_reference_has_every_public_name_once() -> None:
    named = re.findall(r"^::: rl_nas\.(\w+)$", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(set(rl_nas.__all__) - {"__version__"})


@pytest.mark.long
def test_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "properdocs", "build", "--strict", f"--site-dir={tmp_path}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "api.html").read_text(encoding="utf-8")
    for name in set(rl_nas.__all__) - {"__version__"}:
        assert re.search(rf'id="rl_nas(\.\w+)*\.{name}"', page), name
