"""The parts of the page: what is said of each run, and the charts with their captions."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rl_nas.errors import UsageError
from rl_nas.networks.families.catalog import family_of
from rl_nas.report.page import charts
from rl_nas.report.page.chart import Chart
from rl_nas.report.page.choices import decisions_worth
from rl_nas.report.page.classes import FEW_CLASSES, class_caption, class_chart
from rl_nas.report.page.comparison import SeedGroup
from rl_nas.report.page.curves import reward_curves
from rl_nas.report.page.facts import tables
from rl_nas.report.page.pareto import COSTS, front
from rl_nas.report.page.pictures import genotype_drawing, png_picture, svg_picture
from rl_nas.report.page.policy_charts import policy_charts
from rl_nas.report.page.random_search import RandomSearch
from rl_nas.report.page.run import PageRun
from rl_nas.report.page.table import Table
from rl_nas.report.page.verdict import Verdict, verdict
from rl_nas.trial import best_trials

_PICTURES = 3
_MOST_RUNS_WITH_PICTURES = 10
_DRAWINGS = 30
"""Best networks, of all runs together, that a click shows as a picture: each takes a fifth of a second to draw."""
_MOST_DRAWN = 400_000
"""Bytes of these, compressed each alone; together they take about half."""
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
    """What the page says of a run; `drawings` are SVGs of further good networks, by the numbers of their trials."""

    number: int
    name: str
    verdict: Verdict
    tables: Sequence[Table]
    pictures: Sequence[Picture]
    drawings: Mapping[int, str]
    examples: str | None
    notes: Sequence[str]


def run_section(run: PageRun, number: int, *, runs: int = 1) -> RunSection:
    """Everything but the charts of a run.

    Args:
        run: one of the page.
        number: of it, from 0.
        runs: on the page.
    """
    count = _PICTURES if runs == 1 else int(number < _MOST_RUNS_WITH_PICTURES)
    pictures, drawings, notes = list[Picture](), dict[int, str](), list(run.notes)
    left, decode = _MOST_DRAWN // runs, run.decode
    for trial in best_trials(run.trials, max(count, _DRAWINGS // runs)):
        if decode is None:
            break
        try:
            genotype = decode(trial)
            drawing = genotype_drawing(genotype)
        except UsageError as error:
            notes.append(f"No picture of trial {trial.index}: {error}.")
            break
        left -= len(zlib.compress(drawing.encode()))
        if len(pictures) < count:
            heading = f"Trial {trial.index}, reward {trial.reward:.4f}"
            text = family_of(genotype).text(genotype)
            pictures.append(Picture(trial.index, heading, svg_picture(drawing), text))
        elif left < 0:
            break
        else:
            drawings[trial.index] = drawing
    examples = None if run.examples is None else png_picture(run.examples)
    return RunSection(number, run.name, verdict(run), tables(run), pictures, drawings, examples, notes)


def charts_of_one(run: PageRun, random: RandomSearch | None) -> list[Chart]:
    """The charts of a single run that it has something for."""
    if not run.trials:
        return []
    caption = "Each point is a child; a click shows it below."
    if random is not None:
        of = "its own children in other orders" if random.own else f"the first {random.drawn} children"
        caption += f" The gray band is where 95% of random searches would be, computed from {of}."
    made = [
        Chart(
            "reward",
            "Reward over children",
            caption,
            charts.reward_chart(reward_curves(run.trials), random, len(run.trials)),
        )
    ]
    return [*made, *_fronts(run), *_choices(run), *policy_charts(run), *_curves(run), *_classes(run)]


def charts_of_several(runs: Sequence[PageRun], groups: Sequence[SeedGroup]) -> list[Chart]:
    """The charts that compare runs."""
    repeated = any(len(group.runs) > 1 for group in groups)
    caption = "Means over seeds with 95% intervals." if repeated else "No run is repeated with another seed."
    made = [Chart("seeds", "Best reward so far", caption, charts.seeds_chart(groups))]
    caption = "Each point is a child, colored as the runs above; a click shows it below."
    children = sum(len(run.trials) for run in runs)
    made.append(
        Chart("reward", "Reward over children", caption, charts.reward_chart(None, None, children, runs=len(runs)))
    )
    for cost in COSTS:
        if any(front(run.trials, cost) for run in runs):
            drawn = charts.front_chart(cost, "quality", (), children, runs=len(runs))
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
    width = charts.choices_width(worth)
    means = "Darker is worse. A strategy that has learned tries good choices together: no choice is judged alone."
    return [
        Chart("importance", "Importance of decisions", caption, charts.importance_chart(worth), small=not width),
        Chart("choices", "Mean reward of choices", means, charts.choices_chart(worth), small=not width, width=width),
    ]


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
