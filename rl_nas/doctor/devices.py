"""The devices that TensorFlow computes on, tried in a process of their own: a broken driver may end it.

    python -m rl_nas.doctor.devices

prints what it found as JSON.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

from rl_nas.doctor.finding import Finding, State
from rl_nas.execution import python_process
from rl_nas.workflows.devices import NO_GPU, is_overlooked

_MODULE = "rl_nas.doctor.devices"
_SIDE = 1024
"""Of the matrices that are multiplied."""
_TIMES = 5
_NEAR = 1e-2
"""Largest difference of products from NumPy's, of their deviation: GPUs multiply with 10 bits."""
_PATIENCE = 300.0


def devices() -> Iterator[Finding]:
    """A finding for each device, and one for a GPU that is not seen."""
    try:
        done = subprocess.run(
            python_process.command(_MODULE),
            env=python_process.environment(),
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        text = f"TensorFlow does not answer within {_PATIENCE:.0f} s; try `nvidia-smi`, restart the machine"
        yield Finding(State.PROBLEM, "devices", text)
        return
    try:
        found: list[dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        yield Finding(State.PROBLEM, "devices", f"TensorFlow cannot be used: {last}; reinstall tensorflow")
        return
    yield from map(_finding, found)
    if is_overlooked() and not any(one["kind"] == "GPU" for one in found):
        yield Finding(State.WARNING, "devices", NO_GPU)


def _finding(found: dict[str, Any]) -> Finding:
    name = f"{found['name']} ({found['model']})" if found["model"] else found["name"]
    if found["problem"]:
        return Finding(State.PROBLEM, "device", f"{name}: {found['problem']}; see `rl_nas doctor --debug`", found)
    text = f"{name}: a product of {_SIDE}x{_SIDE} matrices is right, {found['gflops']:,.0f} GFLOP/s"
    return Finding(State.OK, "device", text, found)


def main() -> None:
    """Prints the devices and what they did as JSON."""
    from rl_nas.workflows.tensorflow_setup import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    print(json.dumps([_tried(device) for device in tf.config.list_logical_devices()]))


def _tried(device: Any) -> dict[str, Any]:
    """Multiplies matrices on a device, and compares the product with NumPy's."""
    import numpy as np
    import tensorflow as tf

    found: dict[str, Any] = {"name": device.name.removeprefix("/device:"), "kind": device.device_type, "model": None}
    found |= {"problem": None, "gflops": None}
    rng = np.random.default_rng(0)
    one, two = (rng.standard_normal((_SIDE, _SIDE), np.float32) for _ in range(2))
    try:
        with tf.device(device.name):
            left, right = tf.constant(one), tf.constant(two)
            product = (left @ right).numpy()
            began = time.monotonic()
            for _ in range(_TIMES):
                left = (left @ right) / _SIDE
            left.numpy()  # waits for it
            seconds = time.monotonic() - began
    except tf.errors.OpError as error:
        return {**found, "problem": f"cannot multiply matrices: {str(error.message).splitlines()[0]}"}
    difference = float(np.abs(product - one @ two).max() / np.sqrt(_SIDE))
    if not difference < _NEAR:
        return {**found, "problem": f"a product of matrices is wrong, by {difference:.3g} of its deviation"}
    for physical in tf.config.list_physical_devices(device.device_type):
        details = tf.config.experimental.get_device_details(physical) if device.device_type == "GPU" else {}
        if physical.name.rpartition(":")[2] == device.name.rpartition(":")[2]:
            found["model"] = details.get("device_name")
    return {**found, "gflops": _TIMES * 2 * _SIDE**3 / seconds / 1e9}


if __name__ == "__main__":
    main()
