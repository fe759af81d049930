"""The end of a search: its best child and that child's files, or why there is none."""

from collections.abc import Sequence

from rl_nas.errors import RunError
from rl_nas.report.heartbeat import working
from rl_nas.report.search_summary import SearchResult
from rl_nas.report.tables import measured_text
from rl_nas.store.best_child import BestChild
from rl_nas.store.choice import Choice, best_of, write_choice
from rl_nas.trial import Trial, TrialState
from rl_nas.workflows.best_files import write_best_files
from rl_nas.workflows.front_files import write_front
from rl_nas.workflows.search_parts import SearchParts


def finished(parts: SearchParts, child: BestChild, trials: Sequence[Trial], choice: Choice | None) -> SearchResult:
    """Writes the pictures and the SavedModel of the best child, and the front if there are several objectives.

    Args:
        parts: of the search.
        child: keeper of the best child's weights, who is told which it is.
        trials: all of the search.
        choice: of the best one; None: none succeeded.

    Raises:
        RunError: all children failed, or the SavedModel computes something else.
    """
    config, folder = parts.config, parts.folder
    best = _best(trials, choice)
    measured = best.measurement
    assert choice is not None
    assert measured is not None
    child.crown(best)
    write_choice(folder, choice)
    images = len(parts.images.valid_images)
    figure = measured_text(measured.quality_name, measured.quality, images)
    title = f"trial {best.index}, {figure} on {images:,} held-out images"
    with working("still writing the files of the best child"):
        agreement = write_best_files(parts, child, best, title)
    objectives, front = config.objectives.parsed, list[Trial]()
    files = folder.files()
    if objectives is not None:
        front = objectives.front(trials)
        files |= write_front(folder, objectives, front, parts.space.decode)
    return SearchResult(
        trials=trials,
        best=best,
        choice=choice,
        genotype=parts.space.decode(best.architecture),
        epochs=measured.epochs or config.training.epochs,
        runs=config.reward.reward_seeds,
        valid_images=images,
        valid_split=config.data.valid_split,
        files=files,
        objectives=objectives,
        front=front,
        agreement=agreement,
    )


def _best(trials: Sequence[Trial], choice: Choice | None) -> Trial:
    """The best trial; raises `RunError` if there is none."""
    if not trials:
        raise RunError("no child was trained: the time of --max_hours was spent before the first; give more")
    best = best_of(trials, choice)
    over = [trial for trial in trials if trial.state is TrialState.OVER_LIMIT]
    if best is None and len(over) == len(trials):
        raise RunError(f"no network is within the limits; the first of {len(trials)}: {over[0].error}; give more")
    if best is None or best.measurement is None:
        raise RunError(f"all {len(trials)} children failed; the first: {trials[0].state}, {trials[0].error}")
    return best
