"""What is said of a ranking by shared weights."""

import pytest

from rl_nas.one_shot.result import Confirmed, OneShotResult
from rl_nas.report.one_shot_text import one_shot_json, one_shot_text


def result(alone: list[float | None], random: list[bool] | None = None) -> OneShotResult:
    pairs = enumerate(zip(alone, random or [True] * len(alone), strict=True))
    return OneShotResult(50, [Confirmed(i, i + 1, 0.9 - i / 100, value, c) for i, (value, c) in pairs])


def test_correlations_are_those_of_the_random_sample() -> None:
    found = result([0.1, 0.9, 0.8, 0.2, 0.7, None], [False, True, True, False, True, True]).correlations()
    assert {name: c.value for name, c in found.items()} == {"spearman": 1.0, "kendall": 1.0}
    assert result([0.1, 0.2, 0.3]).correlations()["spearman"].value == pytest.approx(-1)
    # One pair of three in the wrong order: 1 - 6 * 2 / 24 and (2 - 1) / 3.
    mixed = result([0.9, 0.7, 0.8]).correlations()
    assert mixed["spearman"].value == pytest.approx(0.5)
    assert mixed["kendall"].value == pytest.approx(1 / 3)


def test_it_is_said_how_far_the_ranking_is_to_be_trusted() -> None:
    assert "needs 3 networks chosen at random" in one_shot_text(result([0.9, 0.8]))
    good = one_shot_text(result([0.9 - i / 50 for i in range(12)]))
    assert "Spearman 1.00 [1.00, 1.00], Kendall 1.00 [1.00, 1.00]." in good
    assert "chance: the shared" not in good
    assert "not shown to rank better than random" in one_shot_text(result([0.5, 0.9, 0.6, 0.8, 0.7, 0.4, 0.95]))


def test_the_table_stands_in_the_order_of_the_ranking() -> None:
    unordered = OneShotResult(9, [Confirmed(0, 7, 0.5, None, True), Confirmed(1, 2, 0.75, 0.875, False)])
    lines = one_shot_text(unordered).splitlines()
    assert lines[0].startswith("Shared weights ranked 9 networks")
    assert lines[2].split() == ["2", "0.7500", "0.8750", "1"]
    assert lines[3].split() == ["7", "0.5000", "failed", "0", "random"]
    negative = OneShotResult(9, [Confirmed(0, 1, 0.5, -12.5, False), Confirmed(1, 2, -0.75, 0.875, False)])
    head, *rows = one_shot_text(negative).splitlines()[1:4]
    assert {row.rindex(row.split()[2]) + len(row.split()[2]) for row in rows} == {head.index("alone") + len("alone")}
    assert one_shot_json(unordered) == {
        "ranked": 9,
        "confirmed": [
            {"trial": 0, "place": 7, "shared": 0.5, "alone": None, "random": True},
            {"trial": 1, "place": 2, "shared": 0.75, "alone": 0.875, "random": False},
        ],
    }
