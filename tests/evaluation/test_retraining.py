"""What is computed of longer trainings, from known results."""

import pytest

from rl_nas.evaluation.retraining import FOUND, RANDOM, Retrained, agreement, of_kind, ranked, spread


def retrained(name: str, proxy: float | None, *valid: float) -> Retrained:
    return Retrained(name, proxy, [{"valid": {"accuracy": one}, "final_test": None, "seconds": 1.5} for one in valid])


CELLS = [
    retrained("trial4", 0.7, 0.80, 0.82),
    retrained("trial1", 0.6, 0.90, 0.92),
    retrained("trial2", 0.5, 0.70, 0.72),
    retrained("random0", None, 0.60),
    retrained("random1", None),
]


def test_cells_are_ranked_by_held_out_images_and_failures_left_out() -> None:
    finished = ranked(CELLS)
    assert [one.name for one in finished] == ["trial1", "trial4", "trial2", "random0"]
    assert [one.name for one in of_kind(finished, FOUND)] == ["trial1", "trial4", "trial2"]
    assert [one.name for one in of_kind(finished, RANDOM)] == ["random0"]
    assert finished[0].seconds == 3.0


def test_the_proxy_agrees_in_two_pairs_of_three() -> None:
    found = agreement(ranked(CELLS))
    assert found is not None
    assert found.spearman == pytest.approx(0.5)  # 1 - 6 * 2 / 24
    assert found.cells == 3
    assert agreement(CELLS[:2]) is None


def test_a_deviation_needs_two_values() -> None:
    assert spread([]) is None
    assert spread([0.6]) == (0.6, None)
    assert spread([0.70, 0.72]) == pytest.approx((0.71, 0.02 / 2**0.5))
