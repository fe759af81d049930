"""The files of a search's best child: picture, SavedModel, Keras model, data, examples."""

import sys
from collections.abc import Sequence

import keras

from rl_nas.child.data.images import selected
from rl_nas.child.export.serving import Serving
from rl_nas.child.export.writers import write_checked_saved_model
from rl_nas.child.network.composed import build_network
from rl_nas.errors import UsageError
from rl_nas.evaluation.examples import EXAMINED
from rl_nas.networks.plan import Plan
from rl_nas.report.event_log import EventLog
from rl_nas.report.health_log import BEST_CELLS
from rl_nas.report.optional_picture import optional_picture
from rl_nas.report.picture import draw_genotype
from rl_nas.store.best_child import VALID, BestChild, classes_of
from rl_nas.store.class_results import parse_class_results
from rl_nas.store.files import storage_errors, write_atomically
from rl_nas.store.json_files import read_text
from rl_nas.tasks.sources import tell_user
from rl_nas.trial import Job, Trial, child_seed
from rl_nas.workflows.examples import batch_size, examined_places, write_examples
from rl_nas.workflows.network_files import write_network
from rl_nas.workflows.search_parts import SearchParts

_CHECKED_IMAGES = 64
"""Held-out images on which the exported SavedModel is compared with the child."""


def write_best_files(parts: SearchParts, child: BestChild, best: Trial, title: str) -> dict[str, float]:
    """Writes the files of the best child; trains it again if its weights are on another machine.

    Args:
        parts: of the search.
        child: its best one, with weights.
        best: the trial.
        title: of the pictures.

    Returns:
        The figures of the reloaded SavedModel's agreement with the child.

    Raises:
        RunError: the SavedModel computes something else.
        StorageError: files cannot be written.
    """
    folder = parts.folder
    with storage_errors(folder.best):
        picture = folder.best / "cell.png"
        picture.unlink(missing_ok=True)  # it may be of another network
        with optional_picture("the best network", tell_user):
            draw_genotype(parts.space.decode(best.architecture), picture, title=title)
        if picture.exists():
            with EventLog(folder.tensorboard) as events:
                events.png(BEST_CELLS, picture.read_bytes(), best.index)
        return _export(parts, child, best, title)


def _export(parts: SearchParts, child: BestChild, best: Trial, title: str) -> dict[str, float]:
    if not child.weights.exists():
        _train_again(parts, best)
    plan = parts.setup.networks.plan(parts.space.decode(best.architecture))
    network = build_network(plan, parts.setup.keras)
    child.load_weights(network, parts.setup.start)
    return write_network_files(parts, network, plan, title, _worst(parts, best))


def write_network_files(
    parts: SearchParts, network: keras.Model, plan: Plan, title: str, worst: Sequence[int] = ()
) -> dict[str, float]:
    """Writes the SavedModel, the Keras model, the data and the examples of a network into the best of the run's folder.

    Args:
        parts: of the search.
        network: of the search.
        plan: its own.
        title: of the picture of examples.
        worst: places of the held-out images with the highest loss, as far as they are known.

    Returns:
        The figures of the reloaded SavedModel's agreement with the network.

    Raises:
        RunError: the SavedModel computes something else.
    """
    folder, setup, problem = parts.folder, parts.setup, parts.setup.networks.problem
    serving = parts.task.serving(problem, network, setup.normalization)
    images, targets = selected((parts.images.valid_images, parts.images.valid_targets), slice(_CHECKED_IMAGES))
    extras = setup.annotation.extras
    agreement = write_checked_saved_model(serving, images, targets, folder.best / "saved_model", extras)
    write_atomically(folder.model, serving.keras_model().save)
    write_network(folder.network, serving, problem, None if setup.keras else plan, extras)
    _write_examples(parts, worst, serving, title)
    return agreement


def _train_again(parts: SearchParts, best: Trial) -> None:
    print(f"training trial {best.index} again: its weights are on another machine", file=sys.stderr)
    job = Job(best.index, best.architecture, child_seed(parts.config.run.seed, best.index))
    curve = best.measurement.curve if best.measurement else ()
    parts.children.repeat(parts.config, job.until(len(curve)) if curve else job)


def _worst(parts: SearchParts, best: Trial) -> tuple[int, ...]:
    """Places of the held-out images with the highest loss, as far as the training of the best child has told them."""
    path = classes_of(parts.folder, best.index)
    if not path.exists():
        return ()
    try:
        results = parse_class_results(read_text(path), path).get(VALID)
    except UsageError as error:  # a search does not end for its pictures
        tell_user(f"the worst images are those of {EXAMINED} alone: {error}")
        return ()
    return () if results is None else results.worst


def _write_examples(parts: SearchParts, worst: Sequence[int], serving: Serving, title: str) -> None:
    data, seed, images = parts.images, parts.config.run.seed, len(parts.images.valid_images)
    chosen = examined_places(images, seed, worst)
    count, among = len(chosen), images if worst else len(chosen)
    size = batch_size(data.image_shape)
    places = [chosen[start : start + size] for start in range(0, count, size)]
    batches = (selected((data.valid_images, data.valid_targets), place) for place in places)
    write_examples(
        parts.task, parts.setup.annotation, serving, batches, count, seed, parts.folder.examples, title, among=among
    )
