"""The tables of several searches, side by side."""

from collections.abc import Sequence

from rl_nas.report.page.comparison import SeedGroup, differing_flags
from rl_nas.report.page.run import PageRun
from rl_nas.report.page.table import Cell, Table, number, words

_MOST_FLAGS = 100


def side_by_side(runs: Sequence[PageRun]) -> Table:
    """The searches, one a row."""
    heads = ["run", "children", "failed", "best trial", "reward", "metric", "value", "parameters", "multiply-adds"]
    heads += ["strategy", "data set", "hours"]
    rows = []
    for run in runs:
        failed = sum(trial.measurement is None for trial in run.trials)
        counts = (number(len(run.trials), ",d"), number(failed, ",d"))
        setting = (words(run.flags.get("strategy")), words(run.flags.get("dataset")))
        hours = number(None if run.seconds is None else run.seconds / 3600, ",.2f")
        rows.append([Cell(run.name), *counts, *_best(run), *setting, hours])
    return Table("Side by side", heads, rows)


def _best(run: PageRun) -> list[Cell]:
    """Number, reward, metric, quality and size of the best trial."""
    best = run.best
    if best is None or best.measurement is None:
        return [Cell("-")] * 6
    measured = best.measurement
    figures = (number(measured.quality), number(measured.parameters, ","), number(measured.madds, ","))
    return [number(best.index, "d"), number(best.reward), words(run.quality_name), *figures]


def best_over_seeds(groups: Sequence[SeedGroup]) -> Table | None:
    """Best rewards over repetitions with other seeds; None if no search was repeated."""
    if all(len(group.runs) == 1 for group in groups):
        return None
    rows = []
    for group in groups:
        if len(group.children):
            low, high = group.low[-1], group.high[-1]
            interval = Cell("-") if low != low else Cell(f"{low:.4f} to {high:.4f}")
            seeds, children = number(len(group.runs), "d"), number(int(group.children[-1]), ",d")
            rows.append([Cell(group.name), seeds, children, number(float(group.mean[-1])), interval])
    notes = ["After as many children as the shortest run of a group has; bootstrap over its runs."]
    return Table("Best reward over seeds", ["runs", "seeds", "children", "mean", "95%"], rows, notes)


def differences(runs: Sequence[PageRun]) -> Table | None:
    """The flags in which the searches differ; None if there are none."""
    found = differing_flags(runs)
    if not found:
        return None
    rows = [[words(f"--{flag}"), *map(words, values)] for flag, values in list(found.items())[:_MOST_FLAGS]]
    left = len(found) - len(rows)
    notes = [f"{left} further flags are left out."] if left > 0 else []
    return Table("Settings that differ", ["flag", *(run.name for run in runs)], rows, notes)
