"""What becomes of what an evaluator raises; messages between processes; settings of devices."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl_nas.errors import RunError, StorageError, UsageError
from rl_nas.execution.attempt import attempt
from rl_nas.execution.devices import environment_of, worker_devices
from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.messages import (
    error_from_json,
    error_to_json,
    job_from_json,
    job_to_json,
    outcome_from_json,
    outcome_to_json,
)
from rl_nas.execution.settings import ExecutionSettings
from rl_nas.trial import ChildError, Failure, Job, Measurement, Outcome, TrialState

JOB = Job(3, (1, 2), 5)
GOOD = Measurement.of({"accuracy": 0.5, "loss": 1.0}, parameters=10, madds=20, epochs=1, seconds=0.5)


def raising(error: BaseException):
    def evaluate(job: Job) -> Measurement:
        raise error

    return evaluate


@pytest.mark.parametrize(
    ("error", "state", "line"),
    [
        (ChildError(TrialState.NAN, "loss is nan\nafter epoch 2"), "nan", "loss is nan"),
        (MemoryError(), "oom", "MemoryError"),
        (UsageError("too small"), "invalid", "UsageError: too small"),
        (ZeroDivisionError("division by zero"), "crashed", "ZeroDivisionError: division by zero"),
    ],
)
def test_exceptions_become_outcomes(error: Exception, state: str, line: str) -> None:
    assert attempt(raising(error), JOB) == Outcome(JOB, failures=(Failure(TrialState(state), line),))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("measure", ["accuracy", "loss"])
def test_what_is_not_finite_is_no_measurement(value: float, measure: str) -> None:
    broken = Measurement.of({"accuracy": 0.5, **GOOD.metrics, measure: value})
    outcome = attempt(lambda job: broken, JOB)
    assert outcome.state == TrialState.NAN
    assert outcome.measurement is None


@pytest.mark.parametrize("error", [StorageError("full"), KeyboardInterrupt()])
def test_some_errors_end_the_search(error: BaseException) -> None:
    with pytest.raises(type(error)):
        attempt(raising(error), JOB)


def test_inline_goes_in_order() -> None:
    work = [Job(index, (index,), 0) for index in range(3)]
    with InlineExecutor(lambda job: GOOD) as executor:
        assert list(executor.run(work)) == [Outcome(job, GOOD) for job in work]


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.none() | st.integers(0, 2**63 - 1)
SECONDS = st.none() | st.floats(0, allow_infinity=False)
WORDS = st.text("aä_/ (-", min_size=1)
MEASUREMENTS = st.builds(
    Measurement, FLOATS, st.dictionaries(WORDS, FLOATS), COUNTS, COUNTS, COUNTS, SECONDS, SECONDS, st.tuples(FLOATS)
)
FAILURES = st.builds(Failure, st.sampled_from(sorted(set(TrialState) - {TrialState.OK})), st.just("why"), WORDS)


@given(st.none() | MEASUREMENTS, st.lists(FAILURES), st.lists(st.integers(0, 20)), st.integers(0, 2**63))
def test_messages_lose_nothing(measurement, failures, architecture, seed) -> None:
    job = Job(7, tuple(architecture), seed, thresholds=(0.5,), epochs=seed % 3 or None)
    assert job_from_json(json.loads(json.dumps(job_to_json(job)))) == job
    failures = failures if failures or measurement else [Failure(TrialState.NAN, "loss is nan", "a\nb")]
    outcome = Outcome(job, measurement, tuple(failures))
    assert outcome_from_json(job, json.loads(json.dumps(outcome_to_json(outcome)))) == outcome


@pytest.mark.parametrize("error", [UsageError("no data"), StorageError("full"), RunError("died", "its last lines")])
def test_errors_of_the_search_travel_whole(error: Exception) -> None:
    found = error_from_json(json.loads(json.dumps(error_to_json(error))))
    assert (type(found), str(found)) == (type(error), str(error))
    assert getattr(found, "log", None) == getattr(error, "log", None)
    assert error_from_json({"measurement": None, "failures": []}) is None


@pytest.mark.parametrize(
    ("settings", "gpus", "expected"),
    [
        ({}, 2, ["gpu:0", "gpu:1"]),
        ({"workers": 3}, 2, ["gpu:0", "gpu:1", "gpu:0"]),
        ({"workers": 3}, 0, ["cpu"] * 3),
        ({"devices": "gpu:1"}, 2, ["gpu:1"]),
        ({"devices": "gpu:1, gpu:0", "workers": 1}, 2, ["gpu:1"]),
        ({"devices": "cpu", "workers": 2}, 2, ["cpu", "cpu"]),
    ],
)
def test_devices_of_workers(settings: dict[str, object], gpus: int, expected: list[str]) -> None:
    assert worker_devices(ExecutionSettings(**settings), gpus) == expected


def test_more_workers_than_the_machine_can_hold_are_refused() -> None:
    with pytest.raises(UsageError, match="--workers=10000: this machine has the memory of at most"):
        worker_devices(ExecutionSettings(workers=10_000), 0)


def test_a_worker_for_every_core() -> None:
    one, all_cores = (len(worker_devices(ExecutionSettings(threads_per_worker=n), 0)) for n in (10_000, 1))
    assert one == 1
    assert all_cores >= 1


@pytest.mark.parametrize(("devices", "message"), [("gpu:2", "sees 2 GPUs"), ("tpu", "expected cpu or gpu:NUMBER")])
def test_devices_that_are_not_there(devices: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        worker_devices(ExecutionSettings(devices=devices), 2)


def test_a_worker_sees_its_device_alone() -> None:
    assert environment_of("gpu:1", 1) == {"CUDA_VISIBLE_DEVICES": "1"}
    assert environment_of("gpu:1", 1, visible="4,7") == {"CUDA_VISIBLE_DEVICES": "7"}
    assert environment_of("cpu", 3)["CUDA_VISIBLE_DEVICES"] == "-1"
    assert environment_of("cpu", 3)["TF_NUM_INTRAOP_THREADS"] == "3"
