"""Names of a task's figures, and which of them is the quality."""

from dataclasses import fields

import pytest

from rl_nas.commands.runs import _csv
from rl_nas.errors import UsageError
from rl_nas.metrics import TAKEN, check_names, metrics_of, quality_of
from rl_nas.trial import Measurement, Trial, TrialState, trial_document

KINDS = [(kind, name) for kind, names in TAKEN.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), [*KINDS, ("training figure", "valid_accuracy")])
def test_a_name_that_would_hide_a_figure_is_refused(kind: str, name: str) -> None:
    with pytest.raises(UsageError, match=f"{kind} '{name}' of the task has the name of another figure; rename it"):
        check_names(kind, ["mIoU", name])


def test_all_that_is_written_beside_metrics_is_taken() -> None:
    trial = Trial(0, (1,), TrialState.OK, 0.5, Measurement.of({"accuracy": 0.5}))
    columns = _csv([trial], ["accuracy"]).splitlines()[0].split(",")
    written = {*(field.name for field in fields(Measurement)), *trial_document(trial), *columns}
    assert written - {"metrics", "accuracy"} <= set(TAKEN["metric"])


@pytest.mark.parametrize("name", ["epochs", "latency", "split", "images", "seconds", "quality"])
def test_a_measurement_refuses_it(name: str) -> None:
    with pytest.raises(UsageError, match=f"metric '{name}'"):
        Measurement.of({"accuracy": 0.5, name: 3.0})
    with pytest.raises(UsageError, match=f"metric '{name}'"):
        Measurement(0.5, {"accuracy": 0.5, name: 3.0})


def test_the_quality_is_the_first_metric() -> None:
    assert quality_of({"r2": 0.5, "loss": 1.0}) == ("r2", 0.5)
    assert quality_of(metrics_of({"split": "test", "images": 5, "top": None, "r2": 0.5})) == ("r2", 0.5)
    assert Measurement.of({"r2": 0.5}).quality_name == "r2"
    assert Measurement(0.5).quality_name == "quality"
    with pytest.raises(UsageError, match="no metric"):
        Measurement.of({})
