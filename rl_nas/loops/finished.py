"""What a search leaves when it ends."""

from collections.abc import Mapping
from dataclasses import dataclass

from rl_nas.trial import Trial, TrialState, best_trials


@dataclass(frozen=True, repr=False)
class FinishedSearch:
    """The trials of a search that has ended.

    Attributes:
        trials: all in its store, in the order of their numbers.
    """

    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial | None:
        """The trial with the highest reward, of equals the earlier; None: all failed."""
        return next(iter(best_trials(self.trials, 1)), None)

    @property
    def failures(self) -> Mapping[TrialState, tuple[Trial, ...]]:
        """The failed trials by kind, the most frequent first."""
        kinds = {state: tuple(t for t in self.trials if t.state is state) for state in TrialState}
        failed = [state for state in kinds if kinds[state] and state is not TrialState.OK]
        return {state: kinds[state] for state in sorted(failed, key=lambda state: -len(kinds[state]))}

    def __str__(self) -> str:
        counts = ", ".join(f"{len(trials)} {state}" for state, trials in self.failures.items())
        text = f"{len(self.trials)} trials{f', failed: {counts}' if counts else ''}"
        if self.best is not None:
            return f"{text}; best: trial {self.best.index}, reward {self.best.reward:.4f}"
        return f"{text}; none succeeded, the first: {self.trials[0].error}" if self.trials else text

    def __repr__(self) -> str:
        return f"<search: {self}>"
