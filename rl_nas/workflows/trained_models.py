"""Trained networks on the disk: which files they are, and what is recorded of them. No TensorFlow."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rl_nas.errors import UsageError
from rl_nas.networks.genotypes import load, to_json
from rl_nas.store.json_files import OTHERS, SCALAR, check_form, read_json
from rl_nas.store.network_folder import NETWORK, NetworkFolder
from rl_nas.store.search_folder import SearchFolder, run_at
from rl_nas.store.training_folder import SPLIT_FORM, TrainingFolder
from rl_nas.store.trials import read_trials

METADATA = "metadata.json"
"""Name of the file that describes an export."""
KERAS = "model.keras"
"""Name of a trained network's Keras file."""

_BEST = "best"
_COUNTS = {"size": (str, None), "trainable_parameters": int, "multiply_adds": int}
_METADATA = {
    "network": (str, None),
    "counts": (None, _COUNTS),
    "valid": (None, SPLIT_FORM),
    "final_test": (None, SPLIT_FORM),
    "recipe": {OTHERS: SCALAR},
}


@dataclass(frozen=True)
class TrainedModel:
    """A trained network, and facts that its files alone lack.

    Attributes:
        folder: that it is in.
        file: its model.keras; None: `network` holds it.
        network: as data; None: `file` holds it.
        config: flags of its training, and their signature; None: it is not known.
        results: those that are known of results.json's; for the best child of a search also `found_by`.
    """

    folder: Path
    file: Path | None = None
    network: NetworkFolder | None = None
    config: dict[str, Any] | None = None
    results: dict[str, Any] = field(default_factory=dict)


def find_model(model: str) -> TrainedModel:
    """Finds a trained network.

    Args:
        model: the folder of a search, its `best`, the folder of a training or of an export, or a Keras file.

    Raises:
        UsageError: there is none, or its folder is broken.
    """
    path = Path(model)
    if path.is_file() and path.name != KERAS:
        return TrainedModel(path.parent, path)
    if not path.exists():
        raise UsageError(f"--model={model} {why_none(path)}")
    folder = path if path.is_dir() else path.parent
    search = search_of(folder)
    if search is not None:
        return _of_search(search, model)
    network, training = network_in(folder), TrainingFolder(folder)
    file = training.model if training.model.is_file() else None
    if training.config.exists() and training.results.exists() and (file or network):
        return TrainedModel(folder, file, None if file else network, training.read_config(), training.read_results())
    if network is not None:
        return TrainedModel(folder, None, network, *_exported(folder))
    if file is not None:
        return TrainedModel(folder, file)
    raise UsageError(f"--model={model} {why_none(path)}")


def network_in(folder: Path) -> NetworkFolder | None:
    """The network as data in a folder, or in the `best` of one."""
    places = (folder, folder / NETWORK, folder / _BEST / NETWORK)
    return next((found for found in map(NetworkFolder, places) if found.exists()), None)


def search_of(folder: Path) -> SearchFolder | None:
    """The search whose folder, or whose `best`, this is."""
    search = SearchFolder(run_at(folder))
    return search if search.trials.is_file() else None


def why_none(path: Path) -> str:
    """Why there is no network, and what to do, to follow the path."""
    if not path.exists():
        return "is neither a file nor a folder; expected the folder of a search, a training or an export"
    folder = path if path.is_dir() else path.parent
    search, training = search_of(folder), TrainingFolder(folder)
    if search is not None:
        return (
            "is a search without its best network, which is written when it ends or is stopped: let it end, or give"
            f" rl_nas search --resume --run_dir={search.path}"
        )
    if training.config.exists():
        return f"holds no network yet; for a training, let it end, or give rl_nas train --resume --run_dir={folder}"
    return "holds no network; expected the folder of a search, a training or an export"


def _of_search(folder: SearchFolder, model: str) -> TrainedModel:
    config = folder.read_config()  # which checks the folder
    if not folder.network.exists():
        raise UsageError(f"--model={model} {why_none(folder.path)}")
    genotype = folder.best / "genotype.json"
    number = read_json(genotype, {"found_by": {"trial": int}})["found_by"]["trial"]
    measured = next((trial.measurement for trial in read_trials(folder.trials) if trial.index == number), None)
    results: dict[str, Any] = {"genotype_name": f"Trial {number} of a search", "genotype": to_json(load(genotype))}
    if measured is not None:
        results["found_by"] = {"trial": number, "epochs": measured.epochs or config["flags"].get("epochs")}
        results["valid"] = dict(measured.metrics) or {"quality": measured.quality}
        if measured.parameters is not None and measured.madds is not None:
            counts = {"trainable_parameters": measured.parameters, "multiply_adds": measured.madds}
            results["network"] = {"size": None, **counts}
    return TrainedModel(folder.path, None, folder.network, config, results)


def _exported(folder: Path) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The config and the results that an export records; none of a network without them."""
    if not (folder / METADATA).is_file():
        return None, {}
    path, again = folder / METADATA, "export the network again"
    document = {"genotype": None, "found_by": None, **read_json(path, _METADATA, again)}  # 0.1.0 wrote none
    check_form(document, {"found_by": (None, {"trial": int, "epochs": (int, None)})}, path, again)
    results = {"genotype_name": document["network"], "network": document["counts"]}
    results |= {name: document[name] for name in ("genotype", "valid", "final_test", "found_by")}
    flags = document["recipe"]
    return {"flags": flags, "signature": document.get("signature")} if flags else None, results
