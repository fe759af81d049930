"""Tables of trials."""

import pytest

from rl_nas.report.tables import csv_cell, trials_table
from rl_nas.trial import Failure, Measurement, Trial, TrialState


def trial(index: int, quality: float) -> Trial:
    measured = Measurement.of({"r2": quality, "rmse": 1.5}, parameters=1234, madds=56789, seconds=1.25)
    return Trial(index, (0,), TrialState.OK, quality, measured)


def test_columns_keep_their_places() -> None:
    failed = Trial(3, (0,), TrialState.NAN, failures=(Failure(TrialState.NAN, "loss is nan"),))
    assert trials_table([trial(2, 0.5), trial(10, 0.25), failed]).splitlines() == [
        "trial  reward        r2    rmse  parameters  multiply-adds  seconds",
        "    2  0.5000    0.5000   1.500       1,234         56,789      1.2",
        "   10  0.2500    0.2500   1.500       1,234         56,789      1.2",
        "    3  nan: loss is nan",
    ]


def test_wide_and_negative_values_widen_their_columns() -> None:
    lines = trials_table([trial(0, 0.5), trial(1, -1234.5)]).splitlines()
    assert lines[2].split()[1:3] == ["-1234.5000", "-1234.5000"]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\uff1d1+1", "\uff20x"])
def test_a_text_is_no_formula(text: str) -> None:
    assert csv_cell(text) == f"'{text}"
    assert csv_cell(f"a{text}") == f"a{text}"
