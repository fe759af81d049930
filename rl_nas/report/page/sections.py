"""The parts of the page: what is said of each run, and the charts with their captions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import family_of
from rl_nas.report.page import charts
from rl_nas.report.page.choices import decisions_worth
from rl_nas.report.page.classes import FEW_CLASSES, class_caption, class_chart
from rl_nas.report.page.comparison import SeedGroup
from rl_nas.report.page.controller import decision_map, decisions_chart
from rl_nas.report.page.curves import reward_curves
from rl_nas.report.page.facts import tables
from rl_nas.report.page.pareto import COSTS, front
from rl_nas.report.page.pictures import genotype_picture, png_picture
from rl_nas.report.page.random_search import RandomSearch
from rl_nas.report.page.run import PageRun
from rl_nas.report.page.table import Table
from rl_nas.report.page.verdict import Verdict, verdict
from rl_nas.report.tables import counted
from rl_nas.trial import Trial, best_trials

_PICTURES = 3
_MOST_RUNS_WITH_PICTURES = 10
_HEALTH = ("entropy", "unique_fraction", "top_fraction", "baseline", "population_mean", "population_best")
"""Figures of a strategy that have a chart, where it has them."""
_MOST_DECISIONS = 60
_FEW = 100
"""Children below which importance is told to be chance."""


@dataclass(frozen=True)
class Picture:
    """A network on the page: its trial, the address of its picture, and the genotype as text."""

    trial: int
    heading: str
    address: str
    text: str


@dataclass(frozen=True)
class RunSection:
    """What the page says of a run."""

    number: int
    name: str
    verdict: Verdict
    tables: Sequence[Table]
    pictures: Sequence[Picture]
    examples: str | None
    notes: Sequence[str]


@dataclass(frozen=True)
class Chart:
    """A chart with its heading and the sentence below it; small ones stand side by side.

    Attributes:
        menu: parts of its rows, of which a menu shows one at a time, the first one to begin with: each a name, the
            first row, the row after the last, and the labels of the rows.
    """

    name: str
    title: str
    caption: str
    drawn: Any = field(repr=False)
    small: bool = False
    menu: Sequence[Mapping[str, Any]] = ()


def run_section(run: PageRun, number: int, *, single: bool) -> RunSection:
    """Everything but the charts of a run."""
    count = _PICTURES if single else int(number < _MOST_RUNS_WITH_PICTURES)
    pictures, notes = [], list(run.notes)
    for trial in best_trials(run.trials, count):
        try:
            pictures += _pictures(run, trial)
        except UsageError as error:
            notes.append(f"No picture of trial {trial.index}: {error}.")
            break
    examples = None if run.examples is None else png_picture(run.examples)
    return RunSection(number, run.name, verdict(run), tables(run), pictures, examples, notes)


def _pictures(run: PageRun, trial: Trial) -> list[Picture]:
    if run.decode is None:
        return []
    genotype = run.decode(trial)
    heading = f"Trial {trial.index}, reward {trial.reward:.4f}"
    return [Picture(trial.index, heading, genotype_picture(genotype), family_of(genotype).text(genotype))]


def charts_of_one(run: PageRun, random: RandomSearch | None) -> list[Chart]:
    """The charts of a single run that it has something for."""
    if not run.trials:
        return []
    caption = "Each point is a child; a click shows it below."
    if random is not None:
        of = "its own children in other orders" if random.own else f"the first {random.drawn} children"
        caption += f" The grey band is where 95% of random searches would be, computed from {of}."
    made = [
        Chart(
            "reward",
            "Reward over children",
            caption,
            charts.reward_chart(reward_curves(run.trials), random, len(run.trials)),
        )
    ]
    return [*made, *_fronts(run), *_choices(run), *_health(run), *_decisions(run), *_curves(run), *_classes(run)]


def charts_of_several(runs: Sequence[PageRun], groups: Sequence[SeedGroup]) -> list[Chart]:
    """The charts that compare runs."""
    repeated = any(len(group.runs) > 1 for group in groups)
    caption = "Means over seeds with 95% intervals." if repeated else "No run is repeated with another seed."
    made = [Chart("seeds", "Best reward so far", caption, charts.seeds_chart(groups))]
    caption = "Each point is a child, coloured as the runs above; a click shows it below."
    children = sum(len(run.trials) for run in runs)
    made.append(Chart("reward", "Reward over children", caption, charts.reward_chart(None, None, children)))
    for cost in COSTS:
        if any(front(run.trials, cost) for run in runs):
            drawn = charts.front_chart(cost, "quality", (), children)
            made.append(Chart(f"front-{cost}", f"Quality and {COSTS[cost].partition(',')[0]}", "", drawn, small=True))
    return made


def _fronts(run: PageRun) -> list[Chart]:
    made = []
    for cost, words in COSTS.items():
        found = front(run.trials, cost)
        if found:
            quality, name = run.quality_name.replace("_", " "), words.partition(",")[0]
            drawn = charts.front_chart(cost, quality, found, len(run.trials))
            caption = f"The line is the front: {len(found)} networks that none beats with fewer or equal {name}."
            made.append(Chart(f"front-{cost}", f"Quality and {name}", caption, drawn, small=True))
    return made


def _choices(run: PageRun) -> list[Chart]:
    worth = [] if run.space is None else decisions_worth(run.trials, run.space)
    if not any(one.importance for one in worth):
        return []
    caption = (
        "Share of the variance of rewards that a decision explains alone, corrected for the number of its choices;"
        " what decisions do together is not in it."
    )
    if sum(trial.reward is not None for trial in run.trials) < _FEW:
        caption += " Of so few children, much of it is chance."
    means = "Darker is worse. A strategy that has learned tries good choices together: no choice is judged alone."
    return [
        Chart("importance", "Importance of decisions", caption, charts.importance_chart(worth), small=True),
        Chart("choices", "Mean reward of choices", means, charts.choices_chart(worth), small=True),
    ]


def _health(run: PageRun) -> list[Chart]:
    if len(run.health) < 2:
        return []
    names = [name for name in _HEALTH if sum(name in line for line in run.health) > 1]
    made = [
        Chart(f"health-{name}", name.replace("_", " ").capitalize(), "", charts.health_chart(run.health, name), True)
        for name in names
    ]
    decisions = [] if run.space is None else run.space.decisions
    most = {f"entropy/{one.name}": float(np.log(len(one.choices))) for one in decisions if len(one.choices) > 1}
    shown = dict(islice(((n, v) for n, v in most.items() if any(n in line for line in run.health)), _MOST_DECISIONS))
    if shown:
        caption = "Entropy of each decision as a share of the largest: light is undecided, dark is decided."
        made.append(Chart("entropies", "Decisions of the controller", caption, charts.entropy_chart(run.health, shown)))
    return made


def _decisions(run: PageRun) -> list[Chart]:
    found = decision_map(run)
    if found is None:
        return []
    caption = "The policy after updates: light is likely; a decision that has no effect is blank."
    if len(found.updates) < len(run.decisions):
        caption += f" Of {len(run.decisions)} updates {len(found.updates)} are shown."
    if found.left_out:
        caption += f" The last {counted(found.left_out, 'decision')} of the space are left out."
    drawn = decisions_chart(found)
    return [Chart("decisions", "Probabilities of choices", caption, drawn, menu=found.menu())]


def _curves(run: PageRun) -> list[Chart]:
    if not any(trial.measurement and len(trial.measurement.curve) > 1 for trial in run.trials):
        return []
    drawn = charts.curves_chart(run.trials, run.quality_name.replace("_", " "))
    return [Chart("curves", "Children while they were trained", "At most 200 children.", drawn)]


def _classes(run: PageRun) -> list[Chart]:
    made = []
    for place, measured in enumerate(run.classes):
        drawn = class_chart(measured.results)
        if drawn is not None:
            small = len(measured.results.classes) <= FEW_CLASSES
            title = "Precision and recall" if measured.results.unit == "boxes" else "Confusions"
            made.append(Chart(f"classes-{place}", title, class_caption(measured), drawn, small))
    return made
