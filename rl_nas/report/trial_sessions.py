"""Trials as rows of TensorBoard's HParams: decisions, costs, rewards."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

from rl_nas.report.event_log import EventLog
from rl_nas.report.tables import trial_row
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.store.files import storage_errors
from rl_nas.trial import Trial

MOST = 1000
"""Rows that TensorBoard shows; no more trials are written."""
_WORDS = ("trial", "state", "attempts", "error")
"""What is no figure in the row of a trial."""


class TrialSessions:
    """Writes a folder for each trial, which TensorBoard takes for a session.

    Args:
        folder: of all sessions.
        space: of the architectures.
    """

    def __init__(self, folder: Path, space: SearchSpace[Any]) -> None:
        self._folder, self._space = folder, space

    def restore(self, trials: Sequence[Trial]) -> None:
        """Writes the trials of a run that is continued, unless they were written before."""
        for trial in trials:
            self.add(trial)

    def add(self, trial: Trial) -> None:
        """Writes a trial, unless it was written before, repeats another one, or is beyond the rows that are shown."""
        folder = self._folder / f"trial-{trial.index:04}"
        if trial.cached or trial.index >= MOST or folder.exists():
            return
        with storage_errors(folder), EventLog(folder) as log:
            choices = self._space.values(trial.architecture)
            log.values([_start(folder.name, choices), _end(trial)], 0)
            if trial.measurement is not None:
                log.scalars(known_figures(trial), 0)


def known_figures(trial: Trial) -> dict[str, float]:
    """The reward, the metrics and the costs of a trial, as far as they are known, by name."""
    return {name: value for name, value in trial_row(trial).items() if name not in _WORDS and value is not None}


def _start(name: str, choices: Mapping[str, str | int]) -> Summary.Value:
    start = SessionStartInfo(group_name=name, start_time_secs=time.time())
    for decision, choice in choices.items():
        if isinstance(choice, str):
            start.hparams[decision].string_value = choice
        else:
            start.hparams[decision].number_value = choice
    return _value(metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start))


def _end(trial: Trial) -> Summary.Value:
    status = api_pb2.STATUS_FAILURE if trial.measurement is None else api_pb2.STATUS_SUCCESS
    end = SessionEndInfo(status=status, end_time_secs=time.time())
    return _value(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end))


def _value(tag: str, data: HParamsPluginData) -> Summary.Value:
    return Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR)
