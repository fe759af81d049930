"""What a run writes of its own flags."""

from pathlib import Path

import pytest

from rl_nas.commands.search import CHANGEABLE, SEARCH
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import parse
from rl_nas.renamed import FLAGS
from rl_nas.store.search_folder import SearchFolder
from rl_nas.workflows.run_config import changed, config, merge, repeating_flagfile


@pytest.mark.parametrize(
    ("flag", "value", "expected"),
    [
        ("dataset", "folder:mine/pets", "folder:{here}/mine/pets"),
        ("dataset", "folder:/data/pets", "folder:/data/pets"),
        ("dataset", "./mine/pets", "folder:{here}/mine/pets"),
        ("dataset", "/data/pets", "folder:/data/pets"),
        ("dataset", "gs://bucket/pets", "folder:gs://bucket/pets"),
        ("pretrain_dataset", "/data/pets", "folder:/data/pets"),
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


def test_runs_of_earlier_versions_hold_out_the_images_that_they_did(tmp_path: Path) -> None:
    """They had no --stratify, whose default is another rule."""
    started = parse(SEARCH, ["--dataset=digits"])
    assert started.values["stratify"] == "auto"
    recorded = config(started.values)
    del recorded["flags"]["stratify"]
    merged = merge(parse(SEARCH, ["--resume"]), recorded, CHANGEABLE)
    assert merged.values["stratify"] == "no"
    assert changed(recorded, merged.values)["flags"]["stratify"] == "no"
    with pytest.raises(UsageError, match="--stratify=yes, but the run was started with no"):
        merge(parse(SEARCH, ["--stratify=yes"]), recorded, CHANGEABLE)
    # So do the flagfiles by which such runs are repeated, and no others.
    lines = repeating_flagfile(started.values, "rl_nas search").splitlines()
    for name, words, stratify in (
        ("new.cfg", lines, "auto"),
        ("earlier.cfg", [line for line in lines if "stratify" not in line], "no"),
        ("own.cfg", ["# Mine", "--dataset=digits"], "auto"),
    ):
        (tmp_path / name).write_text("\n".join(words))
        assert parse(SEARCH, [f"--flagfile={tmp_path / name}"]).values["stratify"] == stratify
