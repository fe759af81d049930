"""The process that compares an export imports installed packages wherever they are, and nothing else of the user's."""

import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.export import verification
from rl_nas.child.export.reload import import_places
from rl_nas.errors import RunError

IMAGES = np.zeros((3, 2, 2, 3), np.uint8)


class Mean(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.uint8)])
    def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"mean": tf.reduce_mean(tf.cast(images, tf.float32), axis=[1, 2, 3])}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, module = tmp_path_factory.mktemp("mean") / "model", Mean()
    tf.saved_model.save(module, str(path), signatures=module.serve)
    return path


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python without packages, as that of a system is to one who uses `pip install --user`, or `--target`."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder)
    return str(folder / "bin" / "python")


def installed(folder: Path) -> Path:
    """A folder as `pip install --target` leaves it."""
    information = folder / "thing-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    return folder


@pytest.mark.slow
def test_packages_that_only_this_process_finds_are_found(
    model: Path, bare_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert subprocess.run([bare_python, "-I", "-c", "import tensorflow"], capture_output=True).returncode
    monkeypatch.setattr(sys, "executable", bare_python)
    found, _ = verification._run_elsewhere("saved_model", model, IMAGES)
    np.testing.assert_array_equal(found["mean"], [0, 0, 0])


def test_a_process_without_packages_blames_itself(
    model: Path, bare_python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", bare_python)
    monkeypatch.setattr(verification, "_places", list)
    with pytest.raises(RunError, match=r"cannot be compared: .* finds no packages \(ModuleNotFoundError: No module"):
        verification._run_elsewhere("saved_model", model, IMAGES)


def test_a_process_that_was_killed_is_no_fault_of_the_model(model: Path) -> None:
    assert "cannot be compared: Killed ended the process" in verification._blamed(model, -9, "a warning\n")
    assert "cannot be used without rl_nas: ValueError: x" in verification._blamed(model, 1, "...\nValueError: x\n")


def test_installed_packages_are_seen_in_the_order_of_the_process(tmp_path: Path) -> None:
    target, code, own = str(installed(tmp_path / "target")), tmp_path / "code", ["/usr/lib/python3", "/usr/site"]
    code.mkdir()
    (code / "mine.py").write_text("")
    assert import_places([target, str(code), *own], own) == [target, *own]
    assert import_places([own[1], target], own) == [own[1], target, own[0]]


def test_the_working_folder_is_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = installed(tmp_path / "here")
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", ["", str(here), ".", "/else"])
    assert verification._places() == ["/else"]
