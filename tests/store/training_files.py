"""What a full training writes at its end: results.json and data.json."""

from typing import Any

RESULTS: dict[str, Any] = {
    "genotype_name": None,
    "network": {"size": None, "trainable_parameters": 1, "multiply_adds": 2},
    "train": {"images": 3, "loss": 0.5},
    "valid": None,
    "final_test": {"split": "test", "images": 3, "accuracy": 0.5, "top5_accuracy": None},
    "epochs": 1,
    "seconds": 1,
}
DATA = {"classes": ["a"], "train_images": 1, "valid_images": 1, "mean": [0.5], "deviation": [1]}
