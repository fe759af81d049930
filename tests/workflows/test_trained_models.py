"""Where a trained network is found, and what is known of it, for `rl_nas export` and `rl_nas predict`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_nas.commands.export import EXPORT
from rl_nas.errors import UsageError
from rl_nas.flags.parsing import parse
from rl_nas.networks.genotypes import to_json
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.network_folder import NetworkFolder
from rl_nas.store.run_folder import RunFolder
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import TrialStore
from rl_nas.trial import Measurement, Trial, TrialState
from rl_nas.workflows.export_source import ExportSource
from rl_nas.workflows.predict_source import PredictSource
from rl_nas.workflows.trained_models import find_model
from rl_nas.workflows.trust import signed

NETWORK: dict[str, Any] = {
    "task": "classification",
    "classes": ["a", "b"],
    "settings": {},
    "mean": [0.0],
    "deviation": [1.0],
    "middle": False,
    "extras": {},
    "plan": None,
    "keras": {},
}
FLAGS = {"dataset": "digits", "image_size": "8x12", "epochs": 7, "task": "classification", "valid_fraction": 0.25}
METRICS = {"accuracy": 0.75, "loss": 0.5}
RESULTS: dict[str, Any] = {
    "genotype_name": "x",
    "train": {"images": 3},
    "valid": {"split": "valid", "images": 3, "accuracy": 0.5},
    "network": {"size": None, "trainable_parameters": 1, "multiply_adds": 2},
    "epochs": 1,
    "seconds": 1,
    "final_test": None,
}


def write_network(folder: Path) -> None:
    NetworkFolder(folder / "network").write(NETWORK, {"x": np.zeros(1)})


def write_config(folder: Path, **flags: Any) -> None:
    folder.mkdir(exist_ok=True)
    RunFolder(folder).write_config(signed({"flags": FLAGS | flags}))


@pytest.fixture
def search(tmp_path: Path) -> Path:
    """A search that has ended, whose best child is the second one."""
    write_config(tmp_path / "search")
    folder = SearchFolder(tmp_path / "search")
    write_network(folder.best)
    genotype = {**to_json(PUBLISHED["NASNet-A"]), "found_by": {"trial": 1, "reward": 0.75}}
    (folder.best / "genotype.json").write_text(json.dumps(genotype))
    with TrialStore(folder.trials) as store:
        for number in range(2):
            measured = Measurement(0.75, METRICS, parameters=10 + number, madds=20, epochs=3)
            store.record(Trial(number, (0,), TrialState.OK, 0.5, measured))
    return folder.path


@pytest.fixture
def training(tmp_path: Path) -> Path:
    folder = tmp_path / "training"
    write_config(folder)
    write_network(folder)
    (folder / "model.keras").touch()
    (folder / "results.json").write_text(json.dumps(RESULTS))
    return folder


def write_export(folder: Path, source: ExportSource) -> Path:
    """The files of an export that count here."""
    results, config = source.model.results, source.model.config or {}
    facts = {"network": "x", "counts": results.get("network"), "valid": None, "final_test": None}
    found = {name: results.get(name) for name in ("found_by", "genotype")}
    write_network(folder)
    (folder / "model.keras").touch()
    document = {**facts, **found, "recipe": source.flags, "signature": config.get("signature")}
    (folder / "metadata.json").write_text(json.dumps(document))
    return folder


def source_of(path: Path, **flags: Any) -> ExportSource:
    return ExportSource(str(path), {**parse(EXPORT, []).values, **flags}, flags.keys())


@pytest.mark.parametrize("place", [".", "best", "best/model.keras"])
def test_the_best_child_of_a_search(search: Path, place: str) -> None:
    (search / "best/model.keras").touch()
    source = source_of(search / place)
    assert source.model.file is None
    assert source.model.network is not None
    assert source.model.network.path == search / "best/network"
    assert source.model.results["found_by"] == {"trial": 1, "epochs": 3}
    assert source.model.results["valid"] == METRICS
    assert source.model.results["network"] == {"size": None, "trainable_parameters": 11, "multiply_adds": 20}
    assert source.model.results["genotype"] == to_json(PUBLISHED["NASNet-A"])
    assert (source.data.dataset, source.data.image_size, source.data.valid_fraction) == ("digits", "8x12", 0.25)
    assert PredictSource(str(search / place), None, trust=False).class_names == ["a", "b"]


def test_in_the_working_folder(search: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (search, search / "best"):
        monkeypatch.chdir(place)
        assert find_model(".").results["found_by"]["trial"] == 1


@pytest.mark.parametrize("place", [".", "model.keras"])
def test_a_training(training: Path, place: str) -> None:
    source = source_of(training / place)
    assert source.model.file == training / "model.keras"
    assert source.model.results == RESULTS
    assert source.data.image_size == "8x12"
    assert PredictSource(str(training / place), None, trust=False).class_names == ["a", "b"]


@pytest.mark.parametrize("place", [".", "network", "model.keras"])
def test_an_export_knows_what_it_was_made_of(search: Path, tmp_path: Path, place: str) -> None:
    again = source_of(write_export(tmp_path / "exported", source_of(search)) / place, dataset="digits")
    assert again.model.network is not None
    assert again.model.network.path == tmp_path / "exported/network"
    assert PredictSource(str(tmp_path / "exported" / place), None, trust=False).class_names == ["a", "b"]
    if place != "network":
        assert again.data.image_size == "8x12"
        assert again.model.results["found_by"] == {"trial": 1, "epochs": 3}
        assert source_of(tmp_path / "exported").own_data


def test_an_export_leads_no_further_than_its_run(search: Path, tmp_path: Path) -> None:
    write_config(search, dataset=f"folder:{tmp_path}/photos")
    exported = write_export(tmp_path / "exported", source_of(search))
    assert source_of(exported).data.dataset == f"folder:{tmp_path}/photos"
    document = json.loads((exported / "metadata.json").read_text())
    document["recipe"]["dataset"] = "folder:/etc"
    (exported / "metadata.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match="which you did not start here, has --dataset=folder:/etc"):
        source_of(exported)
    assert source_of(exported, dataset="folder:/srv").data.dataset == "folder:/srv"


def test_a_strangers_search_leads_nowhere(search: Path) -> None:
    (search / "config.json").write_text(json.dumps({"flags": {"dataset": "folder:/etc"}}))
    with pytest.raises(UsageError, match="which you did not start here, has --dataset=folder:/etc"):
        source_of(search)


def test_a_file_of_another_name_is_no_part_of_a_run(training: Path, search: Path) -> None:
    for folder in (training, search):
        (folder / "other.keras").touch()
        with pytest.raises(UsageError, match="does not say what it was trained on: give its data set with --dataset"):
            source_of(folder / "other.keras")
        model = source_of(folder / "other.keras", dataset="digits").model
        assert (model.file, model.network, model.results) == (folder / "other.keras", None, {})


@pytest.mark.parametrize("find", [find_model, lambda model: PredictSource(model, None, trust=False)])
def test_what_is_no_network_says_why(
    find: Any, training: Path, search: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path | str) -> str:
        with pytest.raises(UsageError, match=r"^--model=") as raised:
            find(str(path))
        return str(raised.value)

    monkeypatch.chdir(training)
    assert "is neither a file nor a folder" in refused("absent")
    (tmp_path / "empty").mkdir()
    assert "holds no network; expected the folder of a search, a training or an export" in refused(tmp_path / "empty")
    (search / "best/network/network.json").unlink()
    for place in (search, search / "best"):
        assert refused(place).endswith(f"let it end, or give rl_nas search --resume --run_dir={search}")
    for name in ("model.keras", "network/network.json", "results.json"):
        (training / name).unlink()
    assert refused(training).endswith(f"let it end, or give rl_nas train --resume --run_dir={training}")
