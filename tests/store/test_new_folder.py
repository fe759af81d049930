"""Folders that are written whole, or not at all."""

import os
from pathlib import Path

import pytest

from rl_nas.errors import StorageError, UsageError
from rl_nas.store.new_folder import new_folder

NO_PROCESS = 2**22 + 1
"""Above all numbers of processes."""


def fill(path: Path, error: BaseException | None = None) -> None:
    with new_folder(path) as draft:
        (draft / "below").mkdir()
        seen = [one.name for one in path.iterdir()] if path.exists() else []
        (draft / "below/file").write_text(" ".join(name for name in seen if name != draft.name))
        if error is not None:
            error.args = (*error.args, f"{draft}/below/file", 3)
            raise error


@pytest.fixture(params=["new", "above/new", "there", "link"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    return tmp_path / str(request.param)


def test_it_appears_when_all_is_in_it(path: Path) -> None:
    fill(path)
    assert (path / "below/file").read_text() == ""  # nothing was seen
    assert [one.name for one in path.iterdir()] == ["below"]
    assert not [one for one in path.parent.iterdir() if one.name.startswith(".")]


@pytest.mark.parametrize("kind", [StorageError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_and_names_the_place(path: Path, kind: type[BaseException], tmp_path: Path) -> None:
    before, error = sorted(tmp_path.rglob("*")), kind()
    with pytest.raises(kind):
        fill(path, error)
    assert sorted(tmp_path.rglob("*")) == before
    assert error.args == (f"{path}/below/file", 3)
    fill(path)
    assert (path / "below/file").exists()


def test_what_a_killed_process_left_does_not_count(tmp_path: Path) -> None:
    (tmp_path / f"there/.{NO_PROCESS}.rl_nas-unfinished/below").mkdir(parents=True)
    fill(tmp_path / "there")
    assert [one.name for one in (tmp_path / "there").iterdir()] == ["below"]


def test_what_another_process_is_at_is_left_alone(tmp_path: Path) -> None:
    draft = tmp_path / f"there/.{os.getppid()}.rl_nas-unfinished/below"
    draft.mkdir(parents=True)
    with pytest.raises(UsageError, match="holds other files"):
        fill(tmp_path / "there")
    assert draft.is_dir()


@pytest.mark.parametrize("name", [".hidden", ".4.file", "rl_nas-unfinished", ".4.rl_nas-unfinished"])
def test_other_files_are_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(UsageError, match=r"^--out=.* holds other files; give a new or an empty folder$"):
            fill(path)
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_place_where_nothing_can_be_made_is_told_at_once() -> None:
    with pytest.raises(StorageError, match=r"^cannot write /proc/out: "), new_folder(Path("/proc/out")):
        pytest.fail("nothing is to be done")
