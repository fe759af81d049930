"""Compares exported models with the network, in a process that cannot import rl_nas."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rl_nas.child.export import reload
from rl_nas.child.export.serving import Agreement
from rl_nas.errors import RunError
from rl_nas.metrics import check_names

Predictions = Mapping[str, np.ndarray]
Compare = Callable[[Predictions, Predictions, Any, str], Agreement]
"""`Serving.compare`."""


class Verified(NamedTuple):
    """Result of the comparison of an exported model with the network.

    Attributes:
        images: number of images that were compared.
        figures: of the agreement, by name.
        latency_ms: median of 50 calls with one image, milliseconds.
        bytes: size of the file, or of the folder's files.
    """

    images: int
    figures: dict[str, float]
    latency_ms: float
    bytes: int

    def document(self) -> dict[str, Any]:
        """Flat JSON values."""
        return {"images": self.images, **self.figures, "latency_ms": self.latency_ms, "bytes": self.bytes}


def verify(
    kind: str,
    path: Path,
    images: np.ndarray,
    targets: Any,
    expected: Predictions,
    compare: Compare,
    arithmetic: str = "float32",
) -> Verified:
    """Loads an exported model in a clean process and compares.

    Args:
        kind: saved_model, keras, tflite or onnx.
        path: file or folder.
        images: uint8 [images, height, width, channels].
        targets: of the images.
        expected: the network's predictions.
        compare: `Serving.compare`.
        arithmetic: float32, float16 or int8.

    Raises:
        RunError: the model cannot be loaded there, or computes something else.
        UsageError: a figure of the agreement has the name of another one.
    """
    found, seconds = _run_elsewhere(kind, path, images)
    missing = [name for name in expected if name not in found]
    if missing:
        raise RunError(f"{path} gives {', '.join(found)}; expected {', '.join(missing)} too")
    agreement = compare(found, expected, targets, arithmetic)
    check_names("export figure", agreement.figures)
    if agreement.complaint is not None:
        raise RunError(f"{path} {agreement.complaint}")
    return Verified(len(images), agreement.figures, 1000 * seconds, _size(path))


def _run_elsewhere(kind: str, path: Path, images: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
    with tempfile.TemporaryDirectory() as scratch:
        np.save(f"{scratch}/images.npy", images)
        words = [
            sys.executable,
            "-I",
            reload.__file__,
            kind,
            str(path.absolute()),
            f"{scratch}/images.npy",
            f"{scratch}/out.npz",
        ]
        quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=scratch, env=quiet)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise RunError(f"{path} cannot be used without rl_nas: {last[0]}")
        with np.load(f"{scratch}/out.npz") as out:
            arrays = {name: out[name] for name in out.files}
            return arrays, float(arrays.pop("$seconds"))


def _size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
