"""Networks that are rebuilt from data predict what their SavedModels do; broken and hostile data are one line."""

import hashlib
import json
import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rl_nas.child.data.normalization import Normalization
from rl_nas.child.export.serving import Serving
from rl_nas.child.export.writers import write_saved_model
from rl_nas.child.network.keras_model import build_model
from rl_nas.errors import UsageError
from rl_nas.networks.plan import Plan
from rl_nas.spaces.nasbench201 import EdgeCell
from rl_nas.store.network_folder import NetworkFolder
from rl_nas.tasks.catalog import TASKS
from rl_nas.tasks.task import Problem
from rl_nas.workflows import network_files
from rl_nas.workflows.config import TrainConfig
from rl_nas.workflows.network_files import plan_of, read_network, write_network
from rl_nas.workflows.networks import make_networks
from rl_nas.workflows.predict import opened, rebuilt
from rl_nas.workflows.predict_source import PredictSource

CELL = EdgeCell.from_string("|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|none~1|skip_connect~2|")
NAMES = ("a", "b", "c")
FLAGS = {"cells": 1, "filters": 4, "reductions": 3, "neck_filters": 4, "tower_filters": 4, "tower_layers": 1}
IMAGES = np.random.default_rng(0).integers(0, 255, (2, 70, 50, 3), np.uint8)


def trained(name: str) -> tuple[Serving, Problem, Plan]:
    """A network of a task with random weights and moving averages."""
    task, flags = TASKS[name], {**TrainConfig().flags(), **FLAGS, "label_map": "names.txt", "max_detections": 7}
    networks, _ = make_networks(task, task.problem(NAMES, flags), CELL, "it", flags, (64, 64, 3))
    plan, problem, rng = networks.plan(CELL), networks.problem, np.random.default_rng(1)
    if name == "detection":
        corners = rng.uniform(0, 40, (plan.outputs["boxes"].shape[1], 2))
        anchors = np.concatenate([corners, corners + rng.uniform(5, 20, corners.shape)], axis=-1)
        problem = replace(problem, facts={"anchors": anchors.astype(np.float32), "absent": None})
    network = build_model(plan, name="network")
    for variable in network.weights:
        variable.assign(np.abs(rng.normal(0.3, 0.3, variable.shape)))
    serving = task.serving(problem, network, Normalization((120.0, 110.0, 100.0), (60.0, 50.0, 70.0)), middle=True)
    return serving, problem, plan


@pytest.fixture(scope="module", params=TASKS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    serving, problem, plan = trained(request.param)
    write_saved_model(serving, folder / "saved_model")
    write_network(NetworkFolder(folder / "network"), serving, problem, plan, {"of_data.txt": "1\n"})
    (folder / "model.keras").touch()
    return folder


@pytest.fixture
def network(tmp_path: Path) -> NetworkFolder:
    """A classifier's folder, to be spoiled."""
    folder = NetworkFolder(tmp_path / "network")
    write_network(folder, *trained("classification"))
    return folder


def test_both_ways_give_the_same(exported: Path) -> None:
    source = PredictSource(str(exported), None, trust=False)
    ours, graph = source.load(), opened(exported / "saved_model")
    assert ours.channels == graph.channels == 3
    expected, found = graph.serve(tf.constant(IMAGES)), ours.serve(tf.constant(IMAGES))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if value.dtype == tf.string:
            assert found[name].numpy().tolist() == value.numpy().tolist()
        else:
            np.testing.assert_allclose(found[name], value, rtol=1e-5, atol=1e-5, err_msg=name)
    assert source.class_names == [*NAMES]
    assert source.extras["of_data.txt"] == "1\n"


@pytest.mark.parametrize("place", [".", "network", "saved_model", "model.keras"])
def test_it_is_found_in_and_beside_an_export(exported: Path, place: str) -> None:
    assert PredictSource(str(exported / place), None, trust=False).task.name == exported.name.rstrip("0123456789")


def test_paths_are_not_recorded(exported: Path) -> None:
    assert "names.txt" not in (exported / "network/network.json").read_text()


def test_a_part_that_keras_describes(tmp_path: Path) -> None:
    """As a backbone from elsewhere is."""
    serving, problem, _ = trained("classification")
    folder = NetworkFolder(tmp_path)
    write_network(folder, serving, problem, None)
    assert plan_of(folder) is None
    again = read_network(folder, folder.read(), TASKS["classification"])
    pixels = tf.constant(IMAGES)
    np.testing.assert_allclose(again.serve(pixels)["probabilities"], serving.serve(pixels)["probabilities"], atol=1e-6)


def spoiled(folder: NetworkFolder, **values: Any) -> None:
    path = folder.path / "network.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refused(folder: NetworkFolder) -> str:
    with pytest.raises(UsageError) as raised:
        rebuilt(folder, folder.read(), TASKS["classification"])
    assert "\n" not in str(raised.value)
    return str(raised.value)


def layer(kind: str, **config: Any) -> dict[str, Any]:
    """The config of a sequential model with one layer."""
    one = {"module": "keras.layers", "class_name": kind, "config": {"name": "x", **config}, "registered_name": None}
    start = keras.saving.serialize_keras_object(keras.layers.InputLayer((4, 4, 3), name="image"))
    layers = {"name": "network", "layers": [start, one]}
    return {"module": "keras", "class_name": "Sequential", "config": layers, "registered_name": None}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"schema": 2}, "has schema 2; expected 1"),
        ({"task": 3}, "'task' is 3, not text"),
        ({"mean": []}, "its normalization is not for images of 3 channels"),
        ({"mean": ["x"]}, "'mean'[0] is"),
        ({"classes": ["a"]}, "the model has 3 classes"),
        ({"plan": {"inputs": {}, "layers": [], "outputs": {}}}, "it describes no network"),
        ({"plan": None}, "expected a model of stock layers"),
        ({"plan": None, "keras": layer("Lambda", function="x")}, "it names keras.layers.Lambda; expected stock layers"),
        ({"plan": None, "keras": layer("TFSMLayer", filepath="x")}, "it names keras.layers.TFSMLayer;"),
        ({"plan": None, "keras": {"module": "os", "class_name": "system", "config": {}}}, "it names os.system;"),
        ({"plan": None, "keras": {"module": "keras.utils", "class_name": "get_file", "config": {}}}, "stock layers"),
        ({"plan": None, "keras": layer("Dense", units=40_000_000)}, "what it holds has 640,000,000 bytes; expected at"),
        ({"plan": None, "keras": layer("ReLU")}, "holds no network for --task=classification"),
        ({"weights": "0"}, "weights.npz is damaged, or belongs to another network.json"),
    ],
)
def test_a_broken_description_is_one_line(network: NetworkFolder, values: dict[str, Any], message: str) -> None:
    spoiled(network, **values)
    assert message in refused(network)


def test_a_plan_of_more_than_the_weights(network: NetworkFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_files, "build_model", pytest.fail)
    document = network.read()
    network.write({n: v for n, v in document.items() if n not in ("schema", "weights")}, {"x": np.zeros(10, np.int8)})
    assert "parameters, but its weights 10 bytes" in refused(network)


def test_weights_that_are_larger_than_their_plan_are_not_read(
    network: NetworkFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file with holes has any size; it would be read whole, and hashed."""
    os.truncate(network.path / "weights.npz", 2**34)
    monkeypatch.setattr(Path, "read_bytes", pytest.fail)
    assert "weights.npz cannot be read: has 17,179,869,184 bytes; expected at most 67," in refused(network)


class Payload:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("executed"),)


def test_broken_weights_are_one_line(network: NetworkFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects, which NumPy would unpickle, among them; a file of a few bytes that would fill the memory too."""
    monkeypatch.chdir(tmp_path)
    weights = network.path / "weights.npz"
    good = dict(np.load(weights))

    def written(**arrays: Any) -> str:
        document = network.read()
        network.write({name: value for name, value in document.items() if name not in ("schema", "weights")}, arrays)
        return refused(network)

    name = next(iter(good))
    assert f"have nothing for {name}" in written(**{one: good[one] for one in good if one != name})
    assert f"(1, 2) for {name}" in written(**good | {name: np.zeros((1, 2))})
    assert f"cannot be read: array {name} has Python objects" in written(**good | {name: np.array([Payload()])})
    weights.write_bytes(pickle.dumps(Payload()))
    assert "belongs to another" in refused(network)
    np.savez_compressed(weights, **{name: np.zeros(10**6)})
    network_digest(network)
    assert "without compression" in refused(network)
    with zipfile.ZipFile(weights, "w") as archive:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**3)}
        with archive.open(f"{name}.npy", "w") as file:
            np.lib.format.write_array_header_1_0(file, header)
    network_digest(network)
    assert "cannot be read" in refused(network)
    weights.unlink()
    assert "cannot be read" in refused(network)
    os.mkfifo(weights)
    assert "is a pipe or a device" in refused(network)
    weights.unlink()
    weights.symlink_to("/dev/zero")
    assert "is a pipe or a device" in refused(network)
    assert not Path("executed").exists()


def network_digest(folder: NetworkFolder) -> None:
    """Makes the description that of the present weights."""
    spoiled(folder, weights=hashlib.sha256((folder.path / "weights.npz").read_bytes()).hexdigest())


def test_a_saved_model_alone_needs_trust(exported: Path, tmp_path: Path) -> None:
    (tmp_path / "saved_model").symlink_to(exported / "saved_model")
    with pytest.raises(UsageError, match=r"holds a SavedModel alone, whose graph may do anything .*; give --trust"):
        PredictSource(str(tmp_path), None, trust=False)
    assert PredictSource(str(tmp_path), None, trust=True).load().channels == 3
    with pytest.raises(UsageError, match="is neither a file nor a folder"):
        PredictSource(str(tmp_path / "nowhere"), None, trust=True)
