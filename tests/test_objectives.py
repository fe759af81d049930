"""Several objectives: what a front is."""

import numpy as np
import pytest
from classifying import measured

from rl_nas.errors import UsageError
from rl_nas.objectives import Objectives, ObjectiveSettings
from rl_nas.report.front_text import front_text
from rl_nas.trial import Failure, Trial, TrialState

PAIR, THREE = Objectives(("quality", "madds")), Objectives(("latency", "quality", "madds"))


def random_trials(count: int) -> list[Trial]:
    """Of few different values, so that some are equal; a tenth has failed."""
    rng, trials = np.random.default_rng(0), list[Trial]()
    for number in range(count):
        quality, madds, latency = rng.integers(1, 30, 3).tolist()
        if number % 10 == 9:
            failures = (Failure(TrialState.OVER_LIMIT, "9 ms for an image; --max_latency_ms=8"),)
            trials.append(Trial(number, (number,), TrialState.OVER_LIMIT, failures=failures))
        else:
            figures = measured(quality / 29, madds=madds, latency=latency / 1000)
            trials.append(Trial(number, (number,), TrialState.OK, quality / 29, figures))
    return trials


@pytest.mark.parametrize("objectives", [PAIR, THREE])
def test_the_front_is_what_no_other_equals_or_exceeds(objectives: Objectives) -> None:
    trials = random_trials(80)
    values = {t.index: objectives.values(t.measurement) for t in trials if t.measurement}

    def beaten(one: int) -> bool:
        others = (other for other in values if other != one and (values[other] >= values[one]).all())
        return any((values[other] > values[one]).any() or other < one for other in others)

    front = objectives.front(trials[::-1])
    assert {trial.index for trial in front} == {one for one in values if not beaten(one)}
    qualities = [trial.measurement.quality for trial in front if trial.measurement]
    assert qualities == sorted(qualities, reverse=True)
    assert len(front) > 1


def test_costs_are_to_be_small_and_unknown_ones_are_on_no_front() -> None:
    trial = Trial(0, (0,), TrialState.OK, 0.5, measured(0.5, madds=7))
    assert PAIR.values(measured(0.5, madds=7)).tolist() == [0.5, -7]
    assert PAIR.front([trial]) == [trial]
    assert np.isnan(THREE.values(measured(0.5))[0])
    assert THREE.front([trial]) == []


@pytest.mark.parametrize("text", ["quality", "madds,latency", "quality,quality", "quality,speed", "", "quality,"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--objectives=.*: expected quality and one or more of parameters, madds"):
        ObjectiveSettings(text)
    assert Objectives.recorded({"objectives": text}) is None


def test_a_record_names_them() -> None:
    assert Objectives.recorded({"objectives": "quality, latency"}) == Objectives(("quality", "latency"))
    assert [Objectives.recorded(flags) for flags in ({}, {"objectives": 3}, {"objectives": None})] == [None] * 3
    assert ObjectiveSettings().parsed is None


def test_the_text_has_a_unit_for_each_objective() -> None:
    objectives = Objectives(("quality", "latency", "tflite_size", "peak_memory"))
    figures = measured(0.5, latency=0.0025, tflite_size=2048, peak_memory=1536)
    text = front_text(objectives, [Trial(3, (0,), TrialState.OK, 0.5, figures)], 4)
    head, names, row = text.splitlines()
    assert head.startswith("The front of quality, latency, tflite_size, peak_memory: 1 of 4 networks")
    assert names.split("  ")[-1] == "peak memory, KiB"
    assert row.split() == ["3", "0.5000", "2.500", "2.0", "1.5"]
