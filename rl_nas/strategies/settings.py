"""Settings of the strategies that need no TensorFlow."""

from dataclasses import dataclass
from typing import ClassVar

from rl_nas.settings import Settings, setting


@dataclass(frozen=True)
class EvolutionSettings(Settings):
    """Aging evolution; the defaults are those of AmoebaNet's search (Real et al. 2019, Methods)."""

    title: ClassVar[str] = "Evolution (strategy aging_evolution)"
    prefix: ClassVar[str] = "evolution_"

    population: int = setting(100, "members alive (P in the paper)", minimum=1, maximum=1_000_000)
    sample: int = setting(
        25, "members drawn, the best of which is the parent (S in the paper)", minimum=1, maximum=1_000_000
    )
