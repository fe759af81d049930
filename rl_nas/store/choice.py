"""Which trial of a run is its best one, and why: recorded when a search ends, so that all readers name the same."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rl_nas.errors import UsageError
from rl_nas.store.files import write_text
from rl_nas.store.json_files import read_json
from rl_nas.store.search_folder import SearchFolder
from rl_nas.trial import Trial, best_trials

REWARD, MODEL, CONFIRMED = "reward", "model", "confirmed"
"""What a trial is chosen by: its reward, the one that a model expects, or the mean of further trainings."""

FEWEST = 50
"""Fewest successful trials that a model is asked about: of fewer it takes what is noise for knowledge."""

MOST_SEEDS = 1000
"""Further trainings of a trial."""

_NUMBER = (float, None)
_FORM = {
    "trial": int,
    "by": str,
    "trials": int,
    "highest": int,
    "next": (int, None),
    "expected": _NUMBER,
    "lead": _NUMBER,
    "lead_deviation": _NUMBER,
    "noise": _NUMBER,
    "confirmed": [{"trial": int, "rewards": [float]}],
}
_HINT = "delete the file, and the trial with the highest reward counts as the best"


@dataclass(frozen=True)
class Confirmed:
    """A trial that was trained again.

    Attributes:
        trial: its number.
        rewards: of the further trainings.
    """

    trial: int
    rewards: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the further trainings."""
        return sum(self.rewards) / len(self.rewards)


@dataclass(frozen=True)
class Choice:
    """Why a trial is the best of a run.

    Attributes:
        trial: its number.
        by: `REWARD`, `MODEL` or `CONFIRMED`.
        trials: recorded ones that it was chosen from.
        highest: number of the trial with the highest reward.
        next: number of the trial that comes after it; None: there is no other.
        expected: reward of the chosen one: its own, the model's, or the mean of the further trainings.
        lead: of that over the next one's.
        lead_deviation: standard deviation of the lead; None: not known.
        noise: standard deviation of one reward, if trainings are repeated; None: not known.
        confirmed: the trials that were trained again, the best mean first.
    """

    trial: int
    by: str
    trials: int
    highest: int
    next: int | None = None
    expected: float | None = None
    lead: float | None = None
    lead_deviation: float | None = None
    noise: float | None = None
    confirmed: tuple[Confirmed, ...] = ()


def write_choice(folder: SearchFolder, choice: Choice) -> None:
    """Records a choice; raises `StorageError` if it cannot be written."""
    write_text(folder.choice, json.dumps(asdict(choice), indent=2) + "\n")


def read_choice(folder: SearchFolder, trials: Sequence[Trial]) -> Choice | None:
    """The recorded choice among the trials of a run; None: there is none, or trials have been added since.

    Raises:
        UsageError: the record is broken, or names a trial that has not succeeded.
    """
    if not folder.choice.exists():
        return None
    document = read_json(folder.choice, _FORM, _HINT)
    confirmed = tuple(Confirmed(one["trial"], tuple(one["rewards"])) for one in document["confirmed"])
    choice = Choice(**{name: document[name] for name in _FORM} | {"confirmed": confirmed})
    if choice.trials != len(trials):
        return None
    numbers = [choice.expected, choice.lead, choice.lead_deviation, choice.noise]
    numbers += [reward for one in confirmed for reward in (*one.rewards, *([] if one.rewards else [math.nan]))]
    succeeded = {trial.index for trial in trials if trial.reward is not None}
    named = {choice.trial, choice.highest, *(one.trial for one in confirmed)} | ({choice.next} - {None})
    finite = all(number is None or math.isfinite(number) for number in numbers)
    if choice.by not in (REWARD, MODEL, CONFIRMED) or not named <= succeeded or not finite:
        raise UsageError(f"{folder.choice} is no choice among the {len(trials)} trials of the run; {_HINT}")
    return choice


def best_of(trials: Sequence[Trial], choice: Choice | None) -> Trial | None:
    """The best trial: the chosen one, else that with the highest reward; None: none succeeded."""
    chosen = (trial for trial in trials if choice is not None and trial.index == choice.trial)
    return next(chosen, None) or next(iter(best_trials(trials, 1)), None)
