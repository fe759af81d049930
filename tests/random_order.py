"""An executor whose children end in random order."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from rl_nas.execution.attempt import attempt
from rl_nas.trial import Job, Measurement, Outcome

Evaluator = Callable[[Job], Measurement]


class RandomOrder:
    """So many workers, whose children end in random order; the run may break off after some."""

    def __init__(self, evaluate: Evaluator, workers: int, seed: int = 0, breaks_after: int | None = None) -> None:
        self._evaluate, self._workers = evaluate, workers
        self._rng, self._left = np.random.default_rng(seed), breaks_after
        self.started: list[Job] = []
        self.idle = 0

    def run(self, jobs: Iterable[Job | None]) -> Iterator[Outcome]:
        jobs, flying = iter(jobs), []
        while True:
            while len(flying) < self._workers and (job := next(jobs, None)) is not None:
                flying.append(job)
                self.started.append(job)
            if not flying:
                return
            self.idle += self._workers - len(flying)
            if self._left == 0:
                raise KeyboardInterrupt
            self._left = None if self._left is None else self._left - 1
            yield attempt(self._evaluate, flying.pop(int(self._rng.integers(len(flying)))))
