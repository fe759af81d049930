"""How other figures of a search's children rank them, beside the reward.

    rl_nas search --flagfile=flags/bccd_backbones.cfg --data_dir=FOLDER --run_dir=runs/backbones
    python benchmarks/metric_ranking.py --run_dir=runs/backbones --metrics=pretrained_accuracy,parameters

Rank correlations (Spearman) with the reward over the children that were measured, with 95% bootstrap intervals, and the
place that the best child by each figure has by reward.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from frame import Table, run

from rl_nas.errors import UsageError
from rl_nas.flags.parsing import Command
from rl_nas.settings import Settings, setting
from rl_nas.statistics import correlation, spearman
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import read_trials
from rl_nas.trial import measurement_document

COLUMNS = dict.fromkeys(("figure", "children", "lowest", "highest", "Spearman (95%)", "the best one's place"), str)


@dataclass(frozen=True)
class RankingSettings(Settings):
    """What is compared."""

    title: ClassVar[str] = "Benchmark"

    run_dir: str = setting("runs/backbones", "a search")
    metrics: str = setting("pretrained_accuracy,parameters,madds", "figures of its trials, with commas between")


COMMAND = Command(
    name="python benchmarks/metric_ranking.py",
    summary="compares rankings of a search's children by other figures with that by reward.",
    examples=("python benchmarks/metric_ranking.py --run_dir=runs/backbones --metrics=parameters",),
    groups=(RankingSettings,),
)


def main(argv: Sequence[str]) -> int:
    """Runs the benchmark; returns its exit code."""
    return run(COMMAND, lambda parsed: Table(COLUMNS, list(_rows(parsed.group(RankingSettings)))), argv)


def _rows(settings: RankingSettings) -> Iterator[tuple[Any, ...]]:
    trials = [trial for trial in read_trials(SearchFolder(settings.run_dir).trials) if trial.measurement]
    if not trials:
        raise UsageError(f"{settings.run_dir} has no child that was measured; expected a search with some")
    measured = [measurement_document(trial.measurement) for trial in trials if trial.measurement]
    rewards = np.array([trial.reward for trial in trials], float)
    yield "reward", len(trials), f"{rewards.min():.4f}", f"{rewards.max():.4f}", "-", 1
    for name in (part.strip() for part in settings.metrics.split(",")):
        found = [figures.get(name) for figures in measured]
        if any(not isinstance(value, (int, float)) for value in found):
            known = ", ".join(key for key, value in measured[0].items() if isinstance(value, (int, float)))
            raise UsageError(f"--metrics: no {name!r} in every trial of {settings.run_dir}; expected some of {known}")
        values = np.array(found, float)
        place = 1 + int(np.sum(rewards > rewards[np.argmax(values)]))
        compared = correlation(values, rewards, spearman)
        yield name, len(trials), f"{values.min():,.4g}", f"{values.max():,.4g}", compared, place


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
