"""The part of YAML that descriptions of YOLO's data sets are written in."""

import pytest

from rl_nas.errors import UsageError
from rl_nas.tasks.detection.yaml_subset import parse_yaml

TEXT = """\
# a data set
---
path: ../datasets/eight  # of the author's machine
train: images/train
val:
  - images/val
  - "images # more"
nc: 3

names: ['a b', "c: d", 'it''s', it's]  # inline
lines:
- one

-   'two'
map:
    0: person
    1: "traffic light"
short: {0: a, 1: "b, c"}
several: [one,
two,
    three ]
download: |
  import os
  for (name in ["not closed
    os.system(name)
roboflow:
  nested:
    deeper: 1
empty:
"""
WANTED = ("path", "train", "val", "names", "lines", "map", "short", "several", "empty")


def test_what_descriptions_hold_is_read() -> None:
    assert parse_yaml(TEXT, WANTED, "data.yaml") == {
        "path": "../datasets/eight",
        "train": "images/train",
        "val": ["images/val", "images # more"],
        "names": ["a b", "c: d", "it's", "it's"],
        "lines": ["one", "two"],
        "map": {"0": "person", "1": "traffic light"},
        "short": {"0": "a", "1": "b, c"},
        "several": ["one", "two", "three"],
        "empty": "",
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("names: !!python/object/apply:os.system ['ls']", 1),
        ("a: 1\nnames: &all [x]", 2),
        ("names:\n  - a\n  - *all", 3),
        ("names: [[a, b], c]", 1),
        ("names: [{a: b}]", 1),
        ("names: [a, b", 1),
        ("names:\n  0: a\n  0: b", 3),
        ("names:\n  0:\n    b: c\n  1: d\n  b: c", 5),
        ("names: [a]\nnames: [b]", 2),
        ("names: a\n  b: c", 2),
        ("names: |\n  a", 2),
        ("names\n", 1),
        ("- a\n", 1),
        ("%YAML 1.2", 1),
        ('names: ["\\x"]', 1),
        ("names: >-", 1),
    ],
)
def test_all_else_is_refused_by_its_line(text: str, line: int) -> None:
    with pytest.raises(UsageError, match=rf"^data\.yaml: line {line} has .*; expected keys, each once") as caught:
        parse_yaml(text, WANTED, "data.yaml")
    assert "\n" not in str(caught.value)
