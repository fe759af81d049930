"""What a strategy takes is tried until the controller practices, and no further."""

from types import SimpleNamespace
from typing import Any

import pytest

from rl_nas.controller.settings import WARM_UP
from rl_nas.doctor import rehearsal
from rl_nas.strategies.batching import Batching
from rl_nas.trial import Trial


class Clock:
    """Time that passes where a strategy works: more in its first practice, which compiles it, than in later ones."""

    def __init__(self) -> None:
        self.now, self.known, self.practiced = 0.0, 0, 0

    def monotonic(self) -> float:
        return self.now

    def propose(self, count: int) -> list[tuple[int, ...]]:
        practices = self.known >= WARM_UP
        self.now += 1 if not practices else 5 if self.practiced else 20
        self.practiced += practices
        return [(number,) for number in range(count)]

    def observe(self, trials: list[Trial]) -> None:
        self.known += len(trials)


@pytest.mark.parametrize(
    ("trials", "batch", "seconds", "tried"),
    [
        (20, 4, 3 * 1 + 20 + 5, 20),
        (1000, 4, 3 * 1 + 20 + 246 * 5, 20),
        (1000, 50, 1 + 20 + 18 * 5, 150),
        (6, 3, 2 * 1, 6),  # not longer than the search
        (10**6, 1, 10 * 1 + 20 + (10**6 - 11) * 5, 12),
        (0, 4, 0, 0),  # shared weights without updates
    ],
)
def test_the_practice_of_the_controller_is_in_the_forecast(
    trials: int, batch: int, seconds: float, tried: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(rehearsal, "time", clock)
    run: Any = SimpleNamespace(config=SimpleNamespace(batching=Batching(batch, 1)), strategy=clock)
    assert rehearsal.strategy_seconds(run, -(-trials // batch)) == seconds
    assert clock.known == tried
