"""`rl_nas train --resume` where its checkpoints are not at hand: never silently from the start."""

import shutil
from pathlib import Path

import pytest
from processes import TINY_TRAINING, beyond_first_lines, held, results, run

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that was killed after two epochs, with checkpoints in a folder that it was given as a relative one."""
    base = tmp_path_factory.mktemp("stopped")
    words = (*TINY_TRAINING, "--checkpoint_dir=states", f"--run_dir={base / 'run'}")
    with pytest.MonkeyPatch.context() as place:
        place.chdir(base)
        with held("train", *words, line="epoch 3/4") as command:
            command.kill()
    return base


def test_a_relative_folder_is_found_from_everywhere(stopped: Path, tmp_path: Path) -> None:
    for name in ("run", "states"):
        shutil.copytree(stopped / name, tmp_path / name)
    # The recorded folder is the one that the training had; a copy of the run finds its own by the flag.
    done = run("train", "--resume", f"--run_dir={tmp_path / 'run'}", "--checkpoint_dir=states", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in beyond_first_lines(done.stderr)] == ["3/4", "4/4"]
    (tmp_path / "elsewhere").mkdir()
    again = run("train", "--resume", f"--run_dir={stopped / 'run'}", cwd=tmp_path / "elsewhere")
    assert again.returncode == 0, again.stderr
    assert [line.split()[1] for line in beyond_first_lines(again.stderr)] == ["3/4", "4/4"]
    assert results(stopped / "run") == results(tmp_path / "run")


def test_a_training_does_not_start_again_by_itself(stopped: Path, tmp_path: Path) -> None:
    folder, absent = tmp_path / "run", tmp_path / "absent"
    shutil.copytree(stopped / "run", folder)
    (folder / "results.json").unlink(missing_ok=True)  # of the test before
    before = (folder / "history.jsonl").read_bytes()
    done = run("train", "--resume", f"--run_dir={folder}", f"--checkpoint_dir={absent}")
    assert done.returncode == 2
    assert f"--checkpoint_dir={absent} holds no checkpoint, but " in done.stderr
    assert len(beyond_first_lines(done.stderr)) == 1
    assert (folder / "history.jsonl").read_bytes() == before
