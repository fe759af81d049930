"""Links in a stranger's run folder are refused by every verb that writes there, and change nothing elsewhere."""

from pathlib import Path

import pytest
from processes import refuse

from rl_nas.store.trials import TrialStore


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.json").write_text('{"flags": {"seed": 3}}')
    TrialStore(tmp_path / "run/trials.sqlite").__exit__()
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/file").write_text("mine")
    (tmp_path / "run/best").symlink_to(tmp_path / "victim")
    return tmp_path / "run"


@pytest.mark.parametrize(
    "words", [("search", "--resume", "--run_dir={}"), ("train", "--resume", "--run_dir={}"), ("runs", "{}")]
)
def test_a_link_is_refused_by_name(run_dir: Path, words: tuple[str, ...]) -> None:
    before = {path: path.stat().st_mtime_ns for path in run_dir.iterdir()}
    done = refuse(*(word.format(run_dir) for word in words))
    assert done.returncode == 2
    assert f"{run_dir}/best is a link; " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in (run_dir.parent / "victim").iterdir()] == ["file"]
    assert before.items() <= {path: path.stat().st_mtime_ns for path in run_dir.iterdir()}.items()
