"""A search of the NASNet space whose children take no time: what is left is the search itself."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rl_nas.evaluation.rewards import quality
from rl_nas.execution import Executor
from rl_nas.execution.attempt import Evaluator
from rl_nas.spaces.nasnet import nasnet
from rl_nas.store.trials import TrialStore
from rl_nas.strategies.catalog import STRATEGIES, StrategyOptions
from rl_nas.trial import Measurement


class Spent(NamedTuple):
    """Wall time of a search.

    Attributes:
        whole: seconds.
        store: seconds of it that the store was at work.
    """

    whole: float
    store: float


class TimedStore(TrialStore):
    """A store that tells how long it was at work, in seconds."""

    def __init__(self, path: Path) -> None:
        self.seconds = 0.0
        super().__init__(path)

    def record(self, *arguments: Any) -> None:
        """As in `TrialStore`."""
        started = time.perf_counter()
        super().record(*arguments)
        self.seconds += time.perf_counter() - started

    def save(self, *arguments: Any) -> None:
        """As in `TrialStore`."""
        started = time.perf_counter()
        super().save(*arguments)
        self.seconds += time.perf_counter() - started


def instant() -> Evaluator:
    """An evaluator that takes no time."""
    return lambda job: Measurement(sum(job.architecture) % 97 / 97)


def search_instantly(
    loop: Callable[..., None], strategy: str, executor: Executor, trials: int, batch_size: int
) -> Spent:
    """Searches with a store on the disk of the working folder.

    Args:
        loop: `search` or `search_async`.
        strategy: its name.
        executor: of the children.
        trials: so many.
        batch_size: proposals between two updates.
    """
    space = nasnet(5)
    searching = STRATEGIES[strategy](space, StrategyOptions(), 0)
    searching.propose(1)  # traces what must be traced
    with tempfile.TemporaryDirectory(dir=".") as scratch, TimedStore(Path(scratch) / "trials.sqlite") as store:
        started = time.perf_counter()
        loop(
            searching,
            executor,
            store,
            reward=quality,
            trials=trials,
            batch_size=batch_size,
            seed=0,
            key=space.canonical_key,
        )
        return Spent(time.perf_counter() - started, store.seconds)
