"""Trained networks as data: written beside their exports, and rebuilt by our own code for `rl_nas predict`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from rl_nas.child.data.normalization import Normalization
from rl_nas.child.export.serving import NETWORK, Serving
from rl_nas.child.network.keras_file import model_of_config
from rl_nas.child.network.keras_model import build_model
from rl_nas.errors import UsageError, first_line
from rl_nas.networks.plan import Plan
from rl_nas.networks.plan_json import plan_from_json, plan_to_json
from rl_nas.regular_files import MIB
from rl_nas.store.network_folder import MOST_WEIGHTS, NetworkFolder
from rl_nas.tasks.task import Problem, Task
from rl_nas.workflows.trust import FILES

_LONGEST_NUMBER, _FOR_OTHERS = 8, 64 * MIB
"""Bytes of a weight, and of names and facts beside the weights, at most."""
_FACTS = "$facts/"
"""Before the names of arrays that are no weights but facts of the task, such as anchors."""


def write_network(
    folder: NetworkFolder,
    serving: Serving,
    problem: Problem,
    plan: Plan | None,
    extras: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Writes a trained network.

    Args:
        folder: of the network.
        serving: the network.
        problem: that it was trained for.
        plan: of the network at inference; None: a part of it is no planned one, and Keras describes it.
        extras: text files for its users beside those of the network, content by name.

    Raises:
        StorageError: the folder cannot be written.
    """
    flags = {name: value for group in problem.settings for name, value in group.flags().items() if name not in FILES}
    document = {
        "task": serving.task,
        "classes": list(serving.class_names),
        "settings": flags,
        **serving.normalization._asdict(),
        "middle": serving.middle,
        "extras": {**serving.extras, **extras},
        "plan": None if plan is None else plan_to_json(plan),
        "keras": json.loads(serving.network.to_json()) if plan is None else None,
    }
    weights = {variable.path: np.asarray(variable) for variable in serving.network.weights}
    facts = {f"{_FACTS}{name}": np.asarray(fact) for name, fact in problem.facts.items() if fact is not None}
    folder.write(document, {**weights, **facts})


def plan_of(folder: NetworkFolder) -> Plan | None:
    """The plan of a network; None if there is no network, or Keras describes it.

    Raises:
        UsageError: it is broken.
    """
    document = folder.read() if folder.exists() else {"plan": None}
    return None if document["plan"] is None else plan_from_json(document["plan"])


def read_network(folder: NetworkFolder, document: Mapping[str, Any], task: Task) -> Serving:
    """Rebuilds a network.

    Args:
        folder: of the network.
        document: of `folder.read`.
        task: of the network.

    Raises:
        UsageError: the files are broken, do not belong together, or describe no network of the task.
    """
    arrays = folder.read_arrays(document, _most_bytes(folder, document))
    facts = {name.removeprefix(_FACTS): value for name, value in arrays.items() if name.startswith(_FACTS)}
    try:
        network = _model(document, sum(array.nbytes for array in arrays.values()))
        _assign(network, arrays)
        problem = replace(task.problem(document["classes"], document["settings"]), facts=facts)
        normalization = Normalization(tuple(document["mean"]), tuple(document["deviation"]))
        if {len(values) for values in normalization} != {network.input_shape[-1]}:
            raise UsageError(f"its normalization is not for images of {network.input_shape[-1]} channels")
        serving = task.serving(problem, network, normalization, middle=document["middle"])
        serving.check()
    except UsageError as error:
        raise UsageError(f"{folder.path}: {error}") from error
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError) as error:
        raise UsageError(
            f"{folder.path} holds no network for --task={task.name} ({type(error).__name__}: {first_line(error)})"
        ) from error
    return serving


def _most_bytes(folder: NetworkFolder, document: Mapping[str, Any]) -> int:
    """Bytes that the file of weights may have: it is read whole, and hashed, before its arrays are compared."""
    if document["plan"] is None:
        return MOST_WEIGHTS
    try:
        cost = plan_from_json(document["plan"]).cost()
    except UsageError as error:
        raise UsageError(f"{folder.path}: {error}") from error
    return min(MOST_WEIGHTS, _LONGEST_NUMBER * (cost.trainable + cost.other) + _FOR_OTHERS)


def _model(document: Mapping[str, Any], size: int) -> keras.Model:
    """The network, whose weights have a number of bytes in all."""
    if document["plan"] is None:
        return model_of_config(document["keras"] or {}, size)
    plan = plan_from_json(document["plan"])
    cost = plan.cost()
    if cost.trainable + cost.other > size:  # which are there before their values: a number has four bytes
        raise UsageError(f"its plan has {cost.trainable + cost.other:,} parameters, but its weights {size:,} bytes")
    return build_model(plan, name=NETWORK)


def _assign(network: keras.Model, arrays: Mapping[str, np.ndarray]) -> None:
    for variable in network.weights:
        value = arrays.get(variable.path)
        if value is None or value.shape != tuple(variable.shape):
            met = "nothing" if value is None else value.shape
            raise UsageError(f"its weights have {met} for {variable.path}; expected {tuple(variable.shape)}")
        variable.assign(value)
