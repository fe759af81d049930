"""Detection of strategies that have stopped proposing anything new, and its consequences."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rl_nas.checkpoint import State
from rl_nas.settings import Settings, setting

WINDOW = 100
"""Proposals that the fractions are computed over."""


ACTIONS = {
    "warn": "--on_collapse=temper, restart or stop would act on it",
    "temper": "the policy is tempered",
    "restart": "the strategy starts over",
    "stop": "the search ends",
}
"""Action on a collapse -> its description."""


@dataclass(frozen=True)
class HealthSettings(Settings):
    """Detection of collapse."""

    title: ClassVar[str] = "Collapse"

    on_collapse: str = setting(
        "warn",
        "what to do, besides a warning, when proposals repeat themselves: temper halves the weights of the policy's"
        " softmaxes, restart starts with a fresh policy or population, stop ends the search",
        choices=tuple(ACTIONS),
    )
    collapse_fraction: float = setting(
        0.1,
        f"a smaller fraction of different networks among the last {WINDOW} proposals is a collapse",
        minimum=0,
        maximum=1,
    )
    collapse_patience: int = setting(
        1000, "nothing new in this many proposals is a collapse, too; the second in a row ends the search", minimum=1
    )


@dataclass(frozen=True)
class Collapse:
    """A collapse: its message, and its action: warn, temper, restart or stop."""

    message: str
    action: str


class Health:
    """Tracks the proposed networks, by their canonical keys."""

    def __init__(self, settings: HealthSettings) -> None:
        self._settings = settings
        self._window: deque[str] = deque(maxlen=WINDOW)
        self._judged = 0  # proposals in the window since the last collapse
        self._stale, self._stuck = 0, False

    def follow(self, keys: Sequence[str], new: int) -> Collapse | None:
        """Adds the keys of a batch, of which `new` had not been met before; returns the collapse, if it is one."""
        self._window.extend(keys)
        self._judged += len(keys)
        if new:
            self._stale, self._stuck = 0, False
        else:
            self._stale += len(keys)
        patience = self._settings.collapse_patience
        if self._stale >= patience:
            repeated, self._stale, self._stuck = self._stuck, 0, True
            return self._collapse(f"nothing new in {patience} proposals", "stop" if repeated else None)
        fraction = self.figures()["unique_fraction"]
        if self._judged >= WINDOW and fraction < self._settings.collapse_fraction:
            return self._collapse(f"only {fraction:.0%} of the last {WINDOW} proposals are different networks")
        return None

    def figures(self) -> dict[str, float]:
        """`unique_fraction` and `top_fraction`: different networks and the commonest one, among the last proposals."""
        count = len(self._window)
        if not count:
            return {}
        frequencies = Counter(self._window)
        return {"unique_fraction": len(frequencies) / count, "top_fraction": max(frequencies.values()) / count}

    def state(self) -> State:
        """State that later verdicts depend on."""
        return {
            "window": list(self._window),
            "judged": self._judged,
            "stale": self._stale,
            "stuck": self._stuck,
        }

    def restore(self, state: State) -> None:
        """Restores the state."""
        self._window.extend(state["window"])
        self._judged, self._stale, self._stuck = state["judged"], state["stale"], state["stuck"]

    def _collapse(self, met: str, action: str | None = None) -> Collapse:
        self._judged = 0  # the action gets a window's time to help
        action = action or self._settings.on_collapse
        return Collapse(f"the search has collapsed: {met}; {ACTIONS[action]}", action)
