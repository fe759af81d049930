"""Settings of the strategies that need no TensorFlow."""

from dataclasses import dataclass
from typing import ClassVar, Self

from rl_nas.settings import Settings, setting

_POPULATION = 100
"""Members of AmoebaNet's search, which trained 20,000 networks (Real et al. 2019, Methods)."""


@dataclass(frozen=True)
class EvolutionSettings(Settings):
    """Aging evolution, and the population of NSGA-II. Sizes left out are AmoebaNet's, in short searches smaller."""

    title: ClassVar[str] = "Evolution (strategies aging_evolution and nsga2)"
    prefix: ClassVar[str] = "evolution_"

    population: int | None = setting(
        None,
        "members alive (P in the paper), or of a generation of nsga2; left out: 100 as in the paper, in searches of"
        " less than 400 trials a quarter of them",
        minimum=1,
        maximum=1_000_000,
    )
    sample: int | None = setting(
        None,
        "members drawn, the best of which is the parent (S in the paper), for aging_evolution; left out: a quarter of"
        " the population, as in the paper, and at least 2",
        minimum=1,
        maximum=1_000_000,
    )

    @property
    def sizes(self) -> tuple[int, int]:
        """Population and sample."""
        population = self.population or _POPULATION
        return population, self.sample or max(2, -(-population // 4))

    def sized(self, evaluations: int) -> Self:
        """The settings with explicit sizes, for a search of so many evaluations.

        The first `population` proposals are random. On NAS-Bench-201 the best population is a fifth to a third of up
        to 300 evaluations (docs/benchmarks.md), and little depends on it from there on.
        """
        population = self.population or max(2, min(_POPULATION, evaluations // 4))
        return type(self)(*type(self)(population, self.sample).sizes)

    def warning(self, evaluations: int) -> str | None:
        """What to tell of a search that ends before anything is mutated; None if it does not.

        In a search of fewer than four evaluations no population would help.
        """
        population, _ = self.sizes
        if evaluations > population or evaluations < 4:
            return None
        return (
            f"aging_evolution draws its first population at random, here {population} networks: within {evaluations}"
            " evaluations it is random search; a smaller --evolution_population would change that"
        )
