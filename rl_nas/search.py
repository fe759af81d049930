"""The search loop: propose, evaluate, record, observe."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from rl_nas.strategies import Strategy
from rl_nas.trial import Job, Measurement, Outcome, Trial, child_seed


class Executor(Protocol):
    """Runs children. Whatever happens to a child, it ends in an outcome, never in an exception."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        """Yields the outcome of every job, as they finish."""


class Store(Protocol):
    """Keeps finished trials."""

    def recall(self, jobs: Sequence[Job]) -> dict[int, Trial]:
        """The recorded trials among these jobs, by index."""

    def record(self, trial: Trial) -> None:
        """Makes a finished trial durable before it returns."""


Reward = Callable[[Measurement], float]
Watcher = Callable[[Trial, Mapping[str, float]], None]


def search(
    strategy: Strategy,
    executor: Executor,
    store: Store,
    *,
    reward: Reward,
    trials: int,
    batch_size: int,
    seed: int,
    watch: Watcher = lambda trial, diagnostics: None,
) -> None:
    """Runs a search until `trials` children are recorded.

    Trials that the store already holds are not evaluated again: the strategy is shown their record.
    So calling this with the store of a broken run continues it, with the proposals of an unbroken one.

    Args:
        strategy: proposes architectures and learns; fresh, also when a run is continued.
        executor: evaluates them.
        store: keeps the trials.
        reward: what the strategy maximises.
        trials: number of children in all, those of earlier calls included.
        batch_size: children between two updates of the strategy.
        seed: the children's seeds are a function of it and of their number.
        watch: is shown every trial, and the strategy's diagnostics, right after it is recorded.
    """
    for first in range(0, trials, batch_size):
        # A whole batch is proposed even when fewer fit: a run that is prolonged later sees the same proposals.
        proposals = strategy.propose(batch_size)[: trials - first]
        jobs = [Job(i, architecture, child_seed(seed, i)) for i, architecture in enumerate(proposals, first)]
        finished = store.recall(jobs)
        for outcome in executor.run(job for job in jobs if job.index not in finished):
            trial = finish(outcome, reward)
            store.record(trial)
            finished[trial.index] = trial
            watch(trial, strategy.diagnostics())
        strategy.observe([finished[job.index] for job in jobs])


def finish(outcome: Outcome, reward: Reward) -> Trial:
    """The trial that an outcome ends in."""
    job, measurement = outcome.job, outcome.measurement
    value = None if measurement is None else reward(measurement)
    return Trial(job.index, job.architecture, outcome.state, value, measurement, outcome.error)
