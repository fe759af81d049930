"""Trainings that start from a trained network: its weights, a new head where the classes differ, frozen layers."""

from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from rl_nas.child.data.normalization import Normalization
from rl_nas.child.export.serving import parts_of
from rl_nas.child.network.flat_weights import FlatModel, size_of
from rl_nas.child.network.keras_applications import copy_nasnet_weights
from rl_nas.child.network.keras_file import load_keras_file
from rl_nas.child.training.settings import InitSettings
from rl_nas.errors import UsageError, first_line
from rl_nas.networks.families.catalog import PRESETS
from rl_nas.networks.features import ClassifyingHead, Head
from rl_nas.networks.layers import BatchNorm
from rl_nas.networks.plan import Node, Plan
from rl_nas.networks.skeleton import Skeleton

APPLICATIONS = "keras_applications"


class Start(NamedTuple):
    """Result of loading the weights that a training starts from.

    Attributes:
        normalization: of the trained network's images.
        new: names of the layers that keep their initial weights.
    """

    normalization: Normalization
    new: tuple[str, ...]


def start_from(settings: InitSettings, model: keras.Model, skeleton: Skeleton, head: Head) -> Start:
    """Copies the weights of a trained network to a new one.

    Args:
        settings: which trained network, and what happens to the head.
        model: the new network.
        skeleton: of the new network; says which of keras.applications' fits.
        head: of the new network.

    Raises:
        UsageError: the trained network cannot be read, or is of another genotype or size.
    """
    assert settings.init is not None
    if settings.init == APPLICATIONS:
        return _from_applications(settings, model, skeleton, head)
    path = Path(settings.init)
    file = path / "model.keras" if path.is_dir() else path
    network, normalization = _load(settings.init, file)
    weights = {variable.path: variable.numpy() for variable in network.weights}
    return Start(normalization, _copy(settings, weights, model, head))


def freeze(plan: Plan, what: str, head: Head) -> Plan:
    """Excludes layers from training.

    Args:
        plan: of the network.
        what: `none`; `norm`, batch normalization, which then uses its present averages, without the head's unless that
            says otherwise; `backbone`, all but the head.
        head: of the network.
    """

    def chosen(node: Node) -> bool:
        of_head = node.name.startswith(head.layers)
        norm = isinstance(node.layer, BatchNorm) and (head.freezes_norm or not of_head)
        return (what == "backbone" and not of_head) or (what == "norm" and norm)

    plan.freeze(chosen)
    return plan


def rate_factors(network: FlatModel, backbone_rate: float, head: Head) -> np.ndarray | None:
    """Factors of the learning rate: 1 in the head, another one in all other layers.

    Args:
        network: whose layers that stay are frozen already.
        backbone_rate: the factor outside of the head.
        head: of the network.

    Returns:
        Float [trainable parameters]; None if all are 1.
    """
    if backbone_rate == 1:
        return None
    variables = network.trainable.specs
    factors = [1.0 if v.path.startswith(head.layers) else backbone_rate for v in variables]
    return np.repeat(np.array(factors, np.float32), [size_of(v) for v in variables])


def _copy(settings: InitSettings, weights: dict[str, np.ndarray], model: keras.Model, head: Head) -> tuple[str, ...]:
    """Copies weights of equal path and shape; returns the layers that stay new."""
    new = []
    for layer in model.layers:
        variables = [v for v in layer.weights if v.dtype == "float32"]
        misfits = [v for v in variables if v.path not in weights or weights[v.path].shape != tuple(v.shape)]
        of_head = layer.name.startswith(head.layers)
        known = [v for v in misfits if v.path in weights]
        if of_head and known and settings.init_head == "keep":
            raise _other_head(settings.init, weights[known[0].path].shape, known[0], head)
        if of_head and variables and (misfits or settings.init_head == "new"):
            new.append(layer.name)
            continue
        if misfits:
            met = weights[misfits[0].path].shape if misfits[0].path in weights else "nothing"
            raise UsageError(
                f"--init={settings.init} has {met} for {misfits[0].path}, expected {tuple(misfits[0].shape)}: give the"
                " --genotype, --network, --cells and --filters that it was trained with"
            )
        for variable in variables:
            variable.assign(weights[variable.path])
    return tuple(new)


def _other_head(init: str | None, met: tuple[int, ...], variable: Any, head: Head) -> UsageError:
    """The error of weights of a head that do not fit."""
    wanted = tuple(variable.shape)
    if isinstance(head, ClassifyingHead) and met[:-1] == wanted[:-1]:
        found = f"{met[-1]} classes, the data {wanted[-1]}"
    else:
        found = f"{met} for {variable.path}, the new network {wanted}"
    return UsageError(f"--init={init} has {found}: --init_head=keep needs the same; leave it out for a new head")


def _load(init: str, file: Path) -> tuple[keras.Model, Normalization]:
    if not file.exists():
        raise UsageError(f"--init={init}: no {file}; expected a training's folder, a model.keras or {APPLICATIONS}")
    try:
        return parts_of(load_keras_file(file))
    except UsageError as error:
        raise UsageError(f"--init={init} is not the model.keras of a training: {first_line(error)}") from error


def _from_applications(settings: InitSettings, model: keras.Model, skeleton: Skeleton, head: Head) -> Start:
    """Copies keras.applications' NASNet-A weights, trained on ImageNet with pixels of -1 to 1."""
    trained, classes = _application(skeleton)
    classifier = head.classifier if isinstance(head, ClassifyingHead) else None
    if classifier is None and settings.init_head == "keep":
        raise UsageError(
            f"--init={APPLICATIONS} has a classifier alone, not this task's head: leave out --init_head=keep"
        )
    kernel = None if classifier is None else model.get_layer(classifier).kernel
    same = kernel is not None and kernel.shape[-1] == classes
    if kernel is not None and not same and settings.init_head == "keep":
        raise _other_head(APPLICATIONS, (*kernel.shape[:-1], classes), kernel, head)
    copied = classifier if same and settings.init_head != "new" else None
    new = copy_nasnet_weights(trained, model, cells=skeleton.cells, classifier=copied)
    return Start(Normalization.unit(3), new)


def _application(skeleton: Skeleton) -> tuple[keras.Model, int]:
    """The network of keras.applications that has the size of a skeleton, and its number of classes."""
    sizes: dict[str, Any] = {"imagenet_mobile": "NASNetMobile", "imagenet_large": "NASNetLarge"}
    fitting = [
        name
        for name in sizes
        if (PRESETS[name].cells, PRESETS[name].filters) == (skeleton.cells, skeleton.filters)
        and skeleton.stem == "imagenet"
    ]
    if not fitting or not skeleton.zero_padded_pools:
        raise UsageError(
            f"--init={APPLICATIONS} has NASNet-A in two sizes: give --genotype=NASNet-A --zero_padded_pools and"
            " --network=imagenet_mobile or imagenet_large"
        )
    preset = PRESETS[fitting[0]]
    make = getattr(keras.applications, sizes[fitting[0]])
    try:
        trained = make(weights="imagenet", input_shape=(preset.image_size, preset.image_size, 3))
    except Exception as error:  # whatever the download raises
        raise UsageError(f"--init={APPLICATIONS}: cannot get the weights of {make.__name__} ({error})") from error
    return trained, preset.classes
