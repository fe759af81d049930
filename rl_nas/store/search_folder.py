"""The folder of a search."""

import os
from pathlib import Path

from rl_nas.store.network_folder import NETWORK, NetworkFolder
from rl_nas.store.run_folder import RunFolder, if_there

_BEST, _FRONT = "best", "front"


class SearchFolder(RunFolder):
    """The folder of a search.

    Attributes:
        trials: SQLite.
        children: weights of the best children so far, and what becomes of each class (JSON), if the task tells it.
        best: genotype.json, cell.png, saved_model, model.keras, examples.png.
        model: the best child with its normalization, for Keras.
        network: of the best child, as data, for `rl_nas predict`.
        examples: held-out images with the predictions of the best child; absent if the task draws none.
        images: decoded, while the search runs.
        pretraining_images: those that backbones are pretrained on, likewise.
        states: of children whose training may continue, while the search runs.
        pretrained: weights of pretrained backbones, by network.
        shared: state and ranking of a search with shared weights.
        health: figures of the strategy's health, a JSON line for each update.
        decisions: probabilities of choices under the policy, a JSON line for an update; absent if there is none.
        hparams: trials as rows of TensorBoard's HParams.
        time: seconds of all sittings (JSON).
        then: the longer trainings of the best networks, a folder for each, and then.json.
        proxies: what `rl_nas proxy` found (JSON); no search has it.
        warm_start: the networks that the search begins with, by scores of untrained ones (JSON); absent otherwise.
        choice: which trial was chosen as the best when the search ended, and why (JSON).
        confirmed: the further trainings of the best trials (SQLite); absent if there are none.
        arrays: the images, if they came from a Python program: a data set of TFDS.
        front: genotypes of the networks on the front of several objectives; absent if there is one.
        front_json: their figures.
        front_csv: the same as a table.
    """

    _BEFORE = ("arrays",)

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self.trials = self.path / "trials.sqlite"
        self.children = self.path / "children"
        self.best = self.path / _BEST
        self.model = self.best / "model.keras"
        self.network = NetworkFolder(self.best / NETWORK)
        self.examples = self.best / "examples.png"
        self.images = self.path / "images"
        self.pretraining_images = self.path / "pretraining_images"
        self.states = self.path / "states"
        self.pretrained = self.path / "pretrained"
        self.shared = self.path / "shared"
        self.health = self.path / "health.jsonl"
        self.decisions = self.path / "decisions.jsonl"
        self.hparams = self.path / "hparams"
        self.time = self.path / "time.json"
        self.then = self.path / "then"
        self.proxies = self.path / "proxies.json"
        self.warm_start = self.path / "warm_start.json"
        self.choice = self.path / "choice.json"
        self.confirmed = self.path / "confirmed.sqlite"
        self.arrays = self.path / "arrays"
        self.front = self.path / _FRONT
        self.front_json = self.path / "front.json"
        self.front_csv = self.path / "front.csv"

    @property
    def folders(self) -> tuple[Path, ...]:
        """Folders of the children and of the best one."""
        return (self.children, self.best)

    def files(self) -> dict[str, Path]:
        """Files of a finished run, by description."""
        return {
            "best genotype": self.best / "genotype.json",
            **if_there("its picture", self.best / "cell.png"),
            "its SavedModel": self.best / "saved_model",
            "its Keras model": self.model,
            **if_there("its predictions", self.examples),
            "all trials": self.trials,
            "health": self.health,
            "settings": self.config,
            "repeat the run": self.flagfile,
        }


def run_at(place: Path) -> Path:
    """The folder of the run that a folder belongs to: itself, or the one above `best` or `front` of a search."""
    place = place.absolute()
    return place.parent if place.name in (_BEST, _FRONT) and not RunFolder(place).config.exists() else place
