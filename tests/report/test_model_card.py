"""What an export tells of accuracies: on how many images, and of few how certain they are."""

from pathlib import Path
from typing import Any

from rl_nas.report.model_card import export_text, model_card

DOCUMENT: dict[str, Any] = {
    "compared_on": {"split": "valid", "images": 40},
    "formats": {
        "saved_model": {
            "accuracy": 0.9,
            "network_accuracy": 0.9,
            "images": 40,
            "latency_ms": 1.0,
            "bytes": 9,
            "file": "x",
        }
    },
    "image": [8, 8, 3],
    "classes": ["cat", "dog"],
    "counts": None,
    "dataset": "photos",
    "network": "NASNet-A",
    "noun": "image classifier",
    "found_by": None,
    "returns": "probabilities",
    "final_test": {"split": "test", "images": 5000, "accuracy": 0.9, "loss": 0.5},
    "valid": {"split": "valid", "images": 40, "accuracy": 0.9, "loss": 0.5},
    "recipe": None,
}


def test_an_export_tells_how_certain_the_accuracy_is() -> None:
    lines = export_text(DOCUMENT, Path("exported")).splitlines()
    assert "accuracy of the network itself on them: 0.9000 (95%: 0.7695 to 0.9604)" in lines


def test_a_model_card_tells_how_certain_accuracies_are() -> None:
    lines = model_card(DOCUMENT).splitlines()
    assert "- accuracy 0.9000, loss 0.5000 on 5,000 images of split test" in lines
    assert "- accuracy 0.9000 (95%: 0.7695 to 0.9604), loss 0.5000 on 40 held-out images" in lines
