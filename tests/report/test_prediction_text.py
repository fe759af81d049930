"""Metrics of predictions as lines: intervals stand with what they are of, numbers of images too."""

from rl_nas.report.prediction_text import metrics_text


def test_metrics_of_classes_follow_those_of_all() -> None:
    text = metrics_text({"images": 1200, "mIoU": 0.5, "pixel_accuracy": 0.75, "IoU/a": 0.25, "IoU/longer": 0.75})
    assert text.splitlines() == [
        "",
        "mIoU 0.5000, pixel accuracy 0.7500 on 1,200 images",
        "IoU/a       0.2500",
        "IoU/longer  0.7500",
    ]


def test_an_interval() -> None:
    text = metrics_text({"images": 1, "accuracy": 0.5, "accuracy_low": 0.125, "accuracy_high": 0.875})
    assert text == "\naccuracy 0.5000 (95%: 0.1250 to 0.8750) on 1 image"


def test_splits_have_lines_of_their_own() -> None:
    one = {"accuracy/test": 0.5, "accuracy_low/test": 0.125, "accuracy_high/test": 0.875, "images/test": 4}
    two = {name.replace("test", "b"): value for name, value in one.items()}
    assert metrics_text({"images": 8, **one, **two}).splitlines() == [
        "",
        "accuracy/test  0.5000 (95%: 0.1250 to 0.8750) on 4 images",
        "accuracy/b     0.5000 (95%: 0.1250 to 0.8750) on 4 images",
    ]


def test_a_metric_that_is_called_low_is_shown() -> None:
    assert metrics_text({"images": 2, "how_low": 0.5}) == "\nhow low 0.5000 on 2 images"
