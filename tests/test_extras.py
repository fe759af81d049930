"""Hints name a command that adds to what is installed."""

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from rl_nas.errors import UsageError
from rl_nas.extras import check_installed, install_command

ROOT = Path(__file__).parents[1]


def installed(folder: Path, monkeypatch: pytest.MonkeyPatch, *records: Any) -> None:
    """Makes this the only place of packages, with a record of rl_nas in each of several folders."""
    places = [folder / str(number) for number in range(len(records))]
    for place, record in zip(places, records, strict=True):
        info = place / "rl_nas-9.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rl_nas\nVersion: 9\n")
        if record is not None:
            (info / "direct_url.json").write_text(json.dumps(record))
    monkeypatch.setattr(sys, "path", list(map(str, places)))


EDITABLE = {"dir_info": {"editable": True}, "url": "file:///home/me/my%20clone"}


@pytest.mark.parametrize(
    ("records", "command"),
    [
        ([EDITABLE], "pip install -e '/home/me/my clone[onnx]'"),
        ([None, EDITABLE], "pip install -e '/home/me/my clone[onnx]'"),  # the first is what a build left in the clone
        ([None], "pip install 'rl_nas[onnx]'"),
        ([{"archive_info": {}, "url": "file:///tmp/rl_nas-9-py3-none-any.whl"}], "pip install 'rl_nas[onnx]'"),
        ([{"dir_info": {}, "url": "file:///home/me/clone"}], "pip install 'rl_nas[onnx]'"),
        ([], "pip install 'rl_nas[onnx]'"),
    ],
)
def test_the_command_fits_the_installation(
    records: list[Any], command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, monkeypatch, *records)
    assert install_command("onnx") == command


def test_missing_packages_are_named_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_spec("numpy")
    monkeypatch.setitem(sys.modules, "one", None)
    monkeypatch.setitem(sys.modules, "two", None)
    check_installed("--x", "onnx", ["numpy"])
    installed(tmp_path, monkeypatch, None)
    with pytest.raises(UsageError, match=r"^--x needs one and two: pip install 'rl_nas\[onnx\]'$"):
        check_installed("--x", "onnx", ["one", "sys", "two"])


def test_no_message_names_a_command_of_its_own() -> None:
    for path in [*(ROOT / "rl_nas").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")]:
        if path.name != "extras.py":
            assert not re.search(r"pip install\W+rl_nas\[", path.read_text(encoding="utf-8")), path
