"""What searches from Python return, and that they are not silent when nothing succeeds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rl_nas
from rl_nas.loops.updates import Watcher

SPACE = rl_nas.nasnet(1)
LOOPS = pytest.mark.parametrize("loop", [rl_nas.search, rl_nas.search_async], ids=["search", "search_async"])


def searched(
    loop: Callable[..., rl_nas.FinishedSearch], evaluate: Any, trials: int = 6, watcher: Watcher = Watcher()
) -> rl_nas.FinishedSearch:
    with rl_nas.TrialStore(Path(":memory:")) as store:
        return loop(
            rl_nas.AgingEvolution(SPACE, seed=0),
            rl_nas.InlineExecutor(evaluate),
            store,
            reward=lambda measurement: measurement.quality,
            trials=trials,
            batch_size=2,
            seed=0,
            watcher=watcher,
        )


def fails_often(job: rl_nas.Job) -> float:
    if job.index % 3 == 1:
        raise ZeroDivisionError("by zero")
    if job.index == 5:
        raise rl_nas.ChildError(rl_nas.TrialState.OOM, "too large")
    return job.index / 10


def always_fails(job: rl_nas.Job) -> float:
    raise FileNotFoundError("no images here")


@LOOPS
def test_trials_best_and_failures_by_kind(loop: Any) -> None:
    finished = searched(loop, fails_often)
    assert [trial.index for trial in finished.trials] == list(range(6))
    assert finished.best is not None
    assert (finished.best.index, finished.best.reward) == (3, 0.3)
    failures = {str(state): [trial.index for trial in trials] for state, trials in finished.failures.items()}
    assert list(failures.items()) == [("crashed", [1, 4]), ("oom", [5])]
    assert repr(finished) == "<search: 6 trials, failed: 2 crashed, 1 oom; best: trial 3, reward 0.3000>"


@LOOPS
def test_a_search_in_which_all_failed_warns_where_it_was_called(loop: Any) -> None:
    text = "3 trials, failed: 3 crashed; none succeeded, the first: FileNotFoundError: no images here"
    with pytest.warns(RuntimeWarning, match=f"^{text}$") as warned:
        finished = searched(loop, always_fails, trials=3)
    assert [one.filename for one in warned] == [__file__]
    assert (finished.best, str(finished)) == (None, text)


def test_a_watcher_may_tell_it_in_another_way() -> None:
    told: list[rl_nas.FinishedSearch] = []

    class Quiet(Watcher):
        def end(self, finished: rl_nas.FinishedSearch) -> None:
            told.append(finished)

    assert [searched(rl_nas.search, always_fails, trials=1, watcher=Quiet())] == told


def test_nothing_recorded_is_no_failure() -> None:
    assert str(rl_nas.FinishedSearch(())) == "0 trials"
