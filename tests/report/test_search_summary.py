"""What a search says of its export."""

from pathlib import Path

import pytest

from rl_nas.report.search_summary import SearchResult, summary_json, summary_text
from rl_nas.report.training_summary import training_text
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
    assert "The best of 1 child (0 failed), measured on 100 held-out images of the training split:" in text
    document = summary_json(result)
    assert document["export_difference"] == agreement.get("max_difference")
    assert document["export_agreement"] == agreement


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (300, "accuracy 0.9867 (95%: 0.9662 to 0.9948) on 300 held-out images of the training split"),
        (5000, "accuracy 0.9867 on 5,000 held-out images of the training split"),
    ],
)
def test_an_accuracy_of_few_images_tells_its_interval(images: int, words: str) -> None:
    best = Trial(6, (0,), TrialState.OK, 296 / 300, Measurement.of({"accuracy": 296 / 300, "loss": 0.1}))
    result = SearchResult([best], best, NASNET_A, 6, images, {"all trials": Path("trials.sqlite")}, {})
    assert summary_text(result).splitlines()[-1] == f"Best child: trial 6, {words} (proxy: 6 epochs, one run)."


def test_children_that_were_stopped_early_are_told() -> None:
    trials = [
        Trial(index, (0,), TrialState.OK, reward, Measurement.of({"accuracy": reward}, epochs=epochs))
        for index, (reward, epochs) in enumerate([(0.5, 1), (0.9, 6), (0.4, 2)])
    ]
    files = {"all trials": Path("trials.sqlite")}
    lines = summary_text(SearchResult(trials, trials[1], NASNET_A, 6, 100, files, {})).splitlines()
    assert lines[0].startswith("The best of 3 children (0 failed, 2 stopped early: 9 epochs), measured on")
    assert lines[1].split()[-2:] == ["epochs", "seconds"]
    assert [line.split()[-2] for line in lines[2:5]] == ["6", "1", "2"]
    alone = summary_text(SearchResult(trials[1:2], trials[1], NASNET_A, 6, 100, files, {}))
    assert "epochs  seconds" not in alone
    assert "(0 failed), measured" in alone


def test_a_training_tells_on_how_many_images_it_was_measured() -> None:
    measured = {"accuracy": 0.9, "loss": 0.5}
    results = {
        "genotype_name": "NASNet-A",
        "network": {"size": None, "trainable_parameters": 1000, "multiply_adds": 2000},
        "epochs": 3,
        "seconds": 4.0,
        "train": {"images": 400, **measured},
        "valid": {"split": "valid", "images": 40, **measured},
        "final_test": {"split": "test", "images": 10_000, **measured},
    }
    lines = training_text(results, {"results": "results.json"}).splitlines()
    assert "train accuracy 0.9000, loss 0.5000 (last epoch)" in lines
    assert "accuracy 0.9000 (95%: 0.7695 to 0.9604), loss 0.5000 on 40 held-out images" in lines
    assert "accuracy 0.9000, loss 0.5000 on 10,000 images of split test: final" in lines
