"""Plans as JSON: layers of known kinds with checked fields, so that a stranger's file can hold nothing else."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.networks import layers
from rl_nas.networks.layer import Layer
from rl_nas.networks.plan import MAX_LAYERS, Plan, Tensor

KINDS: dict[str, type[Layer]] = {
    name: kind for name in layers.__all__ if isinstance(kind := getattr(layers, name), type) and issubclass(kind, Layer)
}
"""Kinds of layers by name."""

_FIELDS: dict[str, dict[str, Any]] = {
    name: {field.name: typing.get_type_hints(kind)[field.name] for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name, kind in KINDS.items()
}
"""Fields with their types, by kind."""

_LARGEST_NUMBER, _MOST_VALUES = 2**24, 2**32
"""Of a field; of the outputs of a plan's layers for one image: reading a stranger's plan must end."""


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """JSON values that `plan_from_json` reads.

    A layer reads tensors by number: its place in the list, or -1, -2, ... for the inputs.
    """
    numbers = {tensor.node: tensor.node for tensor in plan.inputs.values()}
    numbers |= {node.output.node: place for place, node in enumerate(plan.nodes)}
    return {
        "inputs": {name: list(tensor.shape) for name, tensor in plan.inputs.items()},
        "layers": [
            {
                "name": node.name,
                "kind": type(node.layer).__name__,
                "fields": _fields(node.layer),
                "reads": [numbers[tensor.node] for tensor in node.inputs],
                "weights_of": node.weights_of,
            }
            for node in plan.nodes
        ],
        "outputs": {name: numbers[tensor.node] for name, tensor in plan.outputs.items()},
    }


def plan_from_json(document: Mapping[str, Any]) -> Plan:
    """The plan that `plan_to_json` wrote; only what its layers compute matters, not their keys.

    Raises:
        UsageError: it is broken, or too large; the message is the reason alone.
    """
    try:
        return _plan(document)
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, StopIteration) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"it describes no network ({type(error).__name__}: {error})") from error


def _plan(document: Mapping[str, Any]) -> Plan:
    plan = Plan({name: _shape(shape) for name, shape in document["inputs"].items()})
    tensors: dict[int, Tensor] = {tensor.node: tensor for tensor in plan.inputs.values()}
    named: dict[str, Tensor] = {}
    if len(document["layers"]) > MAX_LAYERS:
        raise UsageError(f"it has {len(document['layers']):,} layers; expected at most {MAX_LAYERS:,}")
    values = 0
    for place, one in enumerate(document["layers"]):
        name, owner = one["name"], one["weights_of"]
        if not isinstance(name, str) or name in named:
            raise UsageError(f"it has two layers {name!r:.60}")
        inputs = (tensors[number] for number in one["reads"])
        output = plan.add(
            _layer(one["kind"], one["fields"]), *inputs, name=name, weights_of=None if owner is None else named[owner]
        )
        tensors[place] = named[name] = output
        values += math.prod(_shape(output.shape))
        if values > _MOST_VALUES:
            raise UsageError(f"its layers have more than {_MOST_VALUES} values for one image")
    plan.outputs = {name: tensors[number] for name, number in document["outputs"].items()}
    return plan


def _layer(kind: str, fields: Mapping[str, Any]) -> Layer:
    if kind not in KINDS:
        raise UsageError(f"it has a layer of the unknown kind {kind!r:.60}")
    wrong = [name for name, value in fields.items() if not _fits(value, _FIELDS[kind][name])]
    if wrong:
        raise UsageError(f"a layer {kind} has {wrong[0]}={fields[wrong[0]]!r:.60}")
    return KINDS[kind](**{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()})


def _fields(layer: Layer) -> dict[str, Any]:
    values = {name: getattr(layer, name) for name in _FIELDS[type(layer).__name__]}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value is one of a field of this type."""
    of, arguments = typing.get_origin(hint), typing.get_args(hint)
    if of is typing.Literal:
        return value in arguments
    if of in (types.UnionType, typing.Union):
        return any(_fits(value, one) for one in arguments)
    if of is tuple:
        return isinstance(value, list) and len(value) == len(arguments) and all(map(_fits, value, arguments))
    if hint is types.NoneType or hint is bool:
        return value is None if hint is types.NoneType else isinstance(value, bool)
    number = isinstance(value, int if hint is int else int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and abs(value) <= _LARGEST_NUMBER


def _shape(shape: Any) -> tuple[int, int, int]:
    height, width, channels = shape
    if not all(isinstance(side, int) and 0 < side <= _LARGEST_NUMBER for side in (height, width, channels)):
        raise UsageError(f"it has a tensor of shape {shape!r:.60}")
    return height, width, channels
