"""Whatever a child says, it is a measurement or a failure that can be stored, shown and learned from."""

import json

import pytest
from liars import GOOD, LIES, NAMES, ODD_TRUTHS, make

from rl_nas.admission import admit_failure, admit_measurement, reward_of
from rl_nas.evaluation.rewards import quality
from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.messages import (
    answer,
    is_answer,
    outcome_from_json,
    progress_from_json,
    progress_to_json,
    request,
)
from rl_nas.execution.processes import ProcessExecutor
from rl_nas.execution.worker_process import EvaluatorSpec
from rl_nas.loops.ordered import finish
from rl_nas.report.tables import failures_table, trials_table
from rl_nas.store.trials import TrialStore
from rl_nas.trial import ChildError, ChildProgress, Job, Trial, TrialState

EXECUTORS = {
    "inline": lambda: InlineExecutor(make()),
    "processes": lambda: ProcessExecutor(EvaluatorSpec("liars:make")),
}
JOB = Job(3, (1, 2), 5)


@pytest.fixture(scope="module", params=EXECUTORS)
def trials(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Trial]:
    """The trials of all lies and truths by name, as a store returns them; `good` ended last."""
    jobs = [Job(index, (index,), index) for index in range(len(NAMES) + 1)]
    with EXECUTORS[request.param]() as executor, TrialStore(tmp_path_factory.mktemp("run") / "t.sqlite") as store:
        for outcome in executor.run(jobs):
            store.record(finish(outcome, quality))
        return dict(zip([*NAMES, "good"], store.trials(), strict=True))


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_a_failure_of_its_child(trials: dict[str, Trial], name: str) -> None:
    _, state, reason = LIES[name]
    assert (trials[name].state, trials[name].reward) == (state, None)
    assert reason in trials[name].error
    assert len(trials[name].error) <= 500


@pytest.mark.parametrize("name", ODD_TRUTHS)
def test_an_odd_truth_is_kept_in_plain_numbers_and_names(trials: dict[str, Trial], name: str) -> None:
    assert trials[name].measurement == ODD_TRUTHS[name][1]


def test_later_children_are_what_they_are_and_all_can_be_shown(trials: dict[str, Trial]) -> None:
    assert trials["good"].measurement == GOOD
    for text in (trials_table(list(trials.values())), failures_table(list(trials.values()))):
        assert text.replace("\n", "").replace("\t", "").isprintable()
        text.encode()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"measurement": None, "failures": []},
        {"measurement": {}, "failures": []},
        {"measurement": {"quality": 0.5, "color": 1}, "failures": []},
        {"measurement": [], "failures": []},
        {"measurement": None, "failures": "nan"},
        {"measurement": None, "failures": ["nan"]},
        {"measurement": None, "failures": [{"state": "ok", "error": "", "log": ""}]},
        {"measurement": None, "failures": [{"state": ["nan"], "error": "", "log": ""}]},
        {"measurement": None, "failures": [{"state": "nan", "error": None, "log": ""}]},
        {"measurement": None, "failures": [{"state": "nan", "error": "", "log": 3}]},
        {"measurement": {"quality": 0.5, "metrics": {"reward": 1}}, "failures": []},
    ],
)
def test_an_answer_that_is_no_outcome_is_the_failure_of_its_child(content: dict[str, object]) -> None:
    with pytest.raises(ChildError) as caught:
        outcome_from_json(JOB, content)
    assert caught.value.state is TrialState.CRASHED


def test_an_answer_repeats_number_and_nonce() -> None:
    asked, other = request(JOB), request(JOB)
    assert is_answer(json.loads(json.dumps(answer(asked, {}))), asked)
    for wrong in ({}, answer(other, {}), {**answer(asked, {}), "index": 4}, {"index": 3, "nonce": None}):
        assert not is_answer(wrong, asked)
    assert not is_answer(answer(asked, {}), None)


def test_progress_is_admitted_as_long_as_it_grows() -> None:
    asked, last = request(JOB), None
    for done in (1, 2, 5):
        told = json.loads(json.dumps(answer(asked, progress_to_json(done, 5))))
        assert is_answer(told, asked)
        last = progress_from_json(JOB, told, last)
        assert last == ChildProgress(3, done, 5)
    assert progress_from_json(JOB, answer(asked, {"measurement": None, "failures": []}), last) is None


@pytest.mark.parametrize(
    "told",
    [
        *(None, 3, "ab", {}, [], [3], [3, 5, 5], [None, 5], ["3", 5], [3.5, 5], [True, 5], [3, 10**30]),
        *([0, 5], [-1, 5], [6, 5], [3, 0], [2, 5], [1, 5], [3, 6], [3, 10**9]),
    ],
)
def test_progress_that_does_not_grow_or_is_none_is_the_failure_of_its_child(told: object) -> None:
    with pytest.raises(ChildError, match="its progress is") as caught:
        progress_from_json(JOB, {"progress": told}, ChildProgress(3, 2, 5))
    assert caught.value.state is TrialState.CRASHED


def test_progress_of_too_many_steps_is_refused() -> None:
    with pytest.raises(ChildError, match="its progress is 1 of 1000000000; expected growing steps"):
        progress_from_json(JOB, {"progress": [1, 10**9]}, None)


def test_logs_cannot_steer_a_terminal() -> None:
    failure = admit_failure("crashed", "one\ntwo", "\x1b[31mred\r\n\ttab\ud800" + "\n" * 100 + "x" * 1000)
    assert failure.error == "one"
    assert failure.log.endswith("x" * 500)
    assert failure.log.count("\n") == 39
    assert admit_failure("nan", "", "\x1b[31mred\r\n\ttab\ud800").log == "\\x1b[31mred\n\ttab\\ud800"


@pytest.mark.parametrize(
    ("reward", "state"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "nan"),
        (1e308, "nan"),
        (10**400, "nan"),
        (None, "crashed"),
        ("0.5", "crashed"),
        (1j, "crashed"),
    ],
)
def test_a_reward_that_is_no_finite_number_is_a_failure(reward: object, state: str) -> None:
    with pytest.raises(ChildError, match="its reward is") as caught:
        reward_of(GOOD, lambda measurement: reward)
    assert caught.value.state == state


@pytest.mark.parametrize(("error", "state"), [(ZeroDivisionError("by 0"), "nan"), (KeyError("map"), "crashed")])
def test_a_reward_that_cannot_be_computed_is_a_failure(error: Exception, state: str) -> None:
    def reward(measurement: object) -> float:
        raise error

    with pytest.raises(ChildError, match=f"its reward cannot be computed: {type(error).__name__}") as caught:
        reward_of(GOOD, reward)
    assert caught.value.state == state


def test_figures_are_admitted_as_they_are() -> None:
    assert admit_measurement(vars(GOOD)) == GOOD
    assert reward_of(GOOD, lambda measurement: 3) == 3.0
