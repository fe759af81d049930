"""What a search needs at its end is tried before its first child; pictures cost no results."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from processes import refuse, run

from rl_nas.child.export.writers import DifferingExportError
from rl_nas.store.trials import read_trials

WORDS = (
    *("search", "--dataset=digits", "--image_size=9", "--epochs=1", "--filters=2", "--cells=1", "--space=nasbench201"),
    *(
        "--train_images=100",
        "--valid_images=50",
        "--executor=inline",
        "--trials=1",
        "--strategy=random",
        "--try_export",
    ),
)


def broken(*unused: Any, **others: Any) -> None:
    raise ImportError("libstdc++.so.6: version `GLIBCXX_3.4.29' not found")


def differs(*unused: Any) -> None:
    raise DifferingExportError(Path("best"), "differs from the network by 2")


@pytest.mark.slow
def test_an_export_that_fails_ends_a_search_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rl_nas.workflows.rehearsal.write_network_files", broken)
    done = refuse(*WORDS, "--run_dir=run", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "rl_nas search: a network of this search cannot be exported, so that it would end without its best one:"
        " ImportError: libstdc++.so.6: version `GLIBCXX_3.4.29' not found; rl_nas doctor checks this machine"
        " (--debug shows where)"
    )
    assert not any(tmp_path.iterdir())


@pytest.mark.long
def test_pictures_and_random_weights_end_no_search_and_resuming_tries_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("rehearsal", "best_files"):
        monkeypatch.setattr(f"rl_nas.workflows.{module}.draw_genotype", broken)
    monkeypatch.setattr("rl_nas.workflows.examples.draw_examples", broken)
    monkeypatch.setattr("rl_nas.workflows.rehearsal.write_network_files", differs)
    done = refuse(*WORDS, "--run_dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    differing = "export: the SavedModel of a sample network differs from the network by 2; its weights were random"
    assert f"{differing}; that of the best one is compared again" in told
    for what in ("a sample network", "the best network", "examples"):
        assert f"{what} cannot be drawn: ImportError: libstdc++.so.6: version `GLIBCXX_3.4.29' not found" in told
    names = {path.name for path in (tmp_path / "run/best").iterdir()}
    assert names == {"genotype.json", "saved_model", "model.keras", "network"}
    assert "its picture" not in done.stdout
    shutil.copytree(tmp_path / "run", tmp_path / "copy")  # this process has the lock of the first
    done = run("search", "--resume", "--run_dir=copy", "--trials=2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not any(line.startswith("export: ") for line in done.stderr.splitlines())
    assert len(read_trials(tmp_path / "copy/trials.sqlite")) == 2
    assert (tmp_path / "copy/best/cell.png").exists()


@pytest.mark.long
def test_the_doctor_forecasts_where_the_export_of_random_weights_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rl_nas.workflows.rehearsal.write_network_files", differs)
    done = refuse("doctor", *WORDS[1:], "--child_seconds=0.01", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    states = {line.split(": ")[0].split()[-1]: line.split()[0] for line in done.stdout.splitlines()}
    assert (states["export"], states["forecast"]) == ("warning", "ok")
    assert "a SavedModel differs from the network by 2; about " in done.stdout
