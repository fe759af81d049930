"""What a search writes for pictures while it runs."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from classifying import measured
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from rl_nas.report.health_log import BEST_CELLS, HealthLog
from rl_nas.report.trial_sessions import MOST
from rl_nas.spaces.nasnet import nasnet
from rl_nas.store.decision_log import read_decision_log
from rl_nas.store.search_folder import SearchFolder
from rl_nas.strategies.random_search import RandomSearch
from rl_nas.trial import Trial, TrialState
from rl_nas.workflows import search_watchers
from rl_nas.workflows.search_watchers import PictureWatcher

SPACE = nasnet(1)
RNG = np.random.default_rng(0)


class Policy(RandomSearch):
    """A strategy that says how likely it makes its choices."""

    def choice_probabilities(self) -> list[np.ndarray]:
        return [decision.probabilities for decision in SPACE.decisions]


def trial(index: int, **others: Any) -> Trial:
    return Trial(index, SPACE.sample(RNG), TrialState.OK, 0.5, measured(0.5), **others)


@pytest.fixture
def folder(tmp_path: Path) -> SearchFolder:
    return SearchFolder(tmp_path)


def watch(folder: SearchFolder, strategy: Any, log: HealthLog, told: list[str], best: Any = None) -> PictureWatcher:
    return PictureWatcher(folder, SPACE, strategy, best or SimpleNamespace(trial=None), log, told.append)


def test_the_limit_of_rows_is_told_once(folder: SearchFolder) -> None:
    told: list[str] = []
    with HealthLog(folder.health, folder.tensorboard) as log:
        watcher = watch(folder, RandomSearch(SPACE, 0), log, told)
        for one in (trial(0), trial(MOST - 1), trial(MOST), trial(MOST, cached=True), trial(MOST + 1)):
            watcher.trial(one, {})
    assert told == ["TensorBoard's HParams shows at most 1,000 rows: hparams/ holds the first 1,000 trials"]
    assert sorted(path.name for path in folder.hparams.iterdir()) == ["trial-0000", "trial-0999"]


def test_probabilities_are_those_of_strategies_with_a_policy(folder: SearchFolder) -> None:
    with HealthLog(folder.health, folder.tensorboard) as log:
        watch(folder, RandomSearch(SPACE, 0), log, []).update(0, {})
        assert not folder.decisions.exists()
        watcher = watch(folder, Policy(SPACE, 0), log, [])
        for number in (0, 0, 1):  # a continued run repeats some
            watcher.update(number, {})
    assert [line.update for line in read_decision_log(folder.decisions)] == [0, 1]
    assert read_decision_log(folder.decisions)[0].probabilities[0] == [0.5, 0.5]


def test_the_best_network_so_far_is_drawn_when_it_is_another(
    folder: SearchFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_watchers, "_PAUSE", -1)
    best = SimpleNamespace(trial=trial(3))
    with HealthLog(folder.health, folder.tensorboard) as log:
        watcher = watch(folder, RandomSearch(SPACE, 0), log, [], best)
        watcher.update(0, {})  # it was drawn in the earlier part of the run
        best.trial = trial(7)
        watcher.update(1, {})
        watcher.update(2, {})
    events = EventAccumulator(str(folder.tensorboard), {"images": 0})
    events.Reload()
    assert [event.step for event in events.Images(BEST_CELLS)] == [7]
