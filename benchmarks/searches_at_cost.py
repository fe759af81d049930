"""Searches compared at equal cost of their children: the best whole training after so many epochs, or seconds.

    rl_nas search --flagfile=flags/cifar10_small.cfg --early_stop_rule=record --seed=0 --run_dir=runs/rules/record-0
    rl_nas search --flagfile=flags/cifar10_small.cfg --early_stop_rule=asha --seed=0 --run_dir=runs/rules/asha-0
    python benchmarks/searches_at_cost.py --runs=runs/rules --by=early_stop_rule --costs=60,120

Searches with the same value of the flag --by are runs of one setting. Children count in the order of their numbers,
each with all that it cost, stopped ones too; the best is that of those that were trained for all epochs. Searches that
were asked for --confirm tell how good their best is with other seeds. Intervals are those of the mean over runs.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from executors import numbers_of
from frame import Table, estimate_text, run

from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command, Parsed
from rl_nas.settings import Settings, setting
from rl_nas.statistics import Estimate, estimate
from rl_nas.store.choice import CONFIRMED, read_choice
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import read_trials
from rl_nas.trial import Measurement, Trial


@dataclass(frozen=True)
class CostSettings(Settings):
    """What is compared."""

    title: ClassVar[str] = "Comparison"

    runs: str = setting("runs", "a folder of searches")
    by: str = setting("early_stop_rule", "a flag of theirs, whose values are compared")
    unit: str = setting(
        "epochs", "of the cost: seconds hold the building of children too", choices=("epochs", "seconds")
    )
    costs: str = setting("60,120", "of all children of a search together, with commas between")


COMMAND = Command(
    name="python benchmarks/searches_at_cost.py",
    summary="compares searches at equal cost of their children.",
    examples=("python benchmarks/searches_at_cost.py --runs=runs/strategies --by=strategy --unit=seconds --costs=600",),
    groups=(CostSettings,),
)


class Search(NamedTuple):
    """A search, or the beginning of one.

    Attributes:
        trials: in the order of their numbers.
        epochs: of a whole training.
        confirmed: mean reward of its best with other seeds; None: it was not asked for.
    """

    trials: Sequence[Trial]
    epochs: int
    confirmed: float | None

    @property
    def whole(self) -> list[float]:
        """Rewards of the trials that were trained to the end."""
        measured = [(trial.reward, trial.measurement) for trial in self.trials]
        return [reward for reward, one in measured if reward is not None and one and one.epochs == self.epochs]

    def within(self, cost: int, unit: str) -> "Search":
        """Its first trials, as many as cost no more.

        Raises:
            UsageError: all trials together cost less.
        """
        spent = np.cumsum([_cost(trial.measurement, unit) for trial in self.trials])
        if not len(spent) or spent[-1] < cost:
            total = spent[-1] if len(spent) else 0
            raise UsageError(f"--costs={cost}: a search of {len(spent)} children cost {total:g} {unit}; give less")
        return self._replace(trials=[trial for trial, total in zip(self.trials, spent, strict=True) if total <= cost])


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, _table, argv)


def _table(parsed: Parsed) -> Table:
    settings = parsed.group(CostSettings)
    costs = sorted(numbers_of("costs", settings.costs))
    columns = dict.fromkeys((settings.by, "runs", "children", "whole trainings"), str)
    estimates = [f"after {cost} {settings.unit}" for cost in costs] + ["confirmed"]
    return Table({**columns, **dict.fromkeys(estimates, estimate_text)}, list(_rows(settings, costs)))


def _rows(settings: CostSettings, costs: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    for value, searches in searches_by(Path(settings.runs), settings.by).items():
        parts = [[search.within(cost, settings.unit) for search in searches] for cost in costs]
        children, whole = np.mean([(len(one.trials), len(one.whole)) for one in parts[-1]], axis=0)
        best = [_over([max(one.whole, default=None) for one in of]) for of in parts]
        confirmed = _over([search.confirmed for search in searches])
        yield value, len(searches), f"{children:.0f}", f"{whole:.0f}", *best, confirmed


def searches_by(folder: Path, flag: str) -> dict[str, list[Search]]:
    """The searches in a folder by the value of a flag.

    Raises:
        UsageError: there are none, or they have no such flag.
    """
    found: dict[str, list[Search]] = {}
    for one in map(SearchFolder, sorted(path.parent for path in folder.glob("*/config.json"))):
        flags = one.read_config()["flags"]
        if flag not in flags:
            raise UsageError(f"--by={flag}: {one.path} has no such flag; expected one of `rl_nas search`")
        trials = sorted(read_trials(one.trials), key=lambda trial: trial.index)
        choice = read_choice(one, trials)
        confirmed = choice.expected if choice is not None and choice.by == CONFIRMED else None
        found.setdefault(str(flags[flag]), []).append(Search(trials, flags["epochs"], confirmed))
    if not found:
        raise UsageError(f"--runs={folder}: there is no search in it; expected a folder of runs")
    return found


def _cost(measurement: Measurement | None, unit: str) -> float:
    return float((measurement and getattr(measurement, unit)) or 0.0)


def _over(values: Sequence[float | None]) -> Estimate | None:
    known = [value for value in values if value is not None]
    return estimate(np.array(known)) if known and len(known) == len(values) else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
