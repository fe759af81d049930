"""benchmarks/gpu.py: each way in its process, and the network in PyTorch, where that is installed."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.network.planned_model import PlannedModel
from rl_nas.exit_codes import DONE
from rl_nas.networks.plan import Node

FOLDER = Path(__file__).parents[2] / "benchmarks"
TINY = ("--cells=1", "--filters=4", "--pixels=16", "--batch_size=4")


@pytest.fixture(autouse=True)
def _place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)


@pytest.mark.long
def test_ways_begin_with_the_losses_of_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module("gpu")
    assert module.main([*TINY, "--ways=direct,keras,direct+bfloat16", "--seconds=500", "--json"]) == DONE
    rows = {row["way"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["direct"]["graph operations"] < rows["keras"]["graph operations"] / 3
    assert all(float(rows[way]["loss, against CPU"]) < 1e-4 for way in ("direct", "keras"))
    assert float(rows["direct+bfloat16"]["loss, against CPU"]) < 0.05


def test_a_way_that_runs_out_of_time_or_fails_costs_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    """TensorFlow is not even imported within a second."""
    module = importlib.import_module("gpu")
    assert module.main([*TINY, "--ways=direct,keras", "--seconds=1", "--nocompare"]) == DONE
    assert capsys.readouterr().out.splitlines()[2:] == [
        f"| {way} | not within 1 s | - | - | - | - | - |" for way in ("direct", "keras")
    ]


@pytest.mark.long
def test_tensorflow_knows_the_flags_of_xla(tmp_path: Path) -> None:
    """It ends a process with a flag that it does not know."""
    options = importlib.import_module("xla_options")
    program = "import sys, pathlib, xla_options; xla_options.set_xla_options(sys.argv[2:], pathlib.Path(sys.argv[1]));"
    program += "import tensorflow as tf; print(float(tf.function(lambda: tf.zeros([]) + 1, jit_compile=True)()))"
    words = [sys.executable, "-c", program, str(tmp_path), *options.XLA_OPTIONS]
    environment = {**os.environ, "PYTHONPATH": str(FOLDER)}
    assert subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout == "1.0\n"
    unknown = {**environment, "XLA_FLAGS": "--xla_gpu_no_such_flag=1"}
    assert subprocess.run(words, env=unknown, capture_output=True, check=False).returncode


def test_flags_of_xla_are_added_to_those_that_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    options = importlib.import_module("xla_options")
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=here")
    options.set_xla_options(["direct", "xla"], Path("cache"))
    assert os.environ["XLA_FLAGS"] == "--xla_dump_to=here"
    options.set_xla_options(["direct", "xla", "cached", "untuned"], Path("cache"))
    assert os.environ["XLA_FLAGS"].split() == [
        *("--xla_dump_to=here", "--xla_gpu_autotune_level=0", "--xla_gpu_per_fusion_autotune_cache_dir=cache")
    ]


def copied(node: Node, part: Any, weights: dict[str, np.ndarray]) -> None:
    """Gives the PyTorch form of a layer the weights of ours."""
    import torch

    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    modules = [module for module in part.modules() if isinstance(module, kinds)]
    kernels = [value for path, value in weights.items() if path.startswith(f"{node.name}/") and "kernel" in path]
    with torch.no_grad():
        for module, kernel in zip(modules, kernels, strict=True):
            by_channel = getattr(module, "groups", 1) > 1
            axes = (2, 3, 0, 1) if by_channel else (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
            module.weight.copy_(torch.tensor(kernel.transpose(axes)))
            if module.bias is not None:
                module.bias.copy_(torch.tensor(weights[f"{node.name}/bias"]))


def test_pytorch_computes_the_same_network() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    gpu, twin = (importlib.import_module(name) for name in ("gpu", "torch_plan"))
    settings = gpu.GpuSettings(cells=1, filters=4, pixels=16, batch_size=4)
    plan, (images, _) = gpu.network(settings), gpu.batch_of(settings)
    ours, theirs = PlannedModel(plan, seed=1), twin.torch_network(plan)
    for node, part in zip(plan.nodes, theirs.parts, strict=True):
        copied(node, part, ours.values)
    outputs, _, _ = ours.train_call(ours.trainable.vector.value, tf.constant(images))
    logits = theirs(torch.tensor(images.transpose(0, 3, 1, 2))).detach().numpy()
    np.testing.assert_allclose(logits, np.reshape(outputs["logits"], logits.shape), rtol=1e-3, atol=1e-4)
