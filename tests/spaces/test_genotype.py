"""Genotype files: what is read back, and what is refused in one line that says where."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_nas.errors import UsageError
from rl_nas.networks.families.dpc_json import to_released
from rl_nas.networks.genotypes import from_json, load, to_json
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.dpc_space import dpc
from rl_nas.spaces.nasnet import nasnet
from rl_nas.spaces.published import NASNET_A

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def broken(*path: Any, value: Any = None) -> dict[str, Any]:
    """NASNet-A with the value at a path replaced, or removed."""
    document = copy.deepcopy(to_json(NASNET_A))
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (broken("schema"), "genotype has no 'schema'"),
        (broken("schema", value=99), "schema 99 is newer"),
        (broken("schema", value=True), "schema is true; expected int"),
        (broken("kind", value="soup"), "genotype kind 'soup'"),
        (broken("cells", "reduction"), "cells has no 'reduction'"),
        (broken("cells", "normal", "blocks", value={}), r"normal.blocks is {}; expected list"),
        (broken("cells", "normal", "blocks", 2, "ops", 0, value="conv_9x9"), "normal: block 2: unknown operation"),
        (broken("cells", "normal", "blocks", 1, "inputs", 1, value=3), "normal: block 1 reads state 3"),
        (broken("cells", "normal", "blocks", 1, "inputs", value=[0]), r"normal.blocks\[1\].inputs has 1 entries"),
        (broken("cells", "normal", "blocks", 1, "inputs", 0, value="0"), "expected int"),
        (broken("cells", "normal", "blocks", 0, "combine", value="mul"), "combine 'mul'"),
        (broken("cells", "normal", "concat", value=[]), "normal: concat is empty"),
        (broken("cells", "normal", "concat", value=[2, 2]), "names a state twice"),
        (broken("cells", "normal", "concat", value=[7]), "names state 7; expected 0 to 6"),
        ([], "genotype is \\[\\]; expected dict"),
    ],
)
def test_malformed_documents(document: object, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        from_json(document)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "is not JSON"), (b"\xff\xfe\x00", "is not JSON"), (b"[" * 100_000, "is not JSON"), (b"", "is not JSON")],
)
def test_files_that_are_no_json(content: bytes, message: str, tmp_path: Path) -> None:
    file = tmp_path / "genotype.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        load(file)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Is a directory"):
        load(tmp_path)
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "absent.json")


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a document."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [p for key, value in items for p in [(*path, key), *places(value, (*path, key))]]


FORMS: dict[str, tuple[SearchSpace[Any], Callable[[Any], Any]]] = {
    "cells": (nasnet(3), to_json),
    "dense prediction cell": (dpc(3), to_json),
    "dense prediction cell as its authors write it": (dpc(3), to_released),
}


@given(st.sampled_from(list(FORMS.values())), st.integers(0, 20), st.data())
def test_whatever_is_changed_it_is_read_or_refused(
    form: tuple[SearchSpace[Any], Callable[[Any], Any]], seed: int, data: st.DataObject
) -> None:
    space, write = form
    document = write(space.decode(space.sample(np.random.default_rng(seed))))
    path = data.draw(st.sampled_from(places(document)))
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = data.draw(JSON)
    try:
        genotype = from_json(json.loads(json.dumps(document)))
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert from_json(to_json(genotype)) == genotype
