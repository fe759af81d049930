"""Counts of planned networks against published ones and against tables."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_nas.errors import UsageError
from rl_nas.networks.network import plan_network, size_notation, solve
from rl_nas.networks.settings import PRESETS, NetworkSettings
from rl_nas.spaces.nasbench201 import NASBENCH201_OPERATIONS, EdgeCell
from rl_nas.spaces.published import PUBLISHED
from rl_nas.tasks.classification.head import ClassificationHead as Head

TABLE = Path(__file__).parents[3] / "shared/benchmarks/nasbench201.npz"

AMOEBANET_IMAGENET = {"network": "imagenet_large", "stem_multiplier": 1.0}
"""AmoebaNet's released code: NASNet's large skeleton with a stem of 32 filters, and 1,001 classes."""


def counted(name: str, classes: int | None = None, pixels: int | None = None, **settings: Any) -> tuple[int, int, int]:
    genotype = PUBLISHED[name]
    preset = PRESETS[settings["network"]]
    size = pixels or preset.image_size
    cost = plan_network(genotype, NetworkSettings(**settings), (size, size, 3), Head(classes or preset.classes)).cost()
    return cost.trainable, cost.other, cost.madds


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        # Real builds of keras.applications.
        ({"network": "imagenet_mobile"}, (5_289_978, 36_738, 563_638_816)),
        ({"network": "imagenet_large"}, (88_753_150, 196_668, 23_783_414_658)),
        ({"network": "imagenet_mobile", "size": "4@1056"}, (5_289_978, 36_738, 563_638_816)),
        # The released code's CIFAR networks, by an independent counter.
        ({"network": "cifar"}, (3_346_538, 37_248, 544_333_312)),
        ({"network": "cifar", "size": "6@768", "skip_reduction_input": True}, (3_346_538, 37_248, 544_333_312)),
        ({"network": "proxy"}, (1_294_698, 15_744, 232_185_344)),
        ({"network": "proxy", "filters": 24}, (757_906, 11_808, 136_390_272)),
    ],
)
def test_nasnet_a(settings: dict[str, Any], counts: tuple[int, int, int]) -> None:
    assert counted("NASNet-A", **settings) == counts


@pytest.mark.parametrize(
    ("name", "settings", "counts"),
    [
        ("AmoebaNet-A", {"network": "cifar"}, (2_567_754, 31_712, 407_671_808)),
        ("AmoebaNet-A", {"network": "cifar", "filters": 36}, (3_218_266, 35_676, 509_668_992)),
        ("AmoebaNet-A", {"network": "cifar", "cells": 3, "filters": 24}, (843_322, 13_704, 139_349_760)),
        ("AmoebaNet-B", {"network": "cifar", "filters": 36}, (2_839_186, 34_272, 454_925_952)),
        ("AmoebaNet-C", {"network": "cifar", "filters": 36}, (3_979_126, 42_984, 609_700_896)),
        ("AmoebaNet-D", {"network": "cifar", "filters": 36}, (2_378_350, 28_764, 381_050_496)),
        (
            "AmoebaNet-A",
            {**AMOEBANET_IMAGENET, "filters": 448, "classes": 1001},
            (468_158_353, 447_672, 126_520_764_944),
        ),
        (
            "AmoebaNet-D",
            {**AMOEBANET_IMAGENET, "filters": 256, "classes": 1001, "pixels": 299},
            (121_915_113, 204_448, 26_964_905_312),
        ),
    ],
)
def test_amoebanet(name: str, settings: dict[str, Any], counts: tuple[int, int, int]) -> None:
    assert counted(name, **settings) == counts


def test_pnasnet_5_large() -> None:
    trainable, _, madds = counted("PNASNet-5", network="imagenet_large", cells=4, filters=216)
    assert (trainable, madds) == (86_057_668, 24_937_395_792)
    genotype = PUBLISHED["PNASNet-5"]
    skeleton = solve(genotype, NetworkSettings(network="imagenet_large", size="4@4320"), (331, 331, 3), Head(1000))
    assert (skeleton.filters, size_notation(genotype, skeleton)) == (216, "4@4320")


@pytest.mark.parametrize(
    ("name", "settings", "trainable", "madds", "lost", "pixels"),
    [
        ("AmoebaNet-A", {**AMOEBANET_IMAGENET, "filters": 190}, 86_721_806, 23_133_446_099, 32, 83 * 83),
        ("AmoebaNet-B", {**AMOEBANET_IMAGENET, "filters": 190}, 79_011_685, 20_934_272_479, 32, 83 * 83),
        ("AmoebaNet-C", {**AMOEBANET_IMAGENET, "filters": 228}, 155_277_171, 41_129_100_762, 57, 83 * 83),
        ("AmoebaNet-A", {"network": "imagenet_mobile", "filters": 50}, 5_087_699, 554_587_652, 32, 56 * 56),
        ("AmoebaNet-B", {"network": "imagenet_mobile", "size": "3@992"}, 5_259_661, 554_961_048, 32, 56 * 56),
        ("PNASNet-5", {"network": "imagenet_mobile", "size": "3@1080"}, 5_064_455, 587_192_848, 32, 56 * 56),
    ],
)
def test_odd_filters(name: str, settings: dict[str, Any], trainable: int, madds: int, lost: int, pixels: int) -> None:
    """Where filters are odd, the counter behind these figures makes two equal halves of them and loses one.

    The released code gives the second half of a factorized reduction one filter more: as many more weights
    as the 1x1 convolution has inputs (the stem's 32 channels, or a cell's F/4 = 57), each used once a pixel.
    """
    counts = counted(name, classes=1000 if name == "PNASNet-5" else 1001, **settings)
    assert (counts[0], counts[2]) == (trainable + lost, madds + lost * pixels)


@pytest.mark.parametrize(
    ("op", "parameters"), [("nor_conv_3x3", 1_531_546), ("nor_conv_1x1", 241_306), ("skip_connect", 73_306)]
)
def test_nasbench201_cells_of_one_operation(op: str, parameters: int) -> None:
    cost = plan_network(EdgeCell((op,) * 6), NetworkSettings(), (32, 32, 3), Head(10)).cost()
    assert cost.trainable == parameters


@pytest.mark.skipif(not TABLE.exists(), reason="needs the benchmark's table")
def test_all_nasbench201_parameters_are_those_of_the_table() -> None:
    with np.load(TABLE) as table:
        names = [str(name) for name in table["op_names"]]
        assert tuple(names) == NASBENCH201_OPERATIONS
        ops, columns = table["ops"], [str(column) for column in table["columns"]]
        published = table["values"][:, columns.index("params_M")]
    kinds = {}  # parameters depend on how often each operation occurs, not on where
    for row in ops:
        kinds[tuple(np.bincount(row, minlength=5))] = row
    counts = {
        kind: plan_network(EdgeCell(tuple(names[i] for i in row)), NetworkSettings(), (32, 32, 3), Head(10))
        .cost()
        .trainable
        for kind, row in kinds.items()
    }
    counted_m = np.array([counts[tuple(np.bincount(row, minlength=5))] for row in ops]) / 1e6
    np.testing.assert_allclose(counted_m, published, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "filters"),
    [
        ({"network": "imagenet_mobile", "target_madds": 564e6}, 44),
        ({"network": "imagenet_mobile", "target_params": 5.3e6}, 44),
        ({"network": "cifar", "target_params": 3_346_538}, 32),
        ({"network": "cifar", "target_params": 3_346_537}, 31),
    ],
)
def test_filters_are_solved_for(settings: dict[str, Any], filters: int) -> None:
    preset = PRESETS[settings["network"]]
    shape = (preset.image_size, preset.image_size, 3)
    skeleton = solve(PUBLISHED["NASNet-A"], NetworkSettings(**settings), shape, Head(preset.classes))
    assert skeleton.filters == filters


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("NASNet-A", {"size": "4@1000"}, "not a multiple of 24"),
        ("NASNet-A", {"size": "4x1056"}, "expected N@P"),
        ("NASNet-A", {"size": "4@1056", "filters": 44}, "--size and --filters both determine"),
        ("NASNet-A", {"filters": 44, "target_params": 5e6}, "--filters and --target_params both determine"),
        ("NASNet-A", {"target_params": 10.0}, "one filter already exceeds it"),
        ("NASNet-A", {"network": "nasbench201"}, "expected one of proxy, cifar"),
        ("NASNet-A", {"reductions": 6}, "too small for 6 reductions"),
        ("NASNet-A", {"network": "imagenet_large", "reductions": 3}, "too small for 6 reductions"),
    ],
)
def test_what_cannot_be_planned(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        plan_network(PUBLISHED[name], NetworkSettings(**settings), (32, 32, 3), Head(10))
    assert "\n" not in str(caught.value)


def test_the_auxiliary_head_needs_pixels() -> None:
    with pytest.raises(UsageError, match="auxiliary head"):
        plan_network(
            PUBLISHED["NASNet-A"],
            NetworkSettings(network="cifar"),
            (8, 8, 3),
            Head(10),
            training_steps=10,
        )


def test_presets_are_json() -> None:
    assert json.dumps({name: vars(preset) for name, preset in PRESETS.items()})
