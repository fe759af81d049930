"""What a run writes of its own flags."""

from pathlib import Path

import pytest

from rl_nas.commands.run_config import config, repeating_flagfile
from rl_nas.commands.search_flags import SEARCH
from rl_nas.flags.parsing import parse


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        ("dataset", "folder:mine/pets", "folder:{here}/mine/pets"),
        ("dataset", "folder:/data/pets", "folder:/data/pets"),
        ("dataset", "folder:gs://bucket/pets", "folder:gs://bucket/pets"),
        ("dataset", "cifar10:3.*.*", "cifar10:3.*.*"),
        ("data_dir", "sets", "{here}/sets"),
        ("data_dir", "gs://bucket/sets", "gs://bucket/sets"),
    ],
)
def test_data_is_found_from_any_working_folder(
    flag: str, value: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parsed = parse(SEARCH, [f"--{flag}={value}", "--run_dir=run"])
    expected = expected.format(here=tmp_path)
    assert config(parsed)["flags"][flag] == expected
    assert f"--{flag}={expected}" in repeating_flagfile(parsed, "rl_nas search").splitlines()
