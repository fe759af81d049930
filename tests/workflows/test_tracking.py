"""Trackers are told of a search, and cannot end it."""

import json
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from classifying import measured

from rl_nas.errors import UsageError
from rl_nas.loops.updates import Watcher
from rl_nas.networks.genotypes import to_json
from rl_nas.spaces.nasnet import nasnet
from rl_nas.spaces.published import PUBLISHED
from rl_nas.store.files import write_text
from rl_nas.trial import Failure, Trial, TrialState
from rl_nas.workflows.tracked_run import TrackedRun
from rl_nas.workflows.tracking import TrackSettings, find_trackers, tracked

SPACE = nasnet(1)
ARCHITECTURE = (0,) * len(SPACE.decisions)
TRIALS = [
    Trial(0, ARCHITECTURE, TrialState.OK, 0.5, measured(0.75, parameters=100)),
    Trial(1, ARCHITECTURE, TrialState.NAN, failures=(Failure(TrialState.NAN, "loss is nan"),)),
]


def needs(package: str) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed: pip install 'rl_nas[{package}]'")


def tracked_run(folder: Path, *, resumed: bool = False) -> TrackedRun:
    (folder / "best").mkdir(parents=True, exist_ok=True)
    if not resumed:
        write_text(folder / "flags.cfg", "")
    write_text(folder / "best/genotype.json", json.dumps(to_json(PUBLISHED["NASNet-A"])))
    return TrackedRun(folder, {"trials": 2, "dataset": "digits", "valid_split": None}, SPACE, resumed)


def follow(name: str, run: TrackedRun, trials: list[Trial], updates: int = 0) -> list[str]:
    """A search that is tracked; returns warnings."""
    warnings: list[str] = []
    with tracked(find_trackers(TrackSettings(track=name)), run, updates, warnings.append) as (watcher,):
        for trial in trials:
            watcher.trial(trial, {})
        watcher.update(0, {"entropy": 2.0})
        watcher.update(1, {"entropy": 1.0})
    return warnings


class Recorder(Watcher):
    """Keeps what it is told; fails in an update, if so told."""

    told: list[Any]
    fails = False

    def __init__(self, run: TrackedRun) -> None:
        type(self).told = [run.folder]

    def __enter__(self) -> Self:
        self.told.append("entered")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.told.append(kind)

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        self.told.append(trial.index)

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        if self.fails:
            raise OSError("no route\nto host")
        self.told.append(figures)


class TestOwn:
    NAME = "test_tracking:Recorder"

    def test_is_told_everything_that_is_new(self, tmp_path: Path) -> None:
        assert follow(self.NAME, tracked_run(tmp_path), TRIALS, updates=1) == []
        assert sys.modules["test_tracking"].Recorder.told == [tmp_path, "entered", 0, 1, {"entropy": 1.0}, None]

    def test_a_failure_is_told_once_and_ends_only_the_tracker(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module: Any = __import__("test_tracking")
        monkeypatch.setattr(module.Recorder, "fails", True)
        assert follow(self.NAME, tracked_run(tmp_path), TRIALS) == [
            f"--track={self.NAME} failed and is told nothing more: OSError: no route"
        ]
        assert module.Recorder.told[-1] is None  # it is left all the same

    def test_learns_how_the_search_ended(self, tmp_path: Path) -> None:
        module: Any = __import__("test_tracking")
        run, found = tracked_run(tmp_path), find_trackers(TrackSettings(track=self.NAME))
        with pytest.raises(KeyboardInterrupt), tracked(found, run, 0, print):
            raise KeyboardInterrupt
        assert module.Recorder.told[-1] is KeyboardInterrupt

    def test_one_that_cannot_begin_is_refused(self, tmp_path: Path) -> None:
        found = find_trackers(TrackSettings(track="test_tracking:cannot_begin"))
        with (
            pytest.raises(
                UsageError, match=r"^--track=test_tracking:cannot_begin cannot begin: OSError: closed; mend that, or"
            ),
            tracked(found, tracked_run(tmp_path), 0, print),
        ):
            pass


def cannot_begin(run: TrackedRun) -> Watcher:
    raise OSError("closed")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mlfow", "unknown --track=mlfow; did you mean mlflow?"),
        ("test_tracking:SPACE", "expected a class called with a rl_nas.TrackedRun"),
        ("test_tracking:needs_two", "expected a class called with a rl_nas.TrackedRun"),
    ],
)
def test_unknown_trackers_are_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        find_trackers(TrackSettings(track=name))
    assert message in str(refused.value)


def needs_two(run: TrackedRun, more: int) -> None: ...


def test_missing_packages_are_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match=r"^--track=wandb needs wandb: pip install .*\[wandb\]'$"):
        find_trackers(TrackSettings(track="wandb"))


@pytest.mark.slow
def test_mlflow_has_flags_trials_and_the_best_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    assert follow("mlflow", tracked_run(tmp_path / "run"), TRIALS[:1]) == []
    assert follow("mlflow", tracked_run(tmp_path / "run", resumed=True), TRIALS[1:], updates=2) == []
    from mlflow.tracking import MlflowClient

    client = MlflowClient()
    experiment = client.get_experiment_by_name("rl_nas").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([experiment])}
    assert runs.keys() == {"run", "trial 0", "trial 1"}
    run = runs["run"]
    assert run.data.params == {"trials": "2", "dataset": "digits"}
    assert run.data.metrics["reward"] == 0.5
    history = client.get_metric_history(run.info.run_id, "strategy/entropy")
    assert [(point.step, point.value) for point in history] == [(0, 2.0), (1, 1.0)]
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"genotype.json", "best.svg"}
    assert (run.info.status, runs["trial 0"].info.status, runs["trial 1"].info.status) == (
        "FINISHED",
        "FINISHED",
        "FAILED",
    )
    assert runs["trial 0"].data.params == {name: str(value) for name, value in SPACE.values(ARCHITECTURE).items()}
    assert runs["trial 0"].data.metrics["accuracy"] == 0.75
    assert runs["trial 1"].data.tags["error"] == "loss is nan"
    assert runs["trial 1"].data.tags["mlflow.parentRunId"] == run.info.run_id


@pytest.mark.long  # by its extra, which only these tests install
def test_wandb_has_flags_and_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    assert follow("wandb", tracked_run(tmp_path / "run"), TRIALS) == []
    assert follow("wandb", tracked_run(tmp_path / "run", resumed=True), TRIALS[1:]) == []
    names = [path.name for path in (tmp_path / "wandb").glob("offline-run-*/*.wandb")]
    assert len(names) == 2
    assert len(set(names)) == 1  # one run, continued
    written = b"".join(path.read_bytes() for path in (tmp_path / "wandb").glob("offline-run-*/*.wandb"))
    for text in (b"strategy/entropy", b"reward", b"decision/normal/0/op1", b"digits"):
        assert text in written
