"""Genotypes of a stranger: whatever their size, they are read or refused in one line at once."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import FAMILIES
from rl_nas.networks.genotypes import from_json, load, to_json
from rl_nas.networks.network import plan_network
from rl_nas.networks.settings import NetworkSettings
from rl_nas.spaces.published import NASNET_A
from rl_nas.tasks.classification.head import ClassificationHead


def document(kind: str, **parts: Any) -> dict[str, Any]:
    return {"schema": 1, "kind": kind, **parts}


BLOCK = {"inputs": [0, 1], "ops": ["identity", "sep_3x3"], "combine": "add"}
LAYER = {"kernel": [3, 3], "filters": 8, "strides": [1, 1], "inputs": [0]}
MERGE = {"level": 3, "op": "sum", "inputs": [0, 1]}


def cells(blocks: list[Any], concat: list[Any]) -> dict[str, Any]:
    return document("cells", cells={"normal": {"blocks": blocks, "concat": concat}, "reduction": None})


def chain(count: int, **changes: Any) -> dict[str, Any]:
    return document("chain", layers=[{**LAYER, **changes}] * count, outputs=[1])


def module(size: int) -> dict[str, Any]:
    matrix = [[int(column > row) for column in range(size)] for row in range(size)]
    return document("nasbench101", matrix=matrix, ops=["input", *["conv3x3-bn-relu"] * (size - 2), "output"])


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        (cells([BLOCK] * 10_000, [2]), "a cell has 10000 blocks; expected 1 to 100"),
        (cells([BLOCK], [1] * 10**6), "names a state twice"),
        (cells([BLOCK], [10**4000]), "expected whole numbers of at most 1048576"),
        (cells([{**BLOCK, "inputs": [0, -(2**40)]}], [2]), "expected whole numbers of at most 1048576"),
        (cells([{**BLOCK, "ops": ["x" * 10**6, "identity"]}], [2]), "of 1000000 letters; expected at most 1000"),
        (chain(1000), "a chain has 1000 layers; expected 1 to 200"),
        (chain(1, filters=2**40), "expected whole numbers of at most 1048576"),
        (chain(1, filters=10**6), "at most 100000 filters are expected"),
        (chain(1, kernel=[3, 5000]), "at most 1000 pixels"),
        (chain(1, inputs=[0] * 10**6), "reads a state twice"),
        (module(1000), "matrix of 1000 vertices; expected at most 50"),
        (document("nasbench201", ops=["none"] * 10**6), "expected 6"),
        (document("dpc", branches=[{"input": -1, "op": "conv_1x1"}] * 10**5), "of 100000 branches; expected 1 to 100"),
        (document("nas_fpn", levels=[3, 7], merges=[MERGE] * 10**5), "of 100000 merging cells; expected 5 to 12"),
        (document("nas_fpn", levels=[0, 2**20], merges=[MERGE]), "expected two or more levels from 0 to 12"),
    ],
)
def test_huge_genotypes_are_refused_in_a_short_line(genotype: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        from_json(genotype)
    assert len(str(caught.value)) < 3000


def test_the_largest_genotypes_have_keys_and_texts() -> None:
    largest = (
        cells([BLOCK] + [{**BLOCK, "inputs": [n, n + 1]} for n in range(1, 100)], [101]),
        document("chain", layers=[{**LAYER, "inputs": [*range(n + 1)]} for n in range(200)], outputs=[200]),
        module(50),
        document("dpc", branches=[{"input": n - 1, "op": "conv_1x1"} for n in range(100)]),
    )
    for genotype in map(from_json, largest):
        assert genotype.canonical_key()
        assert FAMILIES[genotype.KIND].text(genotype)


def test_files_that_are_no_genotypes_are_not_read(tmp_path: Path) -> None:
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    large.write_text(json.dumps(to_json(NASNET_A)) + " " * 2**20)
    for path, message in (
        (pipe, "a pipe"),
        (Path("/dev/zero"), "a device"),
        (large, "at most 1,048,576"),
        (tmp_path, ""),
    ):
        with pytest.raises(UsageError, match=f"genotype file {path}: .*{message}"):
            load(path)


@pytest.mark.parametrize(
    ("settings", "image", "message"),
    [
        (NetworkSettings(cells=1000), (32, 32, 3), "more than 20,000 layers"),
        (NetworkSettings(filters=100_000), (4096, 4096, 3), "expected at most 2,147,483,647 numbers"),
        (NetworkSettings(size="999@1056"), (32, 32, 3), "more than 20,000 layers"),
        (NetworkSettings(size="9" * 5000 + "@1056"), (32, 32, 3), "expected N@P with whole numbers"),
    ],
)
def test_networks_that_no_machine_computes_are_refused(settings: Any, image: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        plan_network(NASNET_A, settings, image, ClassificationHead(classes=10))
