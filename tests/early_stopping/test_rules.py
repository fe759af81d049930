"""Asynchronous halving, by ranks and by a model."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from random_order import RandomOrder

from rl_nas.early_stopping.catalog import rule_of
from rl_nas.early_stopping.executor import EarlyStoppingExecutor
from rl_nas.early_stopping.model_rule import ModelRule
from rl_nas.early_stopping.rules import Finished, HalvingRule, RankRule
from rl_nas.early_stopping.thresholds import EarlyStopSettings, falls_short
from rl_nas.evaluation.rewards import quality
from rl_nas.execution import Executor
from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.messages import job_from_json, job_to_json
from rl_nas.fidelities import Fidelities
from rl_nas.loops.ordered import search
from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.store.trials import TrialStore
from rl_nas.strategies.catalog import StrategyOptions, find_strategy
from rl_nas.surrogate.scores import rung_scores
from rl_nas.trial import ChildError, Job, Measurement, Trial, TrialState

SPACE = nasbench201()
EPOCHS = 9
RULES = ("asha", "model")
CELLS = list(dict.fromkeys(SPACE.sample(np.random.default_rng(seed)) for seed in range(300)))
WORTH = np.random.default_rng(7).normal(size=(6, 5))
OTHER = np.random.default_rng(8).normal(size=(6, 5))


def settings(rule: str, **others: int) -> EarlyStopSettings:
    return EarlyStopSettings(rule=rule, factor=3.0, **others)


def make(rule: str, **others: int) -> HalvingRule:
    made = rule_of(settings(rule, **others), SPACE, EPOCHS)
    assert isinstance(made, HalvingRule)
    return made


def worth(cell: Sequence[int], table: np.ndarray = WORTH) -> float:
    return float(table[range(6), list(cell)].sum())


def curve(cell: Sequence[int], misleading: float = 0.3) -> tuple[float, ...]:
    """Qualities after each epoch, of which the first say the less of the last."""
    shares = np.linspace(misleading, 0, EPOCHS)
    return tuple(float(share * worth(cell, OTHER) + worth(cell)) for share in shares)


def replay(rule: HalvingRule, cells: Sequence[tuple[int, ...]], misleading: float) -> list[Finished]:
    """Children one after the other, as far as the rule lets them come."""
    finished = list[Finished]()
    for index, cell in enumerate(cells):
        limits, whole = rule.thresholds(Job(index, cell, 0), finished), curve(cell, misleading)
        ends = (n for n in range(1, EPOCHS + 1) if falls_short(whole[:n], limits, "asha") or n == EPOCHS)
        finished.append(Finished(cell, whole[: next(ends)]))
    return finished


def test_ranks_are_those_of_the_children_that_reached_the_rung() -> None:
    rule = make("asha")
    assert isinstance(rule, RankRule)
    finished = [Finished(CELLS[i], (i / 10, i / 10)) for i in range(4)]
    finished += [Finished(CELLS[i], (i / 10, 1.0, i / 10)) for i in range(4, 7)]
    found = rule.thresholds(Job(7, CELLS[9], 0), finished)
    assert len(found) == EPOCHS - 1
    assert found[0] == pytest.approx(np.quantile(np.arange(7) / 10, 2 / 3))
    assert found[2] == pytest.approx(np.quantile([0.4, 0.5, 0.6], 2 / 3))
    assert all(one == -math.inf for place, one in enumerate(found) if place not in (0, 2))


@pytest.mark.parametrize("rule", RULES)
def test_before_there_is_anything_to_compare_with_one_in_three_goes_on(rule: str) -> None:
    found = [make(rule).thresholds(Job(index, CELLS[index], 0), []) for index in range(9)]
    assert [limits[0] == -math.inf for limits in found] == [index % 3 == 0 for index in range(9)]
    assert [limits[2] == -math.inf for limits in found] == [index % 9 == 0 for index in range(9)]
    job = Job(1, CELLS[1], 0, found[1])
    assert job_from_json(job_to_json(job)) == job


@pytest.mark.parametrize("rule", RULES)
def test_about_one_in_three_goes_on_from_each_rung(rule: str) -> None:
    """Of children that are as good as those before them."""
    lengths = [len(child.curve) for child in replay(make(rule), CELLS[:200], 0.3)]
    reached = [np.mean([length > epochs for length in lengths]) for epochs in (1, 3)]
    assert 0.2 < reached[0] < 0.45
    assert 0.05 < reached[1] < 0.2


def test_a_model_finds_good_children_whose_first_epochs_mislead() -> None:
    """Shares of the best tenth that are trained to the end, where the first epoch says little."""
    best = sorted(CELLS, key=worth)[-len(CELLS) // 10 :]
    kept = {}
    for rule in RULES:
        finished = replay(make(rule), CELLS, 1.5)
        kept[rule] = np.mean([len(child.curve) == EPOCHS for child in finished if child.architecture in best])
    assert kept["model"] > kept["asha"] + 0.1


def test_a_child_of_which_more_is_expected_needs_less() -> None:
    rule = make("model")
    finished = replay(rule, CELLS[:80], 1.0)
    ranked = sorted(CELLS[80:180], key=worth)
    found = [[rule.thresholds(Job(80, cell, 0), finished)[0] for cell in part] for part in (ranked[:30], ranked[-30:])]
    assert np.median(found[1]) < np.median(found[0])


def test_thresholds_depend_on_what_is_finished_alone() -> None:
    finished, told = replay(make("asha"), CELLS[:40], 0.3), make("model")
    for count in (10, 17, 40, 25):  # a child that is repeated asks for what was known at its time
        job = Job(count, CELLS[50], 0)
        assert told.thresholds(job, finished[:count]) == make("model").thresholds(job, finished[:count])


def test_the_expected_quality_at_the_threshold_is_the_wanted_one() -> None:
    """What the model expects of a child is computed again with its score at the rung as another known one."""
    rule = make("model")
    assert isinstance(rule, ModelRule)
    finished = replay(rule, CELLS[:60], 0.5)
    threshold = rule.thresholds(Job(60, CELLS[70], 0), finished)[0]
    model = rule._model
    points = model.features.points(np.array([CELLS[70]]))
    first, final = model.posterior_at(points, 0), model.posterior_at(points)
    joint = model.prior_variance * model.rung_correlations[0, -1] - first.whitened[:, 0] @ final.whitened[:, 0]
    reached = [child for child in finished if child.curve]
    scores = np.array([model.posterior(np.array([child.architecture])).mean[0] for child in reached])
    known = rung_scores(model.rewards)[:, 0]
    order = np.argsort(known)
    score = np.interp(threshold, model.rewards[order, 0], known[order])
    expected = final.mean[0] + joint / (first.variance[0] + model.noise) * (score - first.mean[0])
    assert expected == pytest.approx(np.quantile(scores, 2 / 3), abs=0.05)


def evaluate(job: Job) -> Measurement:
    if sum(job.architecture) == 7:
        raise ChildError(TrialState.NAN, "diverged")
    whole = curve(job.architecture)
    ends = (n for n in range(1, EPOCHS + 1) if falls_short(whole[:n], job.thresholds, "model"))
    reached = next(ends, EPOCHS)
    return Measurement(whole[reached - 1], epochs=reached, curve=whole[:reached])


def run(path: Path, name: str, rule: str, executor: Executor, flying: int) -> list[Trial]:
    options = StrategyOptions(fidelities=Fidelities((1, 3, 9), quality))
    with TrialStore(path) as store:
        stopping = EarlyStoppingExecutor(
            executor, rule_of(settings(rule), SPACE, EPOCHS), store.trials(), lag=4 * flying
        )
        strategy = find_strategy(name)(SPACE, options, 0)
        common = {"reward": quality, "trials": 40, "batch_size": 4, "seed": 1, "batches_in_flight": flying}
        search(strategy, stopping, store, key=lambda one: SPACE.decode(one).canonical_key(), **common)
        return store.trials()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("flying", [1, 2])
def test_any_workers_and_any_break_give_the_same_trials(tmp_path: Path, rule: str, flying: int) -> None:
    expected = run(tmp_path / "one", "gp", rule, InlineExecutor(evaluate), flying)
    assert {len(trial.measurement.curve) for trial in expected if trial.measurement} == {1, 3, 9}
    assert any(trial.state is TrialState.NAN for trial in expected)
    assert run(tmp_path / "several", "gp", rule, RandomOrder(evaluate, 4), flying) == expected
    for broken in (13, 30):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / f"{broken}", "gp", rule, RandomOrder(evaluate, 4, 0, broken), flying)
        assert run(tmp_path / f"{broken}", "gp", rule, InlineExecutor(evaluate), flying) == expected


def test_strategies_with_a_model_tell_the_rungs_apart(tmp_path: Path) -> None:
    """What they know of stopped children says something of whole trainings: they find better ones than without."""
    options = StrategyOptions(fidelities=Fidelities((1, 3, 9), quality))
    trials = run(tmp_path / "t", "gp", "model", InlineExecutor(evaluate), 1)
    for name in ("gp", "controller"):
        strategy = find_strategy(name)(SPACE, options, 0)
        strategy.propose(4)
        strategy.observe(trials[:20])
        strategy.propose(4)
        figures = strategy.diagnostics()
        assert 0 < figures["rung_correlation/1"] <= figures["rung_correlation/2"] < 1
