"""What a search says of its export."""

from pathlib import Path

import pytest

from rl_nas.report.search_summary import SearchResult, summary_json, summary_text
from rl_nas.spaces.published import NASNET_A
from rl_nas.trial import Measurement, Trial, TrialState


@pytest.mark.parametrize(
    ("agreement", "words"),
    [
        ({"max_difference": 1.3e-6, "top1_agreement": 1.0}, "largest difference of a prediction 1.3e-06"),
        ({"same_pixels": 0.9999, "mean_iou": 1.0}, "same pixels 0.9999, mean iou 1"),
    ],
)
def test_the_export_is_described_by_the_figures_of_its_task(agreement: dict[str, float], words: str) -> None:
    best = Trial(0, (0,), TrialState.OK, -0.5, Measurement.of({"r2": -0.5}))
    files = {"all trials": Path("trials.sqlite")}
    result = SearchResult([best], best, NASNET_A, 1, 100, files, agreement)
    text = summary_text(result)
    assert f"The SavedModel was loaded back: {words}.\n" in text
    assert "Best child: trial 0, r2 -0.5000 on 100 held-out images" in text
    document = summary_json(result)
    assert document["export_difference"] == agreement.get("max_difference")
    assert document["export_agreement"] == agreement
