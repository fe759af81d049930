"""Tables of predictions: names of files and classes, a stranger's, are texts."""

import csv

from rl_nas.workflows.prediction_folder import table


def test_no_name_is_a_formula_or_steers_a_terminal() -> None:
    values = {"=HYPERLINK(1).png": [{"class": "@SUM(1)", "probability": -0.5}], "a.png": [{"class": "\x1b[2J"}]}
    head, first, second = csv.reader(table(values).splitlines())
    assert head == ["image", "1/class", "1/probability"]
    assert first == ["'=HYPERLINK(1).png", "'@SUM(1)", "-0.5"]
    assert second == ["a.png", r"\x1b[2J", ""]
    cells = {"b.png": {"true_class": "@SUM(1)"}}
    head, first, second = csv.reader(table({"a.png": {"x": 1}, "b.png": {"x": 2}}, cells).splitlines())
    assert (head, first, second) == (["image", "true_class", "x"], ["a.png", "", "1"], ["b.png", "'@SUM(1)", "2"])
    (head, _) = csv.reader(table({"a.png": {"+1": 1}}).splitlines())
    assert head == ["image", "'+1"]
