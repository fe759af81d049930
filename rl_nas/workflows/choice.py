"""The choice of a search's best trial: by a model of all rewards, or by further trainings of the best few."""

from collections.abc import Mapping, Sequence
from typing import Any

from rl_nas.evaluation.repeated_training import DEVIATION
from rl_nas.spaces.decisions import SearchSpace
from rl_nas.statistics import pooled_deviation
from rl_nas.store.best_child import KEPT
from rl_nas.store.choice import CONFIRMED, FEWEST, MODEL, REWARD, Choice, Confirmed
from rl_nas.trial import Trial, best_trials
from rl_nas.workflows.config import SearchConfig


def ranked(config: SearchConfig, space: SearchSpace[Any], trials: Sequence[Trial]) -> tuple[Choice | None, list[Trial]]:
    """The choice without further trainings, and the trials that it was made from, the best first.

    Args:
        config: of the search; `--choose_by` says by what is chosen, and it is the reward where there is no model.
        space: of the search.
        trials: all that are recorded.

    Returns:
        None and no trials if none has succeeded.
    """
    successful = best_trials(trials, len(trials))
    best, noise, expected = successful[:KEPT], measured_noise(config, trials), None
    if not best:
        return None, []
    ordered = sorted(_whole(config, successful), key=lambda trial: trial.index)
    if config.choice.choose_by == MODEL and len(ordered) >= FEWEST:
        from rl_nas.surrogate.choice import expected_rewards  # imports SciPy

        architectures = [trial.architecture for trial in ordered]
        rewards = [trial.reward or 0.0 for trial in ordered]
        places = {trial.index: place for place, trial in enumerate(ordered)}
        among = [places[trial.index] for trial in best if trial.index in places]
        expected = expected_rewards(space, architectures, rewards, among, noise)
    if expected is None:
        first, second = best[0], best[1] if len(best) > 1 else None
        lead = None if second is None else (first.reward or 0.0) - (second.reward or 0.0)
        deviation = None if noise is None or lead is None else noise * 2**0.5
        choice = Choice(
            trial=first.index,
            by=REWARD,
            trials=len(trials),
            highest=first.index,
            next=None if second is None else second.index,
            expected=first.reward,
            lead=lead,
            lead_deviation=deviation,
            noise=noise,
        )
        return choice, best
    order = [ordered[place] for place in expected.places]
    choice = Choice(
        trial=order[0].index,
        by=MODEL,
        trials=len(trials),
        highest=best[0].index,
        next=order[1].index,
        expected=expected.rewards[0],
        lead=expected.rewards[0] - expected.rewards[1],
        lead_deviation=expected.lead_deviation,
        noise=expected.noise,
    )
    return choice, order


def _whole(config: SearchConfig, trials: Sequence[Trial]) -> Sequence[Trial]:
    """Those that were trained to the end: of stopped ones the rewards say too little."""
    if not config.early_stop.stops:
        return trials
    return [one for one in trials if one.measurement and one.measurement.epochs == config.training.epochs]


def by_confirmation(choice: Choice, rewards: Mapping[int, Sequence[float]]) -> Choice:
    """The choice by the means of further trainings; of equals the one that was ranked first.

    The noise of one reward is pooled over the trials.
    """
    confirmed = [Confirmed(trial, tuple(found)) for trial, found in rewards.items()]
    confirmed.sort(key=lambda one: -one.mean)
    noise = pooled_deviation([one.rewards for one in confirmed])
    first, second = confirmed[0], confirmed[1] if len(confirmed) > 1 else None
    lead, deviation = None, None
    if second is not None:
        lead = first.mean - second.mean
        counts = 1 / len(first.rewards) + 1 / len(second.rewards)
        deviation = None if noise is None else noise * counts**0.5
    return Choice(
        trial=first.trial,
        by=CONFIRMED,
        trials=choice.trials,
        highest=choice.highest,
        next=None if second is None else second.trial,
        expected=first.mean,
        lead=lead,
        lead_deviation=deviation,
        noise=noise,
        confirmed=tuple(confirmed),
    )


def measured_noise(config: SearchConfig, trials: Sequence[Trial]) -> float | None:
    """Standard deviation of a reward by the repeated trainings of all children; None: there are none.

    Only where the reward is the quality, whose deviation children tell.
    """
    seeds = config.reward.reward_seeds
    if seeds == 1 or config.reward.reward != "quality":
        return None
    measured = [trial.measurement for trial in trials if trial.measurement is not None]
    names = {one.quality_name + DEVIATION for one in measured}
    deviations = [one.metrics[name] for one in measured for name in names if name in one.metrics]
    if not deviations:
        return None
    return float((sum(value**2 for value in deviations) / len(deviations) / seeds) ** 0.5)
