"""Runs for the tests of the page: folders as a search leaves them, without a search."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rl_nas.report.page.run import PageRun
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.spaces.nasnet import nasnet
from rl_nas.store.class_results import ClassCounts, ClassResults, confusion_results
from rl_nas.store.decision_log import DecisionLog
from rl_nas.store.trials import TrialStore
from rl_nas.trial import Failure, Measurement, Trial, TrialState

SPACE = nasbench201()
FLAGS = {"space": "nasbench201", "strategy": "random", "dataset": "digits", "task": "classification", "seed": 0}


def sampled_trials(count: int, seed: int = 0, *, failing: bool = True) -> list[Trial]:
    """Random networks with made-up figures; every seventh fails, and an eleventh succeeds in a second attempt."""
    rng, trials = np.random.default_rng(seed), []
    for index in range(count):
        architecture = SPACE.sample(rng)
        failure = Failure(TrialState.OOM, f"no memory for trial {index}", f"line one of {index}\nline two")
        if failing and index % 7 == 3:
            trials.append(Trial(index, architecture, TrialState.OOM, failures=(failure,)))
            continue
        accuracy = float(np.clip(0.6 + 0.04 * architecture[0] + rng.normal(0, 0.05), 0, 1))
        measured = Measurement(
            accuracy,
            {"accuracy": accuracy, "loss": float(rng.exponential())},
            parameters=int(rng.integers(1_000, 1_000_000)),
            madds=int(rng.integers(1_000_000, 100_000_000)),
            epochs=3,
            seconds=float(rng.uniform(1, 60)),
        )
        failures = (failure,) if failing and index % 11 == 5 else ()
        trials.append(Trial(index, architecture, TrialState.OK, accuracy, measured, failures))
    return trials


def many_trials(count: int) -> PageRun:
    """A search of the largest cells with three metrics, whose numbers have all digits."""
    space, rng, trials = nasnet(5), np.random.default_rng(0), []
    for index in range(count):
        value, loss, top5, seconds = rng.random(4).tolist()
        measured = Measurement(
            value,
            {"accuracy": value, "loss": loss, "top5_accuracy": top5},
            parameters=int(rng.integers(10**6)),
            madds=int(rng.integers(10**8)),
            epochs=3,
            seconds=seconds,
        )
        trials.append(Trial(index, space.sample(rng), TrialState.OK, value, measured))
    flags = {**FLAGS, "space": "nasnet", "strategy": "ppo", "update_every": 20}
    return PageRun("many", trials, flags, space=space, decode=lambda trial: space.decode(trial.architecture))


def write_run(folder: Path, trials: Sequence[Trial], /, *, images: int | None = 300, **flags: Any) -> Path:
    """The folder of a search with these trials."""
    folder.mkdir(parents=True)
    data = {} if images is None else {"data": {"classes": [], "splits": {}, "held_out": images}}
    config = {**data, "flags": {**FLAGS, "trials": len(trials), **flags}, "versions": {"rl_nas": "0.1.0"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "time.json").write_text(json.dumps({"seconds": 7200.0}))
    with TrialStore(folder / "trials.sqlite") as store:
        for trial in trials:
            store.record(trial)
    return folder


def write_health(folder: Path, updates: int) -> None:
    """Figures of a policy that decides itself."""
    lines = []
    for update in range(updates):
        entropies = {f"entropy/{one.name}": np.log(len(one.choices)) * 0.9**update for one in SPACE.decisions}
        figures = {"update": update, "entropy": sum(entropies.values()), "baseline": 0.6 + 0.01 * update}
        lines.append(json.dumps({**figures, "unique_fraction": 1.0, **entropies}) + "\n")
    (folder / "health.jsonl").write_text("".join(lines))


def write_decisions(folder: Path, updates: int, space: SearchSpace[Any] = SPACE) -> None:
    """Probabilities of a policy that decides itself, for the first choice; the last decision has no effect."""
    log = DecisionLog(folder / "decisions.jsonl")
    for update in filter(log.wants, range(updates)):
        rows = []
        for number, one in enumerate(space.decisions):
            first = 1 - (1 - 1 / len(one.choices)) * 0.95 ** (update / (number + 1))
            others = (1 - first) / max(1, len(one.choices) - 1)
            rows.append([first, *[others] * (len(one.choices) - 1)])
        rows[-1] = [0.0] * len(rows[-1])
        log.add(update, rows)


def confused_images(classes: int, seed: int = 0) -> ClassResults:
    """Images of classes, one in six of which is taken for another class."""
    rng = np.random.default_rng(seed)
    actual = rng.integers(0, classes, 40 * classes)
    predicted = np.where(rng.random(len(actual)) < 5 / 6, actual, rng.integers(0, classes, len(actual)))
    cells, counts = np.unique(actual * classes + predicted, return_counts=True)
    return confusion_results("images", [f"class {n}" for n in range(classes)], *np.divmod(cells, classes), counts)


def found_boxes(classes: int) -> ClassResults:
    """Boxes whose precision falls with their recall; there is none of the last class."""
    recalls = np.linspace(0, 1, 101)
    curves = [tuple(np.clip(1.2 - (n + 1) / classes * recalls, 0, 1).tolist()) for n in range(classes - 1)]
    counts = [ClassCounts(f"class {n}", 10 + n, precision=curve) for n, curve in enumerate(curves)]
    return ClassResults("boxes", (*counts, ClassCounts("absent", 0)))
