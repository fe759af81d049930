"""A search in MLflow: a run with the flags and figures, and in it a run for each trial."""

import os
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from mlflow.entities import Metric, Param, RunStatus
from mlflow.tracking import MlflowClient

from rl_nas.loops.finished import FinishedSearch
from rl_nas.loops.updates import Watcher
from rl_nas.networks.genotypes import load
from rl_nas.report.picture import genotype_svg
from rl_nas.report.trial_sessions import known_figures
from rl_nas.store.search_folder import SearchFolder
from rl_nas.trial import Trial
from rl_nas.workflows.tracked_run import TrackedRun

_FOLDER = "rl_nas.run_dir"
"""Tag by which a continued search finds its run."""
_MOST_PARAMS = 100
"""In a request."""


class MlflowTracker(Watcher):
    """Uses the server, or folder, of MLFLOW_TRACKING_URI and the experiment of MLFLOW_EXPERIMENT_NAME, or rl_nas."""

    def __init__(self, run: TrackedRun) -> None:
        self._tracked = run
        self._client = MlflowClient()

    def __enter__(self) -> Self:
        client, name = self._client, os.environ.get("MLFLOW_EXPERIMENT_NAME", "rl_nas")
        experiment = client.get_experiment_by_name(name)
        self._experiment = client.create_experiment(name) if experiment is None else experiment.experiment_id
        folder = str(self._tracked.folder)
        quoted = folder.replace("'", "''")
        found = (
            client.search_runs([self._experiment], f"tags.`{_FOLDER}` = '{quoted}'", max_results=1)
            if self._tracked.resumed
            else []
        )
        run = (
            found[0]
            if found
            else client.create_run(self._experiment, run_name=self._tracked.folder.name, tags={_FOLDER: folder})
        )
        self._run = run.info.run_id
        client.update_run(self._run, status=RunStatus.to_string(RunStatus.RUNNING))
        flags = {key: value for key, value in self._tracked.flags.items() if value is not None}
        self._params(self._run, {key: value for key, value in flags.items() if key not in run.data.params})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        best = SearchFolder(self._tracked.folder).best / "genotype.json"
        if best.exists():
            self._client.log_artifact(self._run, str(best))
            self._client.log_text(self._run, genotype_svg(load(best)), "best.svg")
        status = "FINISHED" if error is None else "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        self._client.set_terminated(self._run, status)

    def trial(self, trial: Trial, figures: Mapping[str, float]) -> None:
        """See `Watcher`."""
        if trial.cached:
            return
        measured = known_figures(trial)
        self._metrics(self._run, measured, trial.index)
        tags = {"mlflow.parentRunId": self._run, "state": str(trial.state), "error": trial.error}
        child = self._client.create_run(self._experiment, run_name=f"trial {trial.index}", tags=tags).info.run_id
        self._params(child, self._tracked.space.values(trial.architecture))
        self._metrics(child, measured, 0)
        self._client.set_terminated(child, "FAILED" if trial.measurement is None else "FINISHED")

    def update(self, number: int, figures: Mapping[str, float]) -> None:
        """See `Watcher`."""
        self._metrics(self._run, {f"strategy/{name}": value for name, value in figures.items()}, number)

    def collapse(self, message: str) -> None:
        """See `Watcher`."""
        self._client.set_tag(self._run, "collapse", message)

    def end(self, finished: FinishedSearch) -> None:
        """Nothing: the search tells its end."""

    def _metrics(self, run: str, figures: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        self._client.log_batch(run, metrics=[Metric(name, value, now, step) for name, value in figures.items()])

    def _params(self, run: str, values: Mapping[str, Any]) -> None:
        params = [Param(name, str(value)) for name, value in values.items()]
        for start in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(run, params=params[start : start + _MOST_PARAMS])
