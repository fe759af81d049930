"""Contracts: genotypes of all families come back from JSON; backbones read or refuse every setting, and are planned."""

import json
import re
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import pytest
from matplotlib.figure import Figure

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import BACKBONES, FAMILIES, PRESETS, family_of
from rl_nas.networks.families.family import Diagram
from rl_nas.networks.genotypes import from_json, to_json
from rl_nas.networks.network import plan_network
from rl_nas.networks.settings import NetworkSettings
from rl_nas.networks.skeleton import Skeleton
from rl_nas.report.cell_picture import cells_figure
from rl_nas.report.graph_picture import graph_figure
from rl_nas.spaces.catalog import SPACES, find_space
from rl_nas.spaces.decisions import Genotype
from rl_nas.spaces.published import PUBLISHED
from rl_nas.spaces.settings import SpaceSettings
from rl_nas.tasks.classification.head import ClassificationHead

HEAD, SHAPE = ClassificationHead(10), (32, 48, 3)
OFF = {"dropout": 0.0, "drop_path": 1.0, "auxiliary": False, "output_conv": False, "zero_padded_pools": False}
ON: dict[str, Any] = {
    "cells": 1,
    "filters": 4,
    "reductions": 1,
    "stem_multiplier": 2.0,
    "output_conv": True,
    "skip_reduction_input": True,
    "dropout": 0.3,
    "drop_path": 0.7,
    "auxiliary": True,
    "zero_padded_pools": True,
    "bn_momentum": 0.5,
    "bn_epsilon": 0.01,
}


def genotype_of(kind: str, seed: int = 0) -> Genotype:
    """A random genotype of a family; a published one if it has no space."""
    for name in SPACES:
        space = find_space(SpaceSettings(space=name, layers=5, blocks=3))
        genotype: Genotype = space.decode(space.sample(np.random.default_rng(seed)))
        if kind == genotype.KIND:
            return genotype
    return next(genotype for genotype in PUBLISHED.values() if kind == genotype.KIND)


@pytest.fixture(params=BACKBONES)
def backbone(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("seed", range(5))
def test_a_genotype_comes_back_from_json_and_is_drawn_and_told(kind: str, seed: int) -> None:
    genotype = genotype_of(kind, seed)
    family = family_of(genotype)
    assert family is FAMILIES[kind]
    assert isinstance(genotype, family.genotype)
    document = json.loads(json.dumps(to_json(genotype)))
    assert document["kind"] == kind
    assert from_json(document) == genotype
    if family.to_foreign is not None:
        assert from_json(json.loads(json.dumps(family.to_foreign(genotype)))) == genotype
    assert family.text(genotype).strip()
    drawing = family.drawing(genotype)
    figure = graph_figure(drawing) if isinstance(drawing, Diagram) else cells_figure(drawing)
    assert isinstance(figure, Figure)


@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in BACKBONES])
def test_a_part_alone_is_no_network(kind: str) -> None:
    met = f"a genotype of kind '{kind}' describes a {FAMILIES[kind].part}; expected a backbone, of kind cells, "
    with pytest.raises(UsageError, match=met):
        plan_network(genotype_of(kind), NetworkSettings(), SHAPE, HEAD)


def test_features_have_the_stride_that_they_say(backbone: str) -> None:
    plan = plan_network(genotype_of(backbone), NetworkSettings(), SHAPE, HEAD)
    assert {name: tensor.shape for name, tensor in plan.outputs.items()} == {"logits": (1, 1, 10)}
    assert plan.inputs["image"].shape == SHAPE


def test_each_setting_changes_the_network_or_is_refused(backbone: str) -> None:
    """Nothing is dropped silently, and what switches something off is never refused."""
    genotype, reads = genotype_of(backbone), BACKBONES[backbone].reads | HEAD.reads
    before = plan_network(genotype, NetworkSettings(), SHAPE, HEAD, 10)
    for name, value in ON.items():
        settings = NetworkSettings(**{name: value})
        if name in reads:
            try:
                after = plan_network(genotype, settings, SHAPE, HEAD, 10)
            except UsageError as error:  # a chain need not have a reduction
                assert f"--no{name}" in str(error)  # noqa: PT017
            else:
                assert after.nodes != before.nodes, name
        else:
            refused = f"--{name}={value} has no effect on a network of {backbone}; leave it out"
            with pytest.raises(UsageError, match=re.escape(refused)):
                plan_network(genotype, settings, SHAPE, HEAD, 10)
    for name, value in OFF.items():
        plan_network(genotype, NetworkSettings(**{name: value}), SHAPE, HEAD, 10)


def test_all_settings_are_looked_at() -> None:
    known = {field.name for field in fields(NetworkSettings)}
    assert known - {"network", "size", "target_params", "target_madds"} == ON.keys()


def test_presets_belong_to_one_family(backbone: str) -> None:
    genotype = genotype_of(backbone)
    for name, preset in PRESETS.items():
        assert isinstance(preset, Skeleton)
        fits = name in BACKBONES[backbone].presets
        if not fits:
            with pytest.raises(UsageError, match=f"--network={name} is not for genotypes of kind {backbone}"):
                plan_network(genotype, NetworkSettings(network=name), SHAPE, HEAD)
    assert sum(map(len, (family.presets for family in BACKBONES.values()))) == len(PRESETS)


@dataclass(frozen=True)
class Odd:
    KIND: ClassVar[str] = "odd"


def test_an_unknown_kind_is_one_line() -> None:
    message = "a genotype of kind 'odd' has no network; expected one of cells, "
    for use in (family_of, lambda odd: plan_network(odd, NetworkSettings(), SHAPE, HEAD)):
        with pytest.raises(UsageError, match=message):
            use(Odd())  # type: ignore[operator]
    with pytest.raises(UsageError, match="odd"):
        from_json({"schema": 1, "kind": "odd"})
