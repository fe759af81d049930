"""Trials of an earlier search as prior knowledge of this one, recorded with it: the earlier folder is read but once."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.store.json_files import blaming, check_form
from rl_nas.store.search_folder import SearchFolder
from rl_nas.surrogate.earlier import EarlierTrials
from rl_nas.tasks.sources import tell_user
from rl_nas.trial import best_first
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.run_record import RunRecord

PRIOR = "prior"
"""Name of the earlier trials in a run's config."""

_FEWEST = 5
"""Successful trials that say something."""

_FORM = {"architectures": [[int]], "rewards": [float]}


def earlier_trials(
    config: SearchConfig, space: SearchSpace[Any], folder: SearchFolder, *, resumed: bool
) -> EarlierTrials | None:
    """The trials of `--prior`, or those that a continued run has recorded; None: there are none.

    Raises:
        UsageError: there is no such run, its space is another, or too few of its trials have succeeded; or the record
            is broken.
    """
    if config.strategy.prior is None:
        return None
    if resumed:
        with blaming(folder.config):
            return _recorded(folder.read_config().get(PRIOR), space, folder)
    run = RunRecord(config.strategy.prior, trust=config.trust.trust, what="--prior=")
    if run.space.decisions != space.decisions:
        raise UsageError(
            f"--prior={run.folder.path} is a search of --space={run.config['flags'].get('space')} with other decisions;"
            f" expected those of --space={config.space.space}"
        )
    successful = sorted((trial for trial in run.trials if trial.reward is not None), key=lambda trial: trial.index)
    if len(successful) < _FEWEST:
        raise UsageError(
            f"--prior={run.folder.path} has {len(successful)} successful trials; expected at least {_FEWEST}"
        )
    with blaming(run.folder.trials):
        for trial in successful:
            space.validate(trial.architecture)
    tokens = np.array([trial.architecture for trial in successful], np.int32)
    earlier = EarlierTrials(tokens, np.array([trial.reward for trial in successful], np.float64)).thinned()
    best, dataset = best_first(successful)[0], run.config["flags"].get("dataset")
    tell_user(
        f"prior: {len(earlier.rewards)} of {len(run.trials)} trials of {run.folder.path} on {dataset}, the best trial"
        f" {best.index} with reward {best.reward:.4f}; how much they count is found from the new ones"
    )
    return earlier


def prior_document(earlier: EarlierTrials | None) -> dict[str, Any]:
    """What a run's config records of its prior knowledge; nothing if there is none."""
    if earlier is None:
        return {}
    return {PRIOR: {"architectures": earlier.tokens.tolist(), "rewards": earlier.rewards.tolist()}}


def _recorded(document: Any, space: SearchSpace[Any], folder: SearchFolder) -> EarlierTrials:
    check_form(document, _FORM, folder.config)
    found: Mapping[str, Any] = document
    architectures, rewards = found["architectures"], np.array(found["rewards"], np.float64)
    if len(architectures) != len(rewards) or len(rewards) < _FEWEST or not np.isfinite(rewards).all():
        raise UsageError(
            f"{len(architectures)} earlier architectures and {len(rewards)} rewards; expected a finite one each"
        )
    for architecture in architectures:
        space.validate(architecture)
    return EarlierTrials(np.array(architectures, np.int32), rewards)
