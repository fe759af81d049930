"""Trials are rows of TensorBoard's HParams, read back by TensorBoard's own plug-in."""

from pathlib import Path
from typing import Any

from classifying import measured
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.list_session_groups import Handler

from rl_nas.report.trial_sessions import MOST, TrialSessions
from rl_nas.spaces.decisions import Decision, SearchSpace
from rl_nas.trial import Failure, Trial, TrialState

DECISIONS = (Decision("op", ("conv", "pool")), Decision("size", (3, 5), when=(("op", ("conv",)),)))
SPACE: SearchSpace[Any] = SearchSpace("s", DECISIONS, lambda values: Any, lambda genotype: {})


class _Context:
    """As TensorBoard hands it to plug-ins."""

    def __init__(self, folder: Path) -> None:
        multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
        multiplexer.Reload()
        self.data_provider = MultiplexerDataProvider(multiplexer, str(folder))


def rows(folder: Path) -> dict[str, Any]:
    """Hyperparameters, metrics and status of each row that TensorBoard shows."""
    context = Context(_Context(folder))
    request = RequestContext()
    experiment = context.experiment_from_metadata(request, "", True, context.hparams_metadata(request, ""), [])
    columns = [api_pb2.ColParams(hparam=info.name) for info in experiment.hparam_infos]
    columns += [api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos]
    wanted = api_pb2.ListSessionGroupsRequest(
        start_index=0,
        slice_size=2000,
        col_params=columns,
        allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE],
    )
    found = {}
    for group in Handler(request, context, "", wanted).run().session_groups:
        hparams = {name: value.string_value or value.number_value for name, value in group.hparams.items()}
        metrics = {metric.name.tag: metric.value for metric in group.metric_values}
        found[group.name] = hparams, metrics, group.sessions[0].status
    return found


def test_decisions_costs_and_rewards_are_rows(tmp_path: Path) -> None:
    sessions = TrialSessions(tmp_path, SPACE)
    sessions.add(Trial(0, (0, 1), TrialState.OK, 0.5, measured(0.75, parameters=100)))
    sessions.add(Trial(1, (1, 0), TrialState.NAN, failures=(Failure(TrialState.NAN, "nan"),)))
    sessions.add(Trial(0, (0, 1), TrialState.OK, 0.5, measured(0.75), cached=True))
    found = rows(tmp_path)
    assert found.keys() == {"trial-0000", "trial-0001"}
    hparams, metrics, status = found["trial-0000"]
    assert (hparams, status) == ({"op": "conv", "size": 5}, api_pb2.STATUS_SUCCESS)
    assert {name: metrics[name] for name in ("reward", "accuracy", "loss", "parameters")} == {
        "reward": 0.5,
        "accuracy": 0.75,
        "loss": 1.0,
        "parameters": 100,
    }
    hparams, metrics, status = found["trial-0001"]
    assert (hparams, metrics, status) == ({"op": "pool"}, {}, api_pb2.STATUS_FAILURE)


def test_a_continued_run_adds_what_is_missing_up_to_the_rows_that_are_shown(tmp_path: Path) -> None:
    trials = [Trial(n, (0, 0), TrialState.OK, 0.5, measured(0.5)) for n in (0, MOST - 1, MOST)]
    TrialSessions(tmp_path, SPACE).add(trials[0])
    TrialSessions(tmp_path, SPACE).restore(trials)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trial-0000", "trial-0999"]
    assert len(list((tmp_path / "trial-0000").iterdir())) == 1
