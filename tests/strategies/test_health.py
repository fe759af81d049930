"""The guard against collapse."""

from rl_nas.strategies.health import WINDOW, Health, HealthSettings


def follow(health: Health, keys: list[str], new: int = 1) -> list[str]:
    """Actions of a batch of one key each."""
    found = (health.follow([key], new) for key in keys)
    return [collapse.action for collapse in found if collapse]


def test_fractions() -> None:
    health = Health(HealthSettings())
    assert health.figures() == {}
    health.follow(["a", "b", "a", "a"], 2)
    assert health.figures() == {"unique_fraction": 0.5, "top_fraction": 0.75}
    health.follow([str(i) for i in range(WINDOW)], WINDOW)
    assert health.figures() == {"unique_fraction": 1.0, "top_fraction": 1 / WINDOW}  # the first four are forgotten


def test_few_different_networks_are_a_collapse_once_a_window() -> None:
    health = Health(HealthSettings(on_collapse="temper", collapse_fraction=0.1))
    nine = [str(i % 9) for i in range(WINDOW)]
    assert follow(health, nine[:-1]) == []
    assert follow(health, nine[-1:]) == ["temper"]
    assert follow(health, nine) == ["temper"]  # the window after it
    assert follow(health, [str(i % 10) for i in range(2 * WINDOW)]) == []


def test_nothing_new_is_a_collapse_and_the_second_time_the_end() -> None:
    settings = HealthSettings(on_collapse="restart", collapse_fraction=0, collapse_patience=30)
    health = Health(settings)
    assert follow(health, [str(i) for i in range(60)], new=0) == ["restart", "stop"]
    health = Health(settings)
    assert follow(health, [str(i) for i in range(30)], new=0) == ["restart"]
    assert follow(health, ["fresh"], new=1) == []
    assert follow(health, [str(i) for i in range(30)], new=0) == ["restart"]


def test_the_message_says_what_was_met_and_what_is_done() -> None:
    collapse = Health(HealthSettings(collapse_patience=5)).follow(["a"] * 5, 0)
    assert collapse is not None
    assert collapse.message.startswith("the search has collapsed: nothing new in 5 proposals; --on_collapse=")
