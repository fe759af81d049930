"""Successive halving over children whose accuracies are known."""

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.early_stopping.halving import HalvingExecutor, Rung
from rl_nas.execution.inline import InlineExecutor
from rl_nas.trial import ChildError, Job, Measurement, Outcome, TrialState

RUNGS = [1, 3, 9]


class Children:
    """Children that get better by the epoch, the higher numbers the more, and remember how far they were trained."""

    def __init__(self, failing: Mapping[int, int] | None = None) -> None:
        self.curves: dict[int, list[float]] = {}
        self.failing = failing or {}
        self.epochs = 0

    def __call__(self, job: Job) -> Measurement:
        curve = self.curves.setdefault(job.index, [])
        assert job.epochs is not None
        while len(curve) < job.epochs:
            self.epochs += 1
            curve.append(len(curve) / 100 + job.index / 1000)
            if self.failing.get(job.index) == len(curve):
                raise ChildError(TrialState.NAN, "loss is nan")
        asked = tuple(curve[: job.epochs])  # a child of a run that is continued may have come further
        return Measurement(asked[-1], epochs=len(asked), curve=asked)


def quality(measurement: Measurement) -> float:
    return measurement.quality


def halving(children: Children, folder: Path) -> HalvingExecutor:
    return HalvingExecutor(InlineExecutor(children), RUNGS, 3, quality, ChildStates(folder))


def jobs(count: int, first: int = 0) -> list[Job]:
    return [Job(index, (index,), index) for index in range(first, first + count)]


def epochs(outcomes: Iterable[Outcome]) -> dict[int, int]:
    return {o.job.index: o.measurement.epochs if o.measurement else 0 for o in outcomes}


@pytest.mark.parametrize("count", [1, 2, 8, 9, 10, 20])
def test_one_in_three_reaches_the_next_rung(count: int, tmp_path: Path) -> None:
    children = Children()
    reached = epochs(halving(children, tmp_path).run(reversed(jobs(count))))
    assert list(reached) == list(range(count))
    second = math.ceil(count / 3)
    last = math.ceil(second / 3)
    assert sorted(reached.values()) == [1] * (count - second) + [3] * (second - last) + [9] * last
    assert list(reached.values()) == sorted(reached.values())  # the better ones, which have the higher numbers
    assert children.epochs == sum(reached.values())  # each epoch is trained once
    assert len(children.curves) == count


def test_failures_are_outcomes_and_are_not_trained_on(tmp_path: Path) -> None:
    outcomes = {o.job.index: o for o in halving(Children({8: 1, 7: 2}), tmp_path).run(jobs(9))}
    assert {index for index, o in outcomes.items() if o.state is TrialState.NAN} == {7, 8}
    assert epochs(outcomes.values()) == {**dict.fromkeys(range(5), 1), 5: 3, 6: 9, 7: 0, 8: 0}


def test_children_without_a_reward_are_not_trained_on(tmp_path: Path) -> None:
    def reward(measurement: Measurement) -> float:
        return math.nan if measurement.quality >= 0.007 else measurement.quality  # of 7 and 8

    executor = HalvingExecutor(InlineExecutor(Children()), RUNGS, 3, reward, ChildStates(tmp_path))
    reached = epochs(executor.run(jobs(9)))
    assert {index for index, count in reached.items() if count > 1} == {4, 5, 6}


class KilledError(Exception):
    """The process ended."""


class MortalExecutor:
    """Ends the process after so many outcomes."""

    def __init__(self, children: Children, lives: int) -> None:
        self._executor, self.lives = InlineExecutor(children), lives

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome]:
        for outcome in self._executor.run(jobs):
            if not self.lives:
                raise KilledError
            self.lives -= 1
            yield outcome


@pytest.mark.parametrize("lives", range(0, 26, 3))
def test_a_search_that_is_killed_anywhere_decides_as_the_unbroken_one(lives: int, tmp_path: Path) -> None:
    """Killed while children are trained, and again when some outcomes are told: these are not asked for again."""
    unbroken = epochs(halving(Children(), tmp_path / "whole").run(jobs(18)))
    folder, children, known = tmp_path / "killed", Children(), {}
    mortal = HalvingExecutor(MortalExecutor(children, lives), RUNGS, 3, quality, ChildStates(folder))
    with pytest.raises(KilledError) if lives < 18 + 6 + 2 else pytest.raises(ZeroDivisionError):
        for outcome in mortal.run(jobs(18)):
            known |= epochs([outcome])
            if len(known) == 5:
                _ = 1 / 0
    for told in (4, 18):
        left = [job for job in jobs(18) if job.index not in known]
        for outcome in halving(children, folder).run(left):
            known |= epochs([outcome])
            if len(known) == told:
                break
    assert known == unbroken
    assert children.epochs == sum(unbroken.values())


def test_how_far_a_batch_is_can_be_followed(tmp_path: Path) -> None:
    told: list[str] = []

    def follow(rung: Rung | None) -> None:
        told.append("decided" if rung is None else str(rung))

    executor = HalvingExecutor(InlineExecutor(Children()), RUNGS, 3, quality, ChildStates(tmp_path), follow)
    for outcome in executor.run(jobs(3)):
        told.append(f"outcome {outcome.job.index}")
    assert told == [
        *(f"rung 1/3: {finished}/3 children" for finished in range(4)),
        *("rung 2/3: 0/1 children", "rung 2/3: 1/1 children", "rung 3/3: 0/1 children", "rung 3/3: 1/1 children"),
        *("decided", "outcome 0", "outcome 1", "outcome 2"),
    ]


def test_the_next_batch_is_decided_by_itself(tmp_path: Path) -> None:
    executor = halving(Children(), tmp_path)
    first, second = (epochs(executor.run(jobs(9, start))) for start in (0, 9))
    assert list(first.values()) == list(second.values())
