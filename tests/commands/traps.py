"""Files of a stranger: each would create `executed` in the working folder if something in it were executed."""

import json
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf

EXECUTED = "executed"
MODULE = "evil"
OPERATION = f"{MODULE}:operation"
TRIALS = "trials.sqlite"


class Payload:
    """Executed when it is unpickled."""

    def __reduce__(self) -> Any:
        return Path.touch, (Path(EXECUTED),)


class Graph(tf.Module):
    """A SavedModel that writes a file when it is called."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 1], tf.uint8, name="images")])
    def serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.io.write_file(EXECUTED, "")]):
            return {"probabilities": tf.ones([tf.shape(images)[0], 2]) / 2}


def write_saved_model(folder: Path) -> Path:
    tf.saved_model.save(module := Graph(), str(folder), signatures={"serving_default": module.serve})
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra/labels.txt").write_text("a\nb\n")
    return folder


def write_module(folder: Path) -> None:
    (folder / f"{MODULE}.py").write_text(
        f"import pathlib\n\npathlib.Path({EXECUTED!r}).touch()\nx = operation = None\n"
    )


def objects() -> np.ndarray:
    """An array that NumPy would unpickle."""
    return np.array([Payload()], dtype=object)


def layer(kind: str, module: str = "keras.layers", **config: Any) -> dict[str, Any]:
    """The config of a sequential model with one layer."""
    one = {"module": module, "class_name": kind, "config": {"name": "x", **config}, "registered_name": None}
    start = keras.saving.serialize_keras_object(keras.layers.InputLayer((32, 32, 3), name="image"))
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "network", "layers": [start, one]},
        "registered_name": None,
    }


def keras_file(path: Path, config: Any, members: dict[str, bytes] | None = None) -> Path:
    """A `.keras` file with this config."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": keras.__version__}))
        archive.writestr("config.json", json.dumps(config))
        for name, content in {"model.weights.h5": b"", **(members or {})}.items():
            archive.writestr(name, content)
    return path


def lambda_config() -> dict[str, Any]:
    """A layer with Python code, as Keras writes it outside of safe mode."""
    made = keras.layers.Lambda(lambda x: __import__("pathlib").Path("executed").touch() or x, output_shape=(32, 32, 3))
    return layer("Lambda", **keras.saving.serialize_keras_object(made)["config"])


def keras_files(folder: Path, saved_model: Path) -> dict[str, Path]:
    """Hostile Keras files by what they do."""
    relu = layer("ReLU")
    files = {
        "a layer with code": keras_file(folder / "lambda.keras", lambda_config()),
        "a layer with a graph": keras_file(folder / "tfsm.keras", layer("TFSMLayer", filepath=str(saved_model))),
        "a class of a module": keras_file(folder / "module.keras", layer("x", MODULE)),
        "a function of Keras": keras_file(
            folder / "get_file.keras", layer("get_file", "keras.utils", origin=f"file://{saved_model}")
        ),
        "a registered name": keras_file(folder / "registered.keras", {**relu, "registered_name": f"{MODULE}>x"}),
        "a vocabulary in a file": keras_file(folder / "words.keras", layer("StringLookup", vocabulary="/etc/passwd")),
        "a path outside": keras_file(folder / "slip.keras", relu, {"../executed": b""}),
        "an absolute path": keras_file(folder / "absolute.keras", relu, {"/tmp/executed": b""}),
        "deep nesting": keras_file(folder / "deep.keras", None, {}),
        "a pickle": folder / "pickle.keras",
        "HDF5": folder / "old.keras",
        "weights elsewhere": folder / "link.keras",
        "a bomb": folder / "bomb.keras",
    }
    with zipfile.ZipFile(files["deep nesting"], "w") as archive:
        archive.writestr("config.json", "[" * 100_000)
    files["a pickle"].write_bytes(pickle.dumps(Payload()))
    with h5py.File(files["HDF5"], "w") as file:
        file.attrs["model_config"] = json.dumps(lambda_config())
    with h5py.File(folder / "link.h5", "w") as file:
        file["layers"] = h5py.ExternalLink("/etc/other.h5", "/layers")
    dense = layer("Dense", units=2)
    keras_file(files["weights elsewhere"], dense, {"model.weights.h5": (folder / "link.h5").read_bytes()})
    with (
        zipfile.ZipFile(files["a bomb"], "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("config.json", "w") as member,
    ):
        for _ in range(2**8 + 1):
            member.write(bytes(2**20))
    return files


def genotype(operation: str = OPERATION) -> str:
    cell = {"blocks": [{"inputs": [0, 1], "ops": [operation, "identity"], "combine": "add"}], "concat": [2]}
    return json.dumps({"schema": 1, "kind": "cells", "cells": {"normal": cell, "reduction": cell}})


def write_run(folder: Path, saved_model: Path, keras_model: Path, **flags: Any) -> Path:
    """A folder that has everything that any verb reads of a run."""
    for name in ("best", "children", "network", "shared", "states", "images", "checkpoints", "full"):
        (folder / name).mkdir(parents=True)
    recorded = {"dataset": "digits", "trials": 3, **flags}
    (folder / "config.json").write_text(json.dumps({"flags": recorded, "signature": "0" * 64}))
    (folder / "flags.cfg").write_text("".join(f"--{name}={value}\n" for name, value in recorded.items()))
    for place in (folder / "genotype.json", folder / "best/genotype.json"):
        place.write_text(genotype())
    (folder / "model.keras").write_bytes(keras_model.read_bytes())
    shutil.copytree(saved_model, folder / "best/saved_model")
    for name in ("children/0.weights.npz", "network/weights.npz", "shared/state.npz"):
        np.savez(folder / name, x=objects(), allow_pickle=True)
    np.save(folder / "images/train_images.npy", objects(), allow_pickle=True)
    for name in ("checkpoints/checkpoint", TRIALS, f"full/{TRIALS}"):  # that of a proxy is in `full`
        (folder / name).write_bytes(pickle.dumps(Payload()))
    write_module(folder)
    return folder
