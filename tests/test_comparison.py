"""The comparison with other tools says where each of its statements is from."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs/comparison.md").read_text(encoding="utf-8")
ADDRESSES = dict(re.findall(r"^\[(\w+)\]: (\S+)$", PAGE, re.MULTILINE))
TEXT, _, SOURCES = PAGE.partition("## Sources\n")
OWN = "rl_nas"


def rows() -> list[tuple[str, list[str]]]:
    """Tool and cells of each row of the tables, without their headings."""
    split = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("|")
    ]
    return [(row[0], row[1:]) for row in split if row[0] not in ("tool", "---")]


def test_every_table_has_every_tool() -> None:
    tools = [tool for tool, _ in rows()]
    assert len(tools) == 4 * len(set(tools))
    assert len(set(tools)) == 7


@pytest.mark.parametrize(("tool", "cells"), [row for row in rows() if row[0] != OWN])
def test_a_cell_has_a_source_or_says_that_none_was_found(tool: str, cells: list[str]) -> None:
    for cell in cells:
        assert re.search(r"\[\w\d\]|\(package|^not found", cell), f"{tool}: {cell}"


def test_sources_are_listed_with_an_address() -> None:
    cited, listed = (set(re.findall(r"\[([A-Z]\d)\](?!:)", part)) for part in (TEXT, SOURCES))
    assert cited == listed == set(ADDRESSES)
    assert all(address.startswith("https://") for address in ADDRESSES.values())
