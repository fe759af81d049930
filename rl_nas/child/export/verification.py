"""Compares exported models with the network, in a process that cannot import rl_nas."""

import os
import signal
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
            *(sys.executable, "-P", *(["-s"] if sys.flags.no_user_site else []), reload.__file__),
            *(kind, str(path.absolute()), f"{scratch}/images.npy", f"{scratch}/out.npz", *_places()),
        ]
        left_out = ("PYTHONPATH", "PYTHONSTARTUP", "PYTHONINSPECT")
        kept = {name: value for name, value in os.environ.items() if name not in left_out}
        quiet = {**kept, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd=scratch,
            env=quiet,
        )
        if done.returncode:
            raise RunError(_blamed(path, done.returncode, done.stderr))
        with np.load(f"{scratch}/out.npz") as out:
            arrays = {name: out[name] for name in out.files}
            return arrays, float(arrays.pop("$seconds"))


def _places() -> list[str]:
    """Where this process imports from, without its working folder."""
    return [place for place in map(os.path.abspath, filter(None, sys.path)) if place != os.getcwd()]


def _blamed(path: Path, code: int, printed: str) -> str:
    """What a process that failed says of the model, or of itself."""
    last = (printed.strip().splitlines() or [f"exit code {code}"])[-1]
    if code < 0:
        return (
            f"{path} cannot be compared: {signal.strsignal(-code) or -code} ended the process that had loaded it; free"
            " memory if it was killed, and export again"
        )
    if code == reload.NO_PACKAGES:
        return f"{path} cannot be compared: the process that is to load it finds no packages ({last}); rl_nas doctor"
    return f"{path} cannot be used without rl_nas: {last}"


def _size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
