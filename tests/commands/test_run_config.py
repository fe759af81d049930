"""What a run writes of its own flags."""

from pathlib import Path

import pytest

from rl_nas.commands.search import CHANGEABLE, SEARCH
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import parse
from rl_nas.renamed import FLAGS
from rl_nas.store.run_folder import SearchFolder
from rl_nas.workflows.run_config import changed, config, merge, repeating_flagfile


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
    assert config(parsed.values)["flags"][flag] == expected
    assert f"--{flag}={expected}" in repeating_flagfile(parsed.values, "rl_nas search").splitlines()


def test_a_run_that_recorded_earlier_names_of_flags_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, started = SearchFolder(tmp_path), parse(SEARCH, ["--filter_fraction=0.25", "--trials=3"])
    earlier = {new: old for old, new in FLAGS.items()}
    flags = {earlier.get(name, name): value for name, value in config(started.values)["flags"].items()}
    assert flags["filter_share"] == 0.25
    folder.write_config({"flags": flags})
    recorded = folder.read_config()
    merged = merge(parse(SEARCH, ["--trials=4"]), recorded, CHANGEABLE)
    assert merged.values == {**started.values, "trials": 4}
    folder.write_config(changed(recorded, merged.values))
    assert '"filter_fraction": 0.25' in folder.config.read_text()
    assert "filter_share" not in folder.config.read_text()
    assert not capsys.readouterr().err  # nobody gave it today
    with pytest.raises(UsageError, match=r"--filter_fraction=0\.5, but the run was started with 0\.25"):
        merge(parse(SEARCH, ["--filter_fraction=0.5"]), recorded, CHANGEABLE)
