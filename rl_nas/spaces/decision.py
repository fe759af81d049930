"""One decision of a search space."""

from dataclasses import dataclass

import numpy as np

Choice = str | int


@dataclass(frozen=True)
class Decision:
    """One categorical choice.

    Attributes:
        name: unique within the space.
        choices: the possible values.
        when: for each named earlier decision, the choices under which this one is active. All must
            hold. An inactive decision has the single legal choice 0 and no effect.
        points_to: for each choice the earlier decision whose result it is, None if it is the result of
            none; left out, choices do not point. A controller may choose by attention over them.
        weights: relative frequency of each choice in random architectures, and under a fresh policy; left out,
            all are equal.
    """

    name: str
    choices: tuple[Choice, ...]
    when: tuple[tuple[str, tuple[Choice, ...]], ...] = ()
    points_to: tuple[str | None, ...] = ()
    weights: tuple[float, ...] = ()

    @property
    def probabilities(self) -> np.ndarray:
        """Probability of each choice in random architectures."""
        weights = np.array(self.weights or (1.0,) * len(self.choices))
        return np.asarray(weights / weights.sum())

    def draw(self, rng: np.random.Generator) -> int:
        """The number of a random choice."""
        if self.weights:
            return int(rng.choice(len(self.choices), p=self.probabilities))
        return int(rng.integers(len(self.choices)))
