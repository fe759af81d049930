"""The first lines of long work."""

from rl_nas.networks.layer import Cost
from rl_nas.report.first_lines import data_line, network_line


def test_the_data_are_told() -> None:
    line = data_line("digits", [str(n) for n in range(10)], 1200, 300, None, (8, 8, 1), "classification")
    assert line == (
        "data: digits: 10 classes (0, 1, 2, 3, 4, ...), 1,200 images to train on, 300 held out, 8x8x1;"
        " task classification"
    )
    line = data_line("folder:a", ["cat"], 1, 2, "validation", (8, 9, 3), "segmentation")
    assert line == (
        "data: folder:a: 1 class (cat), 1 image to train on, 2 held out (split validation), 8x9x3; task segmentation"
    )
    assert data_line("b", [], 3, 0, None, (8, 9, 3), "regression") == (
        "data: b: 3 images to train on, none held out, 8x9x3; task regression"
    )


def test_the_network_is_told() -> None:
    assert network_line(Cost(39_074, 12, 957_056), " (typical)") == (
        "network: 39,074 parameters, 957,056 multiply-adds (typical)"
    )
