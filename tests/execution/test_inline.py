"""Children in the search's own process."""

from rl_nas.execution.inline import InlineExecutor
from rl_nas.execution.progress import tell_progress
from rl_nas.trial import ChildProgress, Job, Measurement


def test_a_child_tells_how_far_it_is() -> None:
    seen: list[list[ChildProgress]] = []

    def evaluate(job: Job) -> Measurement:
        seen.append(executor.running)
        tell_progress(2, 3)
        seen.append(executor.running)
        assert executor.workers == (1, 1)
        return Measurement(0.5)

    executor = InlineExecutor(evaluate)
    assert (executor.running, executor.began) == ([], None)
    outcomes = list(executor.run([Job(4, (0,), 0), Job(5, (0,), 0)]))
    assert [outcome.state for outcome in outcomes] == ["ok", "ok"]
    assert seen == [[ChildProgress(index, *told)] for index in (4, 5) for told in ((0, 0), (2, 3))]
    assert (executor.running, executor.workers) == ([], (0, 1))
    assert executor.began is not None


def test_outside_of_an_executor_nobody_listens() -> None:
    tell_progress(1, 2)
