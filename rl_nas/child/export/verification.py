"""Compares what was exported with the network, in a process that cannot import rl_nas."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rl_nas.child.export import reload
from rl_nas.child.export.writers import TOLERANCE
from rl_nas.errors import RunError

_AGREEMENT = {"float16": 0.98, "int8": 0.8}
"""Shard of the images whose likeliest class must be the network's, for arithmetic that is not the network's."""


class Verified(NamedTuple):
    """How an exported model compares with the network.

    Attributes:
        images: how many were compared.
        max_difference: the largest one of a probability.
        top1_agreement: share of the images with the same likeliest class.
        accuracy: of the exported model on these images.
        network_accuracy: of the network itself.
        latency_ms: median of 50 calls with one image, milliseconds.
        bytes: size of the file, or of the folder's files.
    """

    images: int
    max_difference: float
    top1_agreement: float
    accuracy: float
    network_accuracy: float
    latency_ms: float
    bytes: int


def verify(
    kind: str, path: Path, images: np.ndarray, labels: np.ndarray, expected: np.ndarray, arithmetic: str = "float32"
) -> Verified:
    """Loads an exported model in a clean process and compares.

    Args:
        kind: saved_model, keras, tflite or onnx.
        path: file or folder.
        images: uint8 [images, height, width, channels].
        labels: int [images].
        expected: the network's probabilities [images, classes].
        arithmetic: float32, float16 or int8.

    Raises:
        RunError: it cannot be loaded there, or computes something else.
    """
    probabilities, seconds = _run_elsewhere(kind, path, images)
    difference = float(np.max(np.abs(probabilities - expected)))
    best, wanted = probabilities.argmax(axis=-1), expected.argmax(axis=-1)
    verified = Verified(
        images=len(images),
        max_difference=difference,
        top1_agreement=float(np.mean(best == wanted)),
        accuracy=float(np.mean(best == labels)),
        network_accuracy=float(np.mean(wanted == labels)),
        latency_ms=1000 * seconds,
        bytes=_size(path),
    )
    if arithmetic == "float32" and not difference <= TOLERANCE:
        raise RunError(
            f"{path} differs from the network by {difference:.1e} on {len(images)} images; expected at most"
            f" {TOLERANCE:.0e}; it is left there to be looked at, and is not to be used"
        )
    if not verified.top1_agreement >= _AGREEMENT.get(arithmetic, 0.0):
        raise RunError(
            f"{path} gives another class than the network for {1 - verified.top1_agreement:.1%} of {len(images)}"
            f" images; expected at most {1 - _AGREEMENT[arithmetic]:.0%} for {arithmetic}"
        )
    return verified


def _run_elsewhere(kind: str, path: Path, images: np.ndarray) -> tuple[np.ndarray, float]:
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
            return out["probabilities"], float(out["seconds"])


def _size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
