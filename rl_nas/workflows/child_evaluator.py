"""The evaluator of a search's children, made from the search's config in any process."""

from functools import partial
from typing import Any

from rl_nas.child.data.image_cache import load_image_cache
from rl_nas.child.data.images import load_images
from rl_nas.early_stopping.child_states import ChildStates
from rl_nas.evaluation.rehearsal import Rehearsal
from rl_nas.evaluation.repeated_training import OnChild, RepeatedTraining
from rl_nas.evaluation.rewards import make_reward
from rl_nas.evaluation.trained_child import TrainedChildEvaluator
from rl_nas.execution.attempt import Evaluator
from rl_nas.execution.progress import tell_progress
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.store.best_child import ChildWeights
from rl_nas.store.search_folder import SearchFolder
from rl_nas.tasks.sources import open_source
from rl_nas.workflows.child_setup import ChildSetup, set_up
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.lite_size import tflite_size
from rl_nas.workflows.space import any_genotype, search_space
from rl_nas.workflows.tensorflow_setup import settle_determinism


def child_evaluator(config: SearchConfig, folder: SearchFolder) -> Evaluator:
    """Makes the evaluator.

    Raises:
        UsageError: the data set is missing.
    """
    space, setup = _prepared(config, folder)
    states, seeds = ChildStates(folder.states), config.reward.reward_seeds

    def on_epoch(number: int, done: int, epochs: int) -> None:
        tell_progress(number * epochs + done, seeds * epochs)

    keep = ChildWeights(folder, make_reward(config.reward)).keep

    def evaluator(on_child: OnChild) -> TrainedChildEvaluator:
        return TrainedChildEvaluator(
            space,
            setup.training_data(),
            setup.children,
            config.training,
            config.augmentation,
            start=setup.start_of_child,
            build=setup.child,
            whole=setup.networks,
            backbone=setup.cost_before,
            costs=config.costs,
            tflite_size=partial(tflite_size, setup),
            limits=config.limits,
            filtering=config.filter,
            early_stop=config.early_stop,
            states=states if config.early_stop.rule == "halving" and seeds == 1 else None,
            on_child=on_child,
            on_epoch=on_epoch,
        )

    return evaluator(keep) if seeds == 1 else RepeatedTraining(evaluator, seeds, states, keep)


def child_rehearsal(config: SearchConfig, folder: SearchFolder, seconds: float) -> Rehearsal:
    """Makes an evaluator that forecasts what evaluations of children take.

    Args:
        config: of the search.
        folder: of the run.
        seconds: that the train steps of a child may take.

    Raises:
        UsageError: the data set is missing.
    """
    space, setup = _prepared(config, folder)
    measurements = config.training.epochs if config.early_stop.measures else 1
    return Rehearsal(
        space,
        setup.training_data(),
        setup.children,
        config.training,
        config.augmentation,
        setup.child,
        measurements,
        seconds,
    )


def _prepared(config: SearchConfig, folder: SearchFolder) -> tuple[SearchSpace[Any], ChildSetup]:
    """The space of a search, and what its children have in common."""
    settle_determinism(config.run.determinism, jit_compile=config.training.compiled)
    opened = open_source(config.data, config.task.task, config.flags(), _silent)
    space, images = search_space(config), load_image_cache(folder.images) or load_images(opened.source)
    pretrained_on = load_image_cache(folder.pretraining_images)
    setup = set_up(config, any_genotype(space), opened, images, folder, _silent, pretraining_images=pretrained_on)
    return space, setup


def _silent(line: str) -> None:
    """The search has told it."""
