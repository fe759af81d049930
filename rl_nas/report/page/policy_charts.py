"""The charts of the strategy: its figures, its entropy of each decision, its probabilities of choices."""

import re
from itertools import islice

import numpy as np

from rl_nas.report.page.chart import Chart
from rl_nas.report.page.charts import health_chart
from rl_nas.report.page.controller import decision_map, decisions_chart, entropy_chart
from rl_nas.report.page.run import PageRun
from rl_nas.report.tables import counted

_HEALTH = {
    "entropy": (
        "How undecided the policy is, summed over all decisions: it is highest when all choices are equally likely, and"
        " near 0 when the policy proposes the same network again and again."
    ),
    "unique_fraction": (
        "How many of the last proposals are different networks: 1 means that none was proposed twice, and a fall means"
        " that the strategy repeats itself."
    ),
    "top_fraction": (
        "How many of the last proposals are the network that was proposed most often: near 1, the strategy has settled"
        " on one network."
    ),
    "baseline": (
        "What new children are compared with: those above it become likelier, those below it less likely (the strategy"
        " controller compares normal scores of rewards, not rewards)."
    ),
    "population_mean": "The mean reward of the networks that evolution keeps, and from which it makes new ones.",
    "population_best": "The highest reward of the networks that evolution keeps; it falls when the best one ages out.",
}
"""Figures of a strategy that have a chart, where it has them, and what they tell."""
_RUNG = re.compile(r"rung_correlation/\d+")
_OF_RUNG = (
    "How far rewards of children that were stopped there foretell those of whole trainings, as the model has learned"
    " it: 1 is perfectly, 0 not at all."
)
_MOST_RUNGS = 10
_MOST_DECISIONS = 60


def policy_charts(run: PageRun) -> list[Chart]:
    """The charts of what the strategy of a run has recorded of itself."""
    return [*_figures(run), *_entropies(run), *_decisions(run)]


def _figures(run: PageRun) -> list[Chart]:
    known = dict.fromkeys(name for line in run.health for name in line)
    rungs = sorted(filter(_RUNG.fullmatch, known), key=lambda name: int(name.partition("/")[2][:9]))[:_MOST_RUNGS]
    captions = {**_HEALTH, **dict.fromkeys(rungs, _OF_RUNG)}
    made = []
    for name, caption in captions.items():
        if sum(name in line for line in run.health) > 1:
            title = name.replace("_", " ").replace("/", ", rung ").capitalize()
            place = f"health-{name.replace('/', '-')}"
            made.append(Chart(place, title, caption, health_chart(run.health, name), small=True))
    return made


def _entropies(run: PageRun) -> list[Chart]:
    decisions = [] if run.space is None else run.space.decisions
    most = {f"entropy/{one.name}": float(np.log(len(one.choices))) for one in decisions if len(one.choices) > 1}
    shown = dict(islice(((n, v) for n, v in most.items() if any(n in line for line in run.health)), _MOST_DECISIONS))
    if not shown or len(run.health) < 2:
        return []
    caption = (
        "How undecided the policy is about each decision: light (1) means that all choices are equally likely, dark (0)"
        " that one is as good as certain."
    )
    return [Chart("entropies", "Entropy of decisions", caption, entropy_chart(run.health, shown))]


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
