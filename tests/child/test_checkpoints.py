"""States of a training on disk: the last one that is whole is restored, and what is not is told."""

from pathlib import Path

import pytest
import tensorflow as tf

from rl_nas.child.training.checkpoints import Checkpoints, saved_states
from rl_nas.errors import UsageError

STEPS = (9, 10, 100)  # by number, not by name


def state(value: float = 0.0) -> dict[str, list[tf.Variable]]:
    return {"weights": [tf.Variable([value] * 1000), tf.Variable(value)]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    saved = state()
    checkpoints = Checkpoints(saved, str(tmp_path / "states"), keep=3)
    for step in STEPS:
        for variable in saved["weights"]:
            variable.assign(tf.fill(variable.shape, float(step)))
        checkpoints.save(step)
    return tmp_path / "states"


def restored(folder: Path) -> tuple[float, list[str]]:
    """The value in the restored state, and the lines that were told."""
    found, told = state(), list[str]()
    assert Checkpoints(found, str(folder), keep=3).restore(told.append)
    (value,) = {float(number) for variable in found["weights"] for number in tf.reshape(variable, [-1])}
    return value, told


def damage(folder: Path, kind: str, step: int) -> None:
    index, data = (folder / f"ckpt-{step}.{end}" for end in ("index", "data-00000-of-00001"))
    if kind == "cut":
        data.write_bytes(data.read_bytes()[:-1000])
    if kind == "bits":
        content = bytearray(data.read_bytes())
        content[2000] ^= 1
        data.write_bytes(content)
    if kind == "no data":
        data.unlink()
    if kind == "index":
        index.write_bytes(b"none")
    if kind == "empty index":
        index.write_bytes(b"")


def test_the_last_state_is_restored(folder: Path) -> None:
    assert restored(folder) == (100.0, [])
    assert saved_states(str(folder)) == [str(folder / f"ckpt-{step}") for step in reversed(STEPS)]


@pytest.mark.parametrize(
    "written", ["{others}/ckpt-1", "../others/ckpt-1", "../others/*", "ckpt-9/../../others/ckpt-1"]
)
def test_a_list_of_states_deletes_nothing_elsewhere(folder: Path, written: str) -> None:
    others = folder.parent / "others"
    Checkpoints(state(), str(others), keep=1).save(1)
    kept, path = sorted(others.iterdir()), written.format(others=others)
    (folder / "checkpoint").write_text(
        f'model_checkpoint_path: "ckpt-100"\nall_model_checkpoint_paths: "{path}"\n'
        "all_model_checkpoint_timestamps: 2e9\nlast_preserved_timestamp: 1\n"
    )
    Checkpoints(state(), str(folder), keep=1).save(101)
    assert sorted(others.iterdir()) == kept
    assert (folder / "ckpt-101.index").exists()


@pytest.mark.parametrize("content", [None, b"", b"\xff none", b'model_checkpoint_path: "elsewhere/ckpt-1"\n'])
def test_the_list_of_states_is_not_needed(folder: Path, content: bytes | None) -> None:
    (folder / "checkpoint").unlink()
    if content is not None:
        (folder / "checkpoint").write_bytes(content)
    assert restored(folder) == (100.0, [])


@pytest.mark.parametrize("kind", ["cut", "bits", "no data", "index", "empty index"])
def test_of_damaged_states_the_next_older_one_is_restored(folder: Path, kind: str) -> None:
    damage(folder, kind, 100)
    value, (line,) = restored(folder)
    assert value == 10.0
    assert line.startswith(f"{folder}/ckpt-100 is not a checkpoint of this training: ")
    assert line.endswith(f"; going on from {folder}/ckpt-10")
    damage(folder, kind, 10)
    value, lines = restored(folder)
    assert (value, len(lines)) == (9.0, 2)
    damage(folder, kind, 9)
    with pytest.raises(UsageError, match=r"ckpt-100 is not .*; restore the file, or start another run") as refused:
        restored(folder)
    assert len(str(refused.value).splitlines()) == 1


def test_no_state_is_no_error(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent"):
        assert saved_states(str(place)) == []
        assert not Checkpoints(state(), str(place), keep=3).restore(print)
