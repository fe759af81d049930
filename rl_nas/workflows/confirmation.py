"""Further trainings of a search's best children, with other seeds: the reward by which they were found is too good."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rl_nas.early_stopping.supervised import supervised
from rl_nas.early_stopping.thresholds import EarlyStopSettings
from rl_nas.evaluation.settings import FilterSettings
from rl_nas.loops.ordered import finish
from rl_nas.report.progress import SearchProgress
from rl_nas.report.tables import counted
from rl_nas.store.best_child import classes_of, weights_of
from rl_nas.store.choice import MOST_SEEDS
from rl_nas.store.files import storage_errors
from rl_nas.store.search_folder import SearchFolder
from rl_nas.store.trials import TrialStore
from rl_nas.tasks.sources import tell_user
from rl_nas.trial import MOST_TRIALS, Job, Trial, child_seed
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.search_parts import SearchParts


def confirm(parts: SearchParts, best: Sequence[Trial]) -> None:
    """Trains the best children again, and records each training; recorded ones are not repeated.

    Nothing stops these trainings early, and no filter refuses them.

    Args:
        parts: of the search.
        best: its trials, the best first.
    """
    config, folder = parts.config, parts.folder
    jobs = list(_jobs(config, best))
    with TrialStore(folder.confirmed) as store:
        recorded = store.recall(jobs)
        left = [job for job in jobs if job.index not in recorded]
        if not left:
            return
        chosen, seeds = config.choice.confirm or 0, config.choice.confirm_seeds
        children = counted(min(chosen, len(best)), "best child is", "best children are")
        tell_user(f"confirmation: the {children} trained again, {counted(seeds, 'time')} each with other seeds")
        config = replace(config, filter=FilterSettings(), early_stop=EarlyStopSettings())
        with parts.executor(config) as executor:
            whole = supervised(
                executor,
                config.execution,
                config.early_stop,
                space=parts.space,
                epochs=config.training.epochs,
                states=folder.states,
                recorded=(),
                reward=parts.reward,
                lag=len(jobs),
                seeds=config.reward.reward_seeds,
            )
            images = len(parts.images.valid_images)
            progress = SearchProgress(len(jobs), [*recorded.values()], activity=executor, images=images)
            with progress.line:
                for outcome in whole.run(left):
                    trial = finish(outcome, parts.reward)
                    store.record(trial)
                    progress.follow(trial, {})
                    _forget_weights(folder, trial)


def confirmed_rewards(config: SearchConfig, folder: SearchFolder, best: Sequence[Trial]) -> dict[int, list[float]]:
    """The rewards of the further trainings of each of the best children, by the number of its trial.

    Args:
        config: of the search.
        folder: of the run.
        best: its trials, the best first.

    Returns:
        None of them while some trainings are missing; those that failed are left out.
    """
    jobs = list(_jobs(config, best))
    if not folder.confirmed.exists():
        return {}
    with TrialStore(folder.confirmed) as store:
        recorded = store.recall(jobs)
    found: dict[int, list[float]] = {}
    for job in jobs:
        if job.index not in recorded:
            return {}
        if (reward := recorded[job.index].reward) is not None:
            found.setdefault(_of(job.index), []).append(reward)
    return found


def _jobs(config: SearchConfig, best: Sequence[Trial]) -> Iterator[Job]:
    """The trainings; their numbers are beyond those of trials, and depend on the trial and the training alone."""
    for trial in best[: config.choice.confirm]:
        for number in range(config.choice.confirm_seeds):
            index = MOST_TRIALS + trial.index * MOST_SEEDS + number
            yield Job(index, trial.architecture, child_seed(config.run.seed, index))


def _of(index: int) -> int:
    """The number of the trial that a further training is of."""
    return (index - MOST_TRIALS) // MOST_SEEDS


def _forget_weights(folder: SearchFolder, trial: Trial) -> None:
    with storage_errors(folder.children):
        for path in (weights_of(folder, trial.index), classes_of(folder, trial.index)):
            path.unlink(missing_ok=True)
