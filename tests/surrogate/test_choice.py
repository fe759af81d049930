"""What a model expects of the best trials: luck is not taken for quality, and noise is measured."""

import numpy as np
import pytest

from rl_nas.spaces.nasbench201 import nasbench201
from rl_nas.surrogate import choice
from rl_nas.surrogate.choice import expected_rewards

SPACE = nasbench201()
CONVOLUTIONS = [name.startswith("nor_conv") for name in SPACE.decisions[0].choices]


def trials(count: int, noise: float, seed: int = 0) -> tuple[list[tuple[int, ...]], np.ndarray, np.ndarray]:
    """Random cells, their true rewards, the number of convolutions, and noisy ones."""
    rng = np.random.default_rng(seed)
    cells = list(dict.fromkeys(SPACE.sample(rng) for _ in range(count)))
    truth = np.array([sum(CONVOLUTIONS[choice] for choice in cell) for cell in cells], float)
    return cells, truth, truth + noise * rng.standard_normal(len(cells))


def test_where_noise_is_large_the_expected_best_is_truly_better_than_the_luckiest() -> None:
    observed, expected = list[float](), list[float]()
    for seed in range(6):
        cells, truth, rewards = trials(150, 1.2, seed)
        among = np.argsort(-rewards)[:10].tolist()
        found = expected_rewards(SPACE, cells, rewards.tolist(), among)
        assert found is not None
        assert set(found.places) == set(among)
        assert found.rewards == sorted(found.rewards, reverse=True)
        observed.append(truth[among[0]])
        expected.append(truth[found.places[0]])
    assert np.mean(expected) > np.mean(observed) + 0.3


@pytest.mark.parametrize("noise", [0.3, 0.6])
def test_the_noise_is_measured(noise: float) -> None:
    cells, _, rewards = trials(250, noise)
    found = expected_rewards(SPACE, cells, rewards.tolist(), [0, 1])
    assert found is not None
    assert found.noise == pytest.approx(noise, rel=0.5)


def test_the_same_lead_is_more_certain_with_less_noise() -> None:
    cells, _, rewards = trials(120, 0.3)
    among = np.argsort(-rewards)[:5].tolist()
    little, much = (expected_rewards(SPACE, cells, rewards.tolist(), among, noise) for noise in (0.05, 1.0))
    assert little is not None
    assert much is not None
    assert little.noise < much.noise
    assert little.lead_deviation < much.lead_deviation


def test_of_very_many_trials_some_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_MEMORY", 60)
    cells, truth, rewards = trials(300, 0.1)
    among = np.argsort(-rewards)[:10].tolist()
    found = expected_rewards(SPACE, cells, rewards.tolist(), among)
    assert found is not None
    assert set(found.places) == set(among)
    assert truth[found.places[0]] == truth.max()


def test_equal_rewards_have_no_model() -> None:
    cells, _, _ = trials(60, 0.0)
    assert expected_rewards(SPACE, cells, [1.0] * len(cells), [0, 1]) is None
    assert expected_rewards(SPACE, cells, list(range(len(cells))), [0]) is None
