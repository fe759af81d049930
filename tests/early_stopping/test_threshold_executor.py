"""What children are told of the accuracies that they must reach."""

import json
import math

import pytest

from rl_nas.early_stopping.executor import EarlyStoppingExecutor
from rl_nas.early_stopping.rules import CurveRule
from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.messages import job_from_json, job_to_json, outcome_from_json, outcome_to_json
from rl_nas.trial import Job, Measurement, Outcome, Trial, TrialState


def curve(index: int) -> tuple[float, ...]:
    return (index / 10, index / 5)


def evaluate(job: Job) -> Measurement:
    return Measurement(0.5, epochs=2, curve=curve(job.index))


def told(executor: EarlyStoppingExecutor, indices: list[int]) -> dict[int, tuple[float, ...]]:
    return {o.job.index: o.job.thresholds for o in executor.run(Job(index, (0,), 0) for index in indices)}


rule = CurveRule(lambda curves: tuple(sorted(curve[0] for curve in curves)))


@pytest.mark.parametrize("order", [[3, 4, 5], [5, 3, 4]])
def test_bars_depend_on_earlier_numbers_alone(order: list[int]) -> None:
    executor = EarlyStoppingExecutor(InlineExecutor(evaluate), rule, lag=3)
    told(executor, [0, 1, 2])
    # A run that goes on within a batch knows trials of it already.
    recorded = [Trial(i, (0,), TrialState.OK, 0.5, evaluate(Job(i, (0,), 0))) for i in (0, 1, 2, 3)]
    continued = EarlyStoppingExecutor(InlineExecutor(evaluate), rule, recorded, lag=3)
    whole = told(executor, order)
    assert whole == {3: (0.0,), 4: (0.0, 0.1), 5: (0.0, 0.1, 0.2)}
    assert told(continued, [5, 4]) == {index: whole[index] for index in (4, 5)}


def test_bars_and_curves_travel() -> None:
    job = Job(3, (1, 2), 4, (0.5, 0.25))
    assert job_from_json(job_to_json(job)) == job
    stopping_none = Job(3, (1, 2), 4, (-math.inf, -0.25))
    assert job_from_json(json.loads(json.dumps(job_to_json(stopping_none)))) == stopping_none
    outcome = Outcome(job, evaluate(job))
    assert outcome_from_json(job, outcome_to_json(outcome)) == outcome
