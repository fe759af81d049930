"""Several objectives of a search, and the front of its trials: the networks that no other beats in all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.settings import Settings, setting
from rl_nas.trial import Measurement, Trial

QUALITY = "quality"
COSTS = ("parameters", "madds", "latency", "tflite_size", "peak_memory")
"""Objectives that are to be small; the quality is to be large. All are figures of a `Measurement`."""


@dataclass(frozen=True)
class Objectives:
    """The objectives of a search.

    Attributes:
        names: the quality, and costs.
    """

    names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """The objectives of names that are separated by commas; raises `UsageError` for other text."""
        names = tuple(name.strip() for name in text.split(","))
        if len({*names}) < len(names) or not {*names} <= {QUALITY, *COSTS} or QUALITY not in names or len(names) < 2:
            raise UsageError(
                f"--objectives={text}: expected {QUALITY} and one or more of {', '.join(COSTS)}, separated by commas"
            )
        return cls(names)

    @classmethod
    def recorded(cls, flags: Mapping[str, Any]) -> Self | None:
        """The objectives of a run by its recorded flags, which may be a stranger's; None: they name none."""
        text = flags.get("objectives")
        try:
            return cls.parse(text) if isinstance(text, str) else None
        except UsageError:
            return None

    def values(self, measurement: Measurement) -> np.ndarray:
        """Values of which each is to be large, float [objectives]; NaN where the measurement has none."""
        found = [getattr(measurement, name) for name in self.names]
        signs = [1.0 if name == QUALITY else -1.0 for name in self.names]
        return np.array([np.nan if value is None else sign * value for value, sign in zip(found, signs, strict=True)])

    def front(self, trials: Sequence[Trial]) -> list[Trial]:
        """The successful trials that no other equals or exceeds in all objectives, by falling quality.

        Of equal ones the earlier is on the front.
        """
        measured = [(self.values(t.measurement), t) for t in trials if t.measurement is not None and not t.cached]
        known = [(values, trial) for values, trial in measured if np.isfinite(values).all()]
        # In this order a trial can be beaten by earlier ones alone.
        known.sort(key=lambda pair: (*(-pair[0]).tolist(), pair[1].index))
        kept, front = np.empty([0, len(self.names)]), list[Trial]()
        for values, trial in known:
            if not (kept >= values).all(axis=1).any():
                kept = np.concatenate([kept, values[np.newaxis]])
                front.append(trial)
        return sorted(front, key=lambda trial: (-_quality(trial), trial.index))


def _quality(trial: Trial) -> float:
    return trial.measurement.quality if trial.measurement is not None else -np.inf


@dataclass(frozen=True)
class ObjectiveSettings(Settings):
    """What networks are compared by."""

    title: ClassVar[str] = "Objectives"

    objectives: str | None = setting(
        None,
        f"search for the front of several objectives, separated by commas: {QUALITY} and one or more of"
        f" {', '.join(COSTS)}, which are to be small; left out: for the network of the highest --reward",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.parsed  # noqa: B018 (raises)

    @property
    def parsed(self) -> Objectives | None:
        """The objectives; None: there is one, the reward."""
        return None if self.objectives is None else Objectives.parse(self.objectives)
