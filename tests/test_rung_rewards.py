"""Rewards of trials at the rungs of their trainings."""

import numpy as np

from rl_nas.evaluation.rewards import quality, quality_cubed
from rl_nas.fidelities import Fidelities
from rl_nas.trial import Failure, Measurement, Trial, TrialState

NAN = float("nan")


def trial(*curve: float, index: int = 0) -> Trial:
    metrics = {"accuracy": curve[-1], "loss": 1.0}
    return Trial(index, (0,), TrialState.OK, curve[-1], Measurement.of(metrics, madds=100, curve=curve))


def failed(reward: float | None) -> Trial:
    return Trial(1, (0,), TrialState.NAN, reward, failures=(Failure(TrialState.NAN, "diverged"),))


def test_each_rung_has_the_reward_of_its_quality() -> None:
    of_rungs = Fidelities((1, 3, 4), quality_cubed)
    trials = [trial(0.1, 0.2, 0.3, 0.4), trial(0.5), trial(0.1, 0.2), failed(None), failed(0.25)]
    expected = [[0.001, 0.027, 0.064], [0.125, NAN, NAN], [0.001, NAN, NAN], [-np.inf, NAN, NAN], [0.25, NAN, NAN]]
    np.testing.assert_allclose(of_rungs.rewards(trials), expected)
    assert of_rungs.rewards([]).shape == (0, 3)


def test_a_reward_sees_costs_and_the_metrics_with_the_quality_of_the_rung() -> None:
    def own(measurement: Measurement) -> float:
        assert measurement.madds is not None
        return measurement.metrics["accuracy"] - measurement.madds / 1000

    np.testing.assert_allclose(Fidelities((1, 2), own).rewards([trial(0.3, 0.5)]), [[0.2, 0.4]])


def test_where_a_reward_cannot_be_told_of_shorter_trainings_that_of_the_trial_stands_for_all() -> None:
    def picky(measurement: Measurement) -> float:
        return 1 / (measurement.quality - 0.25)

    found = Fidelities((1, 2), picky).rewards([trial(0.25, 0.5), trial(0.75)])
    np.testing.assert_allclose(found, [[0.5, NAN], [2.0, NAN]])


def test_children_whose_qualities_were_not_kept_have_one_reward() -> None:
    without = Trial(0, (0,), TrialState.OK, 0.7, Measurement(0.7))
    np.testing.assert_allclose(Fidelities((1, 2), quality).rewards([without]), [[0.7, NAN]])
