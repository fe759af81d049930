"""Networks of every space: they build, run and learn, and equal canonical forms compute the same."""

import hashlib
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from classifying import BACKBONE_SPACES, logits_model

from rl_nas.child.network.keras_model import build_model
from rl_nas.networks import layers
from rl_nas.networks.network import plan_network
from rl_nas.networks.plan import Plan
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.catalog import find_space
from rl_nas.spaces.chain import ChainGenotype
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.nasbench201 import EdgeCell, nasbench201
from rl_nas.spaces.published import PUBLISHED_CELLS
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.tasks.classification.head import ClassificationHead as Head


def small(genotype: Genotype) -> NetworkSettings:
    """A small network; a chain's layers say all of it."""
    return NetworkSettings() if isinstance(genotype, ChainGenotype) else NetworkSettings(cells=1, filters=8)


def sampled(space: str, seed: int, blocks: int = 3, layers: int = 5) -> Any:
    found = find_space(SpaceSettings(space=space, blocks=blocks, layers=layers, strides=bool(seed % 2)))
    return found.decode(found.sample(np.random.default_rng(seed)))


def madds_of_keras(model: keras.Model) -> int:
    """Multiply-adds from the kernels and output shapes of the Keras layers."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.SeparableConv2D):
            weights = math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape)
        elif isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            weights = math.prod(layer.kernel.shape)
        else:
            continue
        total += weights * math.prod(layer.output.shape[1:-1])
    return total


def dead_edges(cell: EdgeCell) -> set[str]:
    """Edges of a NAS-Bench-201 cell that no image or no gradient passes."""
    edges = [(s, t) for t in (1, 2, 3) for s, _ in cell.entering(t)]
    passing = {(s, t) for t in (1, 2, 3) for s, op in cell.entering(t) if op != "none"}
    fed, read = {0}, {3}
    for _ in range(3):
        fed |= {t for s, t in passing if s in fed}
        read |= {s for s, t in passing if t in read}
    return {f".{s}-{t}." for s, t in edges if (s, t) not in passing or s not in fed or t not in read}


@pytest.mark.slow
@pytest.mark.parametrize("size", [8, 17, 28, 32, 33, 97])
@pytest.mark.parametrize("space", BACKBONE_SPACES)
def test_random_networks_are_as_planned_and_learn(space: str, size: int) -> None:
    seed = size
    genotype = sampled(space, seed)
    dead = dead_edges(genotype) if isinstance(genotype, EdgeCell) else set()
    shape = (size, size, (1, 3, 4)[size % 3])
    plan = plan_network(genotype, small(genotype), shape, Head(10))
    model = logits_model(plan, seed=seed)
    cost = plan.cost()
    assert sum(math.prod(v.shape) for v in model.trainable_variables) == cost.trainable
    assert model.count_params() == cost.trainable + cost.other
    assert madds_of_keras(model) == cost.madds
    images = tf.random.stateless_normal([4, *shape], [0, seed])
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_sum(logits * tf.random.stateless_normal([4, 10], [1, seed]))
    assert np.all(np.isfinite(logits))
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
        if not any(edge in variable.path for edge in dead):
            assert np.any(gradient.numpy() != 0), variable.path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "size"), [("cifar", 33), ("imagenet_mobile", 64), ("imagenet_large", 97), ("imagenet_large", 32)]
)
@pytest.mark.parametrize("space", ["nasnet", "amoebanet", "enas_micro"])
def test_counts_hold_in_every_preset(space: str, network: str, size: int) -> None:
    settings = NetworkSettings(network=network, cells=1 + size % 2, filters=4 + size % 7)
    plan = plan_network(sampled(space, size), settings, (size, size, 3), Head(7))
    model = build_model(plan)
    trainable = sum(math.prod(v.shape) for v in model.trainable_variables)
    counts = plan.cost()
    assert (trainable, model.count_params() - trainable) == (counts.trainable, counts.other)
    assert madds_of_keras(model) == counts.madds


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.long if n.startswith("AmoebaNet") else ()) for n in PUBLISHED_CELLS]
)
def test_published_networks_train_with_all_that_training_needs(name: str, tmp_path: Path) -> None:
    """Auxiliary head, drop path and dropout, saved and loaded without a word about our layers."""
    network = NetworkSettings(network="cifar", cells=1, filters=4, dropout=0.5)
    inference = plan_network(PUBLISHED_CELLS[name], network, (32, 32, 3), Head(10)).cost()
    plan = plan_network(PUBLISHED_CELLS[name], network, (32, 32, 3), Head(10), training_steps=100)
    assert set(plan.outputs) == {"logits", "auxiliary"}
    assert plan.cost().trainable > inference.trainable
    model = build_model(plan, seed=0, l2=1e-3)
    assert model.count_params() == plan.cost().trainable + plan.cost().other
    images = np.random.default_rng(0).normal(size=[2, 32, 32, 3]).astype(np.float32)
    before = model(images, training=True)
    assert {key: value.shape for key, value in before.items()} == {"logits": (2, 10), "auxiliary": (2, 10)}
    kernels = [v for v in model.trainable_variables if "kernel" in v.path]
    expected = sum(1e-3 / 2 * float(tf.reduce_sum(v.value**2)) for v in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)
    model.save(tmp_path / "child.keras")
    loaded = keras.saving.load_model(tmp_path / "child.keras")
    after = model(images, training=False)
    for key, value in loaded(images, training=False).items():
        np.testing.assert_allclose(value, after[key], atol=1e-5)
    assert int(loaded.get_layer("progress").step) == 1


@pytest.mark.slow
@pytest.mark.parametrize("space", BACKBONE_SPACES)
def test_saved_models_of_every_space_compute_the_same(space: str, tmp_path: Path) -> None:
    genotype = sampled(space, 3)
    model = logits_model(plan_network(genotype, small(genotype), (9, 9, 3), Head(10)), seed=0)
    images = np.random.default_rng(0).normal(size=[2, 9, 9, 3]).astype(np.float32)
    model.save(tmp_path / "child.keras")
    loaded = keras.saving.load_model(tmp_path / "child.keras")
    np.testing.assert_allclose(loaded(images), model(images), atol=1e-5)


@pytest.mark.slow
def test_saved_models_are_plain_keras(tmp_path: Path) -> None:
    """A process that has never heard of rl_nas loads them."""
    genotype = sampled("nasbench101", 3)
    build_model(plan_network(genotype, small(genotype), (9, 9, 3), Head(10))).save(tmp_path / "child.keras")
    probe = "import sys, keras; keras.saving.load_model(sys.argv[1]); sys.exit('rl_nas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", probe, tmp_path / "child.keras"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def matched_outputs(plan: Plan, images: np.ndarray) -> np.ndarray:
    """Outputs when every layer's weights are a function of the expression that it computes.

    Sums and concatenations are expressions without an order; so that the order of channels does not
    matter either, weights are equal for all input channels.
    """
    model = logits_model(plan)
    expressions: dict[int, str] = {plan.image.node: "image"}
    for node in plan.nodes:
        inputs = [expressions[tensor.node] for tensor in node.inputs]
        if isinstance(node.layer, layers.Add):
            terms = sorted(t for x in inputs for t in (x[4:].split(" + ") if x.startswith("sum ") else [x]) if t != "0")
            text = "sum " + " + ".join(terms) if len(terms) > 1 else "".join(terms) or "0"
        elif isinstance(node.layer, layers.Zero) or inputs == ["0"]:
            text = "0"
        else:
            joined = sorted(inputs) if isinstance(node.layer, layers.Concat) else inputs
            text = hashlib.md5(f"{node.layer} {joined}".encode()).hexdigest()
        expressions[node.output.node] = text
        for variable in (
            model.get_layer(node.name).weights if node.layer.cost(*(t.shape for t in node.inputs)).trainable else []
        ):
            rng = np.random.default_rng(list(hashlib.md5(f"{text} {variable.path.split('/')[-1]}".encode()).digest()))
            shape = tuple(variable.shape)
            if variable.path.endswith("kernel"):
                outgoing = 1 if "depthwise" in variable.path else shape[-1]
                values = rng.normal(size=(*shape[:-2], 1, outgoing)) / (
                    1 if "depthwise" in variable.path else shape[-2]
                )
                variable.assign(
                    np.broadcast_to(values, shape) if len(shape) > 2 else np.broadcast_to(values[-1:], shape)
                )
            elif variable.path.endswith("gamma"):
                variable.assign(rng.uniform(0.5, 1.5, shape))
    return np.asarray(model(images))


def outputs(genotype: Genotype) -> np.ndarray:
    images = np.random.default_rng(0).normal(size=[3, 9, 9, 3]).astype(np.float32)
    return matched_outputs(plan_network(genotype, small(genotype), (9, 9, 3), Head(10)), images)


@pytest.mark.slow
@pytest.mark.parametrize("space", ["nasnet", "amoebanet", "enas_micro", "nas_rl"])
def test_canonical_forms_compute_the_same(space: str) -> None:
    genotype, other = sampled(space, 1, blocks=5), sampled(space, 2, blocks=5)
    canonical = genotype.canonical()
    assert canonical != genotype
    np.testing.assert_allclose(outputs(canonical), outputs(genotype), rtol=1e-3, atol=1e-4)
    assert not np.allclose(outputs(other), outputs(genotype), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_nasbench201_cells_of_one_key_compute_the_same() -> None:
    space = nasbench201()
    cells: dict[str, list[EdgeCell]] = {}
    rng = np.random.default_rng(0)
    for _ in range(400):
        cell = space.decode(space.sample(rng))
        cells.setdefault(cell.canonical_key(), []).append(cell)
    groups = [group for group in cells.values() if len(set(group)) > 1]
    assert len(groups) > 5
    for group in groups[:5]:
        expected = outputs(group[0])
        for cell in sorted(set(group), key=str)[:3]:
            np.testing.assert_allclose(outputs(cell), expected, rtol=1e-3, atol=1e-4)
