"""The folder of a full training."""

import os
from pathlib import Path
from typing import Any

from rl_nas.store.json_files import OTHERS, read_json
from rl_nas.store.network_folder import NETWORK, NetworkFolder
from rl_nas.store.run_folder import RunFolder, if_there

SPLIT_FORM = {"split": str, "images": int, OTHERS: (float, None)}
RESULTS_FORM = {
    "genotype_name": (str, None),
    "network": {"size": (str, None), "trainable_parameters": int, "multiply_adds": int},
    "train": {"images": int, OTHERS: (float, None)},
    "valid": (None, SPLIT_FORM),
    "final_test": (None, SPLIT_FORM),
    "epochs": int,
    "seconds": float,
}
_VIEWS = {"scales": [float], "flip": bool, "valid": (None, SPLIT_FORM), "final_test": (None, SPLIT_FORM)}
"""Of measurements over several views, which not every training has."""
_DATA = {
    "classes": [str],
    "train_images": int,
    "valid_images": int,
    "mean": [float],
    "deviation": [float],
}
_AGAIN = "delete the file and give rl_nas train --resume to measure again"


class TrainingFolder(RunFolder):
    """The folder of a full training.

    Attributes:
        genotype: of the network (JSON).
        checkpoints: the last states of the training.
        history: a JSON line for each epoch.
        data: class names, normalization and numbers of images (JSON).
        pretrained: weights of the backbone from its pretraining, if there was one.
        model: the trained network with its normalization, for Keras.
        network: the same as data, for `rl_nas predict`.
        results: the final measurements (JSON).
        classes: what becomes of each class of the measured splits (JSON); absent if the task tells none.
        examples: held-out images with predictions; absent if the task draws none.
    """

    _FIRST = (*RunFolder._FIRST, "genotype.json")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self.genotype = self.path / "genotype.json"
        self.checkpoints = self.path / "checkpoints"
        self.history = self.path / "history.jsonl"
        self.data = self.path / "data.json"
        self.pretrained = self.path / "pretrained"
        self.model = self.path / "model.keras"
        self.network = NetworkFolder(self.path / NETWORK)
        self.results = self.path / "results.json"
        self.classes = self.path / "classes.json"
        self.examples = self.path / "examples.png"

    def read_results(self) -> dict[str, Any]:
        """The final measurements.

        Raises:
            UsageError: they are absent or broken.
        """
        results: dict[str, Any] = read_json(self.results, RESULTS_FORM, _AGAIN)
        if "views" in results:
            read_json(self.results, {"views": _VIEWS}, _AGAIN)
        return results

    def read_data(self) -> dict[str, Any]:
        """Class names, normalization and numbers of images.

        Raises:
            UsageError: they are absent or broken.
        """
        data: dict[str, Any] = read_json(self.data, _DATA)
        return data

    def files(self) -> dict[str, Path]:
        """Files of a finished run, by description."""
        return {
            "results": self.results,
            **if_there("results by class", self.classes),
            "trained model": self.model,
            **if_there("its predictions", self.examples),
            "genotype": self.genotype,
            "every epoch": self.history,
            "checkpoints": self.checkpoints,
            "settings": self.config,
            "repeat the run": self.flagfile,
        }
