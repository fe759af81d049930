"""The best trial of a search: chosen once, recorded, and read by all; said to lead only where noise allows."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_nas.early_stopping.thresholds import EarlyStopSettings
from rl_nas.errors import UsageError
from rl_nas.evaluation.rewards import RewardSettings
from rl_nas.report.choice_text import choice_text
from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.statistics import mean_interval, pooled_deviation
from rl_nas.store.best_child import KEPT
from rl_nas.store.choice import CONFIRMED, FEWEST, MODEL, REWARD, Choice, best_of, read_choice, write_choice
from rl_nas.store.search_folder import SearchFolder
from rl_nas.trial import Measurement, Trial, TrialState
from rl_nas.workflows.choice import by_confirmation, measured_noise, ranked
from rl_nas.workflows.config import SearchConfig
from rl_nas.workflows.settings import ChoiceSettings

SPACE = nasbench201()
CONVOLUTION = SPACE.decisions[0].choices.index("nor_conv_3x3")
BY_REWARD = SearchConfig(choice=ChoiceSettings(choose_by=REWARD))


def ok(index: int, reward: float, architecture: tuple[int, ...] = (0,) * 6, **metrics: float) -> Trial:
    return Trial(index, architecture, TrialState.OK, reward, Measurement(reward, metrics))


def noisy_trials(count: int) -> list[Trial]:
    """Cells whose reward is their number of convolutions and as much noise."""
    rng = np.random.default_rng(0)
    cells = list(dict.fromkeys(SPACE.sample(rng) for _ in range(2 * count)))[:count]
    rewards = [cell.count(CONVOLUTION) + 1.2 * rng.standard_normal() for cell in cells]
    return [ok(index, *one) for index, one in enumerate(zip(rewards, cells, strict=True))]


def test_the_model_is_asked_in_searches_of_enough_children() -> None:
    trials = noisy_trials(2 * FEWEST)
    highest = max(trials, key=lambda trial: trial.reward or 0.0).index
    choice, order = ranked(SearchConfig(), SPACE, trials)
    assert choice is not None
    assert (choice.by, choice.highest, choice.trials) == (MODEL, highest, len(trials))
    assert choice.trial == order[0].index != highest
    assert choice.next == order[1].index
    assert f"trial {highest} has the highest reward" in choice_text(choice)
    assert "within the noise" in choice_text(choice)
    for config, shown in ((BY_REWARD, trials), (SearchConfig(), trials[: FEWEST - 1])):
        plain, best = ranked(config, SPACE, shown)
        assert plain is not None
        assert (plain.by, plain.trial) == (REWARD, max(shown, key=lambda trial: trial.reward or 0.0).index)
        assert len(best) == KEPT
    assert ranked(SearchConfig(), SPACE, [Trial(0, (0,) * 6, TrialState.CRASHED)]) == (None, [])


def test_the_model_looks_at_whole_trainings_alone() -> None:
    """Stopped children, though of high rewards, neither count as enough nor change what is expected of the others."""
    config = SearchConfig(early_stop=EarlyStopSettings(rule="asha"))
    epochs = config.training.epochs

    def trained(trial: Trial, epochs: int, index: int) -> Trial:
        assert trial.measurement is not None
        return replace(trial, index=index, measurement=replace(trial.measurement, epochs=epochs))

    trials = noisy_trials(3 * FEWEST)
    whole = [trained(trial, epochs, index) for index, trial in enumerate(trials[: 2 * FEWEST])]
    stopped = [trained(trial, 1, 2 * FEWEST + index) for index, trial in enumerate(trials[2 * FEWEST :])]
    low = [replace(trial, reward=(trial.reward or 0.0) - 100) for trial in stopped]
    expected, _ = ranked(config, SPACE, whole)
    choice, order = ranked(config, SPACE, [*whole, *low])
    assert choice is not None
    assert expected is not None
    assert (choice.by, choice.trial, choice.expected) == (MODEL, expected.trial, expected.expected)
    mixed, order = ranked(config, SPACE, [*whole, *stopped])
    assert mixed is not None
    assert mixed.by == MODEL
    assert all(trial.measurement and trial.measurement.epochs == epochs for trial in order)
    few, _ = ranked(config, SPACE, [*whole[: FEWEST - 1], *low])
    assert few is not None
    assert few.by == REWARD


def test_further_trainings_decide() -> None:
    choice, _ = ranked(BY_REWARD, SPACE, [ok(0, 0.9), ok(1, 0.8), ok(2, 0.7)])
    assert choice is not None
    found = by_confirmation(choice, {0: [0.70, 0.72], 1: [0.80, 0.84]})
    assert (found.by, found.trial, found.next, found.highest) == (CONFIRMED, 1, 0, 0)
    noise = math.sqrt((2 * 0.01**2 + 2 * 0.02**2) / 2)  # pooled by hand: two degrees of freedom
    assert found.noise == pytest.approx(noise)
    assert found.expected == pytest.approx(0.82)
    assert found.lead == pytest.approx(0.11)
    assert found.lead_deviation == pytest.approx(noise)  # of a difference of two means of two
    text = choice_text(found)
    half = 4.302653 * noise / math.sqrt(2)  # Student's t for 2 degrees of freedom
    assert f"{0.82 - half:.4f} to {0.82 + half:.4f}" in text
    assert "Trial 1 has the best mean of its further trainings, 0.8200; trial 0 has the highest reward." in text
    assert f"Ahead of the next, trial 0, by 0.1100, the noise of one reward being {noise:.4f}" in text
    assert "more than the noise" in text
    single = by_confirmation(choice, {0: [0.7], 1: [0.8]})
    assert single.noise is None
    assert "how much of that is noise is not known" in choice_text(single)


def test_repeated_trainings_of_all_children_tell_the_noise() -> None:
    trials = [ok(i, 0.5 + i / 10, accuracy=0.5 + i / 10, accuracy_deviation=0.02) for i in range(3)]
    config = replace(BY_REWARD, reward=RewardSettings(reward_seeds=4))
    assert measured_noise(config, trials) == pytest.approx(0.01)
    choice, _ = ranked(config, SPACE, trials)
    assert choice is not None
    assert choice.lead_deviation == pytest.approx(0.01 * math.sqrt(2))
    assert "more than the noise" in choice_text(choice)
    assert "within the noise" in choice_text(replace(choice, lead=0.01))
    assert measured_noise(BY_REWARD, trials) is None
    cubed = replace(config, reward=RewardSettings(reward_seeds=4, reward="quality_cubed"))
    assert measured_noise(cubed, trials) is None


def test_a_deviation_is_pooled_over_groups() -> None:
    rng = np.random.default_rng(0)
    group = rng.normal(size=7).tolist()
    assert pooled_deviation([group]) == pytest.approx(np.std(group, ddof=1))
    assert pooled_deviation([[1.0], [2.0]]) is None
    assert mean_interval([1.0], [[1.0]]) is None
    groups = [rng.normal(loc, 0.5, 3).tolist() for loc in range(200)]
    assert pooled_deviation(groups) == pytest.approx(0.5, rel=0.15)
    covered = [abs(np.mean(one) - loc) <= (mean_interval(one, groups) or 0) for loc, one in enumerate(groups)]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.06)  # four standard errors


def test_all_readers_get_the_recorded_choice_until_trials_are_added(tmp_path: Path) -> None:
    folder, trials = SearchFolder(tmp_path), [ok(0, 0.9), ok(1, 0.8)]
    assert read_choice(folder, trials) is None
    choice = by_confirmation(Choice(0, REWARD, 2, 0, 1), {1: [0.7, 0.8], 0: [0.6]})
    write_choice(folder, choice)
    assert read_choice(folder, trials) == choice
    best = best_of(trials, read_choice(folder, trials))
    assert best is not None
    assert best.index == 1
    more = [*trials, ok(2, 0.1)]
    assert read_choice(folder, more) is None
    best = best_of(more, None)
    assert best is not None
    assert best.index == 0


@pytest.mark.parametrize(
    "change",
    [
        {"trial": 7},
        {"highest": -1},
        {"next": 3},
        {"by": "luck"},
        {"lead": math.nan},
        {"expected": math.inf},
        {"confirmed": [{"trial": 0, "rewards": []}]},
        {"confirmed": [{"trial": 5, "rewards": [1.0]}]},
        {"confirmed": None},
        {"trials": "2"},
    ],
)
def test_a_strangers_choice_is_refused(tmp_path: Path, change: Mapping[str, Any]) -> None:
    folder, trials = SearchFolder(tmp_path), [ok(0, 0.9), ok(1, 0.8)]
    write_choice(folder, Choice(1, MODEL, 2, 0, 0))
    folder.choice.write_text(json.dumps({**json.loads(folder.choice.read_text()), **change}))
    with pytest.raises(UsageError, match=r"choice\.json.*delete the file") as raised:
        read_choice(folder, trials)
    assert "\n" not in str(raised.value)
