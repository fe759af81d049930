"""The verdict on a search: its best network, whether it beats random search, and what it has cost."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rl_nas.metrics import PROPORTIONS
from rl_nas.report.choice_text import choice_text
from rl_nas.report.page.pareto import COSTS
from rl_nas.report.page.random_search import RandomSearch, random_search
from rl_nas.report.page.run import PageRun
from rl_nas.report.page.table import Cell, words
from rl_nas.report.tables import counted, measured_text
from rl_nas.statistics import proportion_interval
from rl_nas.store.choice import REWARD
from rl_nas.trial import TrialState

_DEVIATION = "_deviation"
"""End of the name of the metric that tells how far apart the trainings of a child are."""
_NORMAL_95 = 1.96
_MOST_SEEDS = 1_000_000


@dataclass(frozen=True)
class Noise:
    """How far the quality of a network is chance.

    Attributes:
        deviation: standard deviation of a child's quality.
        source: what it is computed from, in words.
        whole: whether the noise of training is in it; otherwise it is that of the few held-out images alone.
    """

    deviation: float
    source: str
    whole: bool


@dataclass(frozen=True)
class Verdict:
    """The verdict on a search.

    Attributes:
        sentences: to be read first.
        facts: names and values; some have several values.
        random: what random search would have found; None: no estimate.
    """

    sentences: Sequence[str]
    facts: Sequence[tuple[str, Sequence[Cell]]]
    random: RandomSearch | None


def verdict(run: PageRun) -> Verdict:
    """The verdict on a search, which may be at work."""
    random = random_search(run.flags, run.trials, most=1.0 if _is_proportion(run) else math.inf)
    sentences = [_best_sentence(run), _random_sentence(run, random), *_lead_sentences(run, random)]
    facts = [*_best_facts(run), *_random_facts(random), *_cost_facts(run), *_setting_facts(run)]
    return Verdict(sentences, facts, random)


def noise(run: PageRun) -> Noise | None:
    """The noise of a child's quality: of repeated trainings if there are any, else of the held-out images."""
    name, seeds = f"{run.quality_name}{_DEVIATION}", run.flags.get("reward_seeds")
    measured = [trial.measurement for trial in run.trials if trial.measurement]
    deviations = [one.metrics[name] for one in measured if name in one.metrics]
    if deviations and isinstance(seeds, int) and 1 < seeds <= _MOST_SEEDS:
        pooled = float(np.sqrt(np.mean(np.square(deviations))))
        return Noise(pooled / math.sqrt(seeds), f"the {seeds} trainings of each of {len(deviations)} children", True)
    best = run.best
    if best is None or best.measurement is None or run.held_out is None or run.quality_name not in PROPORTIONS:
        return None
    images, share = run.held_out.images, best.measurement.quality
    if images < 1 or not 0 <= share <= 1:
        return None
    low, high = proportion_interval(share * images, images)
    return Noise((high - low) / (2 * _NORMAL_95), f"the {images:,} held-out images", False)


def _quality_text(run: PageRun, quality: float) -> str:
    """A quality with its 95% interval, of however many images, and these, as far as they are known."""
    if run.held_out is None:
        return f"{measured_text(run.quality_name, quality, 0)} (the number of its held-out images is not recorded)"
    images = run.held_out.images
    return f"{measured_text(run.quality_name, quality, images, few=images + 1)} on {images:,} {run.held_out.where}"


def _is_proportion(run: PageRun) -> bool:
    """Whether rewards are at most 1."""
    return run.quality_name in PROPORTIONS and run.flags.get("reward", "quality") == "quality"


def _best_sentence(run: PageRun) -> str:
    best = run.best
    if best is None or best.measurement is None:
        return f"None of {len(run.trials)} children has succeeded." if run.trials else "No child is recorded yet."
    sentence = f"Best network: trial {best.index}, {_quality_text(run, best.measurement.quality)}"
    if run.choice is not None and run.choice.by != REWARD:
        return f"{sentence}. {choice_text(replace(run.choice, confirmed=()))}"
    return f"{sentence}. It is the best of {len(run.trials):,}, which makes its figure optimistic."


def _random_sentence(run: PageRun, random: RandomSearch | None) -> str:
    if run.best is None:
        return ""
    if random is None:
        return "Against random search: no estimate, as too few children of this search were drawn at random."
    if random.own and run.flags.get("strategy") != "random":
        return (
            "All its children so far were drawn at random: the strategy proposes networks of its own only after it has"
            " learned from these. Until then there is nothing to compare with random search."
        )
    if random.own:
        middle = len(random.children) // 2
        return (
            f"This is random search: {random.children[middle]:,} of its children, whichever come first, would have"
            f" reached {random.expected[middle]:.4f} in the mean; all {len(run.trials):,} reached {random.best:.4f}."
        )
    tail = "" if random.tail is None else f" to {max(random.best, random.tail):.4f}"
    return (
        f"Random search of {len(run.trials):,} children would have reached about {random.best:.4f}{tail} (an estimate"
        f" from the first {random.drawn} children, which were drawn before the strategy had learned: from their rewards"
        " alone, and with a normal tail)."
    )


def _lead_sentences(run: PageRun, random: RandomSearch | None) -> list[str]:
    """Whether the lead over random search is more than the noise of one training."""
    best = run.best
    if best is None or best.reward is None or random is None or random.own:
        return []
    lead = best.reward - max(random.best, random.best if random.tail is None else random.tail)
    found = noise(run) if run.flags.get("reward", "quality") == "quality" else None
    if lead <= 0:
        return [f"So it is not shown to beat random search: it trails the estimate by {-lead:.4f}."]
    if found is None:
        return [f"It leads by {lead:.4f}; how much of that is noise is not known: --reward_seeds would tell."]
    far = lead > _NORMAL_95 * found.deviation
    sentence = (
        f"It leads by {lead:.4f}, {'more' if far else 'not more'} than the noise of a measurement, ±"
        f"{_NORMAL_95 * found.deviation:.4f} (95%, from {found.source})."
    )
    return [sentence if found.whole else f"{sentence} The noise of training comes on top: --reward_seeds would tell."]


def _best_facts(run: PageRun) -> list[tuple[str, Sequence[Cell]]]:
    best = run.best
    if best is None or best.measurement is None:
        return []
    measured = best.measurement
    facts: list[tuple[str, Sequence[Cell]]] = [
        ("best trial", [Cell(str(best.index), best.index)]),
        (run.quality_name.replace("_", " "), [Cell(f"{measured.quality:.4f}", measured.quality)]),
    ]
    if best.reward != measured.quality:
        facts.append(("reward", [Cell(f"{best.reward:.4f}", best.reward)]))
    for name, what in COSTS.items():
        value = getattr(measured, name)
        if value is not None:
            facts.append((what, [Cell(f"{value:.2e}" if name == "latency" else f"{value:,}", value)]))
    seeds = run.flags.get("reward_seeds") or 1
    if measured.epochs is not None:
        often = "one training" if seeds == 1 else f"mean of {seeds} trainings"
        facts.append(("trained for", [Cell(f"a proxy: {counted(measured.epochs, 'epoch')}, {often}", measured.epochs)]))
    return facts


def _random_facts(random: RandomSearch | None) -> list[tuple[str, Sequence[Cell]]]:
    if random is None or random.own:
        return []
    cells = [Cell(f"{random.best:.4f}", random.best)]
    if random.tail is not None:
        cells.append(Cell(f"{random.tail:.4f} with a normal tail", random.tail))
    return [("random search, as many children", cells)]


def _cost_facts(run: PageRun) -> list[tuple[str, Sequence[Cell]]]:
    states = Counter(trial.state for trial in run.trials)
    failed = [Cell(f"{count:,} {state}", count) for state, count in states.most_common() if state != TrialState.OK]
    retried = sum(bool(trial.failures) for trial in run.trials if trial.state is TrialState.OK)
    if retried:
        failed.append(Cell(f"{retried:,} succeeded in a later attempt", retried))
    of = f" of {run.asked:,}" if run.asked is not None and len(run.trials) < run.asked else ""
    facts: list[tuple[str, Sequence[Cell]]] = [("children", [Cell(f"{len(run.trials):,}{of}", len(run.trials))])]
    facts.append(("failures", failed or [Cell("none", 0)]))
    if run.seconds:
        each_hour = 3600 * len(run.trials) / run.seconds
        # The live line tells the rate of one sitting, from the moment when its workers had started.
        facts.append(("children per hour, over all sittings", [Cell(f"{each_hour:,.1f}", each_hour)]))
        facts.append(("hours, over all sittings", [Cell(f"{run.seconds / 3600:,.2f}", run.seconds / 3600)]))
    spent = [t.measurement.seconds for t in run.trials if t.measurement and t.measurement.seconds is not None]
    if spent:
        hours = sum(spent) / 3600
        facts.append(("device hours of successful children", [Cell(f"{hours:,.2f}", hours)]))
    return facts


def _setting_facts(run: PageRun) -> list[tuple[str, Sequence[Cell]]]:
    shown = {"data set": "dataset", "task": "task", "strategy": "strategy", "space": "space", "seed": "seed"}
    facts: list[tuple[str, Sequence[Cell]]] = [
        (name, [words(run.flags[flag])]) for name, flag in shown.items() if run.flags.get(flag) is not None
    ]
    if run.versions:
        facts.append(("versions", [words(f"{name} {version}") for name, version in run.versions.items()]))
    return facts
