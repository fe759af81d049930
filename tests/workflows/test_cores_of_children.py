"""CPU cores that compile for a child on a GPU: those of the machine shared among its workers, none for CPUs."""

import os
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from rl_nas.execution.settings import ExecutionSettings
from rl_nas.store.search_folder import SearchFolder
from rl_nas.workflows import children


@pytest.mark.parametrize(
    ("settings", "devices", "cores"),
    [
        ({}, ["cpu", "cpu"], 0),
        ({}, ["gpu:0", "gpu:1"], 8),
        ({}, ["gpu:0", "cpu"], 0),
        ({}, [f"gpu:{number % 2}" for number in range(32)], 1),
        ({"executor": "inline"}, ["gpu:0"], 16),
        ({"executor": "inline"}, ["cpu"], 0),
        ({"executor": "ray", "gpus_per_child": 0.5}, ["cpu"], 16),
        ({"executor": "ray"}, ["gpu:0"], 0),
    ],
)
def test_cores_of_each_child_on_a_gpu(
    settings: dict[str, Any], devices: list[str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "worker_devices", lambda *_: devices)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    for kind in ("intra", "inter"):  # TensorFlow refuses it where other tests have computed
        monkeypatch.setattr(tf.config.threading, f"set_{kind}_op_parallelism_threads", lambda threads: None)
    made = children.Children(ExecutionSettings(**settings), SearchFolder(tmp_path), hide_gpus=False)
    assert made.cores_per_gpu == cores
