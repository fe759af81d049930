"""`rl_nas search --objectives` and limits, from flags to the files of the front."""

import csv
import functools
import json
from pathlib import Path

import pytest
from processes import run
from searches import rows

from rl_nas.__main__ import main
from rl_nas.networks.genotypes import load
from rl_nas.workflows.origin import Origin

TINY = (
    *("--flagfile=flags/digits.cfg", "--space=nasbench201", "--filters=4", "--epochs=1", "--batch_size=240"),
    *("--seed=2", "--executor=inline"),
)
search = functools.partial(run, "search")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("objectives")
    done = search(
        *(*TINY, f"--run_dir={base / 'run'}"),
        *("--trials=6", "--update_every=2", "--strategy=gp", "--objectives=quality,tflite_size,peak_memory"),
        *("--max_tflite_kib=1000", "--max_latency_ms=10000", "--max_params=1000000", "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert "100 of 100 random networks of --space=nasbench201 are within --max_params=1000000" in done.stderr
    assert len(json.loads(done.stdout)["front"]) >= 1
    return base / "run"


@pytest.mark.long
def test_the_front_is_written_and_leads_to_the_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    front = json.loads((folder / "front.json").read_text())
    assert front["objectives"] == ["quality", "tflite_size", "peak_memory"]
    recorded = {row["number"]: row for row in rows(folder)}
    for network in front["networks"]:
        row = recorded[network["trial"]]
        assert all(network[name] == row[name] for name in front["objectives"])
        assert 0 < row["tflite_size"] < 1000 * 1024
        assert 0 < row["latency"] < 10
        genotype = folder / network["genotype"]
        load(genotype)
        origin = Origin.of(str(genotype))
        assert origin is not None
        assert origin.folder.path == folder
    assert {path.name for path in (folder / "front").iterdir()} == {
        f"{network['trial']}.genotype.json" for network in front["networks"]
    }
    with (folder / "front.csv").open() as file:
        assert [int(row["trial"]) for row in csv.DictReader(file)] == [one["trial"] for one in front["networks"]]
    assert main(["runs", str(folder), "--front", "--json"]) == 0
    assert [one["index"] for one in json.loads(capsys.readouterr().out)] == [one["trial"] for one in front["networks"]]
    assert main(["runs", str(folder)]) == 0
    assert "The front of quality, tflite_size, peak_memory: " in capsys.readouterr().out


@pytest.mark.long
def test_a_run_in_which_nothing_is_within_says_so(tmp_path: Path) -> None:
    done = search(*(*TINY, f"--run_dir={tmp_path / 'run'}"), *("--trials=2", "--strategy=random", "--max_tflite_kib=1"))
    assert done.returncode == 1
    assert "no network is within the limits; the first of 2: " in done.stderr
    assert "KiB as a TFLite model; --max_tflite_kib=1; give more" in done.stderr
    assert [row["state"] for row in rows(tmp_path / "run")] == ["over_limit"] * 2
