"""Names in lines of text."""

import os
import sys
from pathlib import Path

import pytest

from rl_nas.errors import UsageError
from rl_nas.names import check_lines, is_line, shown_names
from rl_nas.tasks.classification.class_files import list_classes
from rl_nas.tasks.folder_files import files_below
from rl_nas.tasks.name_lists import check_names, read_lines


def test_more_names_than_are_shown_are_counted() -> None:
    assert [shown_names(["a", "b", "c"][:count], 2) for count in range(4)] == ["", "a", "a, b", "a, b and 1 more"]
    assert shown_names({str(number): None for number in range(2000)}, 1) == "0 and 1,999 more"


@pytest.mark.parametrize("name", ["a", " a b ", "\x1b[2J", "\u202e", "\U0001f600", "=1+1", "#"])
def test_a_name_that_a_line_holds(name: str) -> None:
    assert is_line(name)


@pytest.mark.parametrize("name", ["", "a\nb", "a\r", "\x0b", "a\u2028b", "a\x85", os.fsdecode(b"caf\xe9"), "\ud83d"])
def test_a_name_that_no_line_holds(name: str) -> None:
    assert not is_line(name)
    with pytest.raises(UsageError, match="expected a line of UTF-8, no comment"):
        check_names(["cat", name])


def test_folders_may_be_nested_deeper_than_python_calls(tmp_path: Path) -> None:
    place, depth = tmp_path / "data/cat", 60
    for _ in range(depth):
        place /= "d"
    for folder in (place, tmp_path / "data/dog"):
        folder.mkdir(parents=True)
        (folder / "0.png").touch()
    frame, used = sys._getframe(), 0
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(used + depth)
    try:
        found, below = list_classes(str(tmp_path / "data")), files_below(tmp_path / "data", [])
    finally:
        sys.setrecursionlimit(before)
    assert found is not None
    deep = f"cat/{'d/' * depth}0.png"
    assert found.files["train"] == [(deep, 0), ("dog/0.png", 1)]
    assert [name for name, _ in below] == [deep, "dog/0.png"]


@pytest.mark.parametrize("separator", ["\x0b", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_separator_within_a_name_shifts_no_other(separator: str, tmp_path: Path) -> None:
    """Lists of users have lines, whatever else Python takes for the end of one."""
    file = tmp_path / "names.txt"
    file.write_bytes(f"cat\r\nd{separator}og\ncow\n".encode())
    names = read_lines(str(file), "--classes")
    assert names == ["cat", f"d{separator}og", "cow"]
    with pytest.raises(UsageError, match="expected a line of UTF-8, no comment"):
        check_names(names)
    with pytest.raises(UsageError, match="cannot be written into a list of classes"):
        check_lines(names)
