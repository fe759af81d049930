"""Rewards against the examples of their papers."""

import pytest

from rl_nas.errors import UsageError
from rl_nas.evaluation.rewards import RewardSettings, make_reward, mnasnet_hard, mnasnet_soft, tunas_absolute
from rl_nas.trial import Measurement

MEASUREMENT = Measurement(0.8, {}, parameters=3_000_000, madds=600, epochs=1, seconds=9.0, latency=0.02)


def test_quality_and_its_cube() -> None:
    assert make_reward(RewardSettings())(MEASUREMENT) == 0.8
    assert make_reward(RewardSettings(reward="quality_cubed"))(MEASUREMENT) == pytest.approx(0.512)


def test_mnasnet_soft_trades_twice_the_latency_for_five_percent() -> None:
    """Tan et al. 2019, section 3: a and 2l are worth as much as 1.05 a and l... with exponent -0.07."""
    assert mnasnet_soft(0.5 * 1.05, 150, 75) == pytest.approx(mnasnet_soft(0.5, 75, 75), rel=2e-3)
    assert mnasnet_soft(0.5, 75, 75) == 0.5
    assert mnasnet_soft(0.5, 30, 75) > 0.5


def test_mnasnet_hard_is_free_up_to_the_target_and_steep_above() -> None:
    assert mnasnet_hard(0.5, 10, 75) == mnasnet_hard(0.5, 75, 75) == 0.5
    assert mnasnet_hard(0.5, 150, 75) == pytest.approx(0.25)


def test_a_higher_cost_is_never_better_for_a_negative_quality() -> None:
    for reward in (mnasnet_soft, mnasnet_hard, tunas_absolute):
        assert reward(-0.5, 150, 75) < reward(-0.5, 75, 75) == -0.5
        assert reward(-0.5, 150, 75) < reward(-0.25, 150, 75) < reward(0.25, 150, 75)


def test_tunas_is_highest_at_the_target_itself() -> None:
    assert tunas_absolute(0.5, 75, 75) == 0.5
    assert tunas_absolute(0.5, 150, 75) == pytest.approx(0.4)
    assert tunas_absolute(0.5, 37.5, 75) == pytest.approx(0.45)


@pytest.mark.parametrize(("cost", "target"), [("parameters", 1_500_000), ("madds", 300), ("latency", 0.01)])
def test_the_cost_is_what_was_asked_for(cost: str, target: float) -> None:
    settings = RewardSettings(reward="mnasnet_hard", cost=cost, cost_target=target)
    assert make_reward(settings)(MEASUREMENT) == pytest.approx(0.4)
    assert settings.needs_latency == (cost == "latency")
    half = RewardSettings(reward="tunas_absolute", cost=cost, cost_target=target, cost_weight=-0.5)
    assert make_reward(half)(MEASUREMENT) == pytest.approx(0.3)


def test_targets_that_are_missing_or_for_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="--reward=mnasnet_soft needs --cost_target, the target of madds"):
        make_reward(RewardSettings(reward="mnasnet_soft"))
    with pytest.raises(UsageError, match="--cost_target is for the rewards mnasnet_soft"):
        make_reward(RewardSettings(cost_target=3.0))
