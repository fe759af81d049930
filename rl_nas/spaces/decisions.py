"""A search space as data: an ordered list of categorical decisions."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.spaces.decision import Choice as Choice
from rl_nas.spaces.decision import Decision as Decision

Architecture = tuple[int, ...]
"""One choice index per decision, in the space's order. Strategies handle nothing else."""


FREE = -1
"""Stands, in the fixed choices of an architecture, for one that is not fixed."""

_MOST_DRAWS = 2000
"""Until a network is within limits."""

_LARGE = 10**9
_MOST_LINES, _WIDTH = 16, 100
"""Of a space's repr, which fits a screen."""


def fixed_mapping(fixed: np.ndarray) -> dict[int, int]:
    """The fixed choices of one architecture, int [decisions], as `SearchSpace.sample` takes them."""
    return {number: int(choice) for number, choice in enumerate(fixed) if choice != FREE}


class Keyed(Protocol):
    """The part of a genotype that spaces need."""

    def canonical_key(self) -> str:
        """A name that two genotypes share if, and only if, they describe the same network."""


class Genotype(Keyed, Protocol):
    """The description of a network, of one of the kinds in `rl_nas.networks.families`."""

    KIND: ClassVar[str]

    def document(self) -> dict[str, Any]:
        """The genotype as plain JSON values."""


AnyGenotype = TypeVar("AnyGenotype", bound=Keyed)


@dataclass(frozen=True)
class SearchSpace(Generic[AnyGenotype]):
    """Ordered decisions, and the two functions between their outcomes and a genotype.

    Attributes:
        name: as in `--space`.
        decisions: in the order in which they are made.
        decoder: values of the decisions by name -> genotype.
        encoder: genotype -> values by name; raises `UsageError` for what the space does not contain.
        is_valid: whether a genotype can be built; samples, mutations and neighbors all can.
        is_affordable: whether a genotype is within limits; samples and mutations are, unless such are very rare, and
            neighbors.
        mutator: architecture and generator -> mutated architecture; left out, one decision is changed.
        schedule: number of a trial -> values of the decisions that are fixed in it; left out, none are.
    """

    name: str
    decisions: tuple[Decision, ...]
    decoder: Callable[[dict[str, Choice]], AnyGenotype]
    encoder: Callable[[AnyGenotype], dict[str, Choice]]
    is_valid: Callable[[AnyGenotype], bool] = lambda genotype: True
    is_affordable: Callable[[AnyGenotype], bool] = lambda genotype: True
    mutator: Callable[[Architecture, np.random.Generator], Architecture] | None = None
    schedule: Callable[[int], dict[str, Choice]] | None = None
    _position: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        position: dict[str, int] = {}
        for index, decision in enumerate(self.decisions):
            if not decision.choices or decision.name in position:
                raise UsageError(f"decision {decision.name!r} has no choices or a name that is taken")
            for parent, values in decision.when:
                known = self.decisions[position[parent]].choices if parent in position else ()
                if not set(values) <= set(known):
                    raise UsageError(
                        f"decision {decision.name!r} depends on {parent!r} in {values};"
                        " expected an earlier decision and some of its choices"
                    )
            unknown = {name for name in decision.points_to if name is not None} - position.keys()
            if unknown or (decision.points_to and len(decision.points_to) != len(decision.choices)):
                raise UsageError(
                    f"decision {decision.name!r} points to {decision.points_to}; expected an earlier decision or"
                    " None for each of its choices"
                )
            proper = all(weight > 0 and math.isfinite(weight) for weight in decision.weights)
            if decision.weights and not (proper and len(decision.weights) == len(decision.choices)):
                raise UsageError(
                    f"decision {decision.name!r} has weights {decision.weights}; expected a positive number for each"
                    " of its choices"
                )
            position[decision.name] = index
        object.__setattr__(self, "_position", position)

    def __repr__(self) -> str:
        size = self.size()
        count = f"{size:,}" if size < _LARGE else f"about {Decimal(size):.2e}"
        lines = [f"<{type(self).__name__} {self.name}: {len(self.decisions)} decisions, {count} architectures"]
        lines += [f"  {decision.name}: {' | '.join(map(str, decision.choices))}" for decision in self.decisions]
        left = len(lines) - _MOST_LINES
        lines = [line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..." for line in lines[:_MOST_LINES]]
        return "\n".join([*lines, *([f"  and {left} decisions more"] if left > 0 else [])]) + ">"

    def values(self, architecture: Sequence[int]) -> dict[str, Choice]:
        """The choices of an architecture's active decisions, by name; raises `UsageError` as `validate` does."""
        self.validate(architecture)
        made = enumerate(zip(self.decisions, architecture, strict=True))
        return {d.name: d.choices[choice] for i, (d, choice) in made if self.is_active(i, architecture)}

    def conditions(self, index: int) -> tuple[tuple[int, tuple[bool, ...]], ...]:
        """For each decision that number `index` depends on: its number, and per choice whether it allows it."""
        tables = []
        for parent, allowed in self.decisions[index].when:
            number = self._position[parent]
            tables.append((number, tuple(c in allowed for c in self.decisions[number].choices)))
        return tuple(tables)

    def is_active(self, index: int, prefix: Sequence[int]) -> bool:
        """Whether decision `index` is active after the choices in `prefix` (all earlier decisions)."""
        return all(table[prefix[parent]] for parent, table in self.conditions(index))

    def active(self, index: int, tokens: np.ndarray) -> np.ndarray:
        """Whether decision `index` is active in architectures, int [..., decisions]: bool [...]."""
        active = np.ones(tokens.shape[:-1], bool)
        for parent, allowed in self.conditions(index):
            active &= np.array(allowed)[tokens[..., parent]]
        return active

    def size(self) -> int:
        """The exact number of architectures (inactive decisions count once, invalid ones too)."""
        conditions = [self.conditions(index) for index in range(len(self.decisions))]
        last = {parent: index for index, tables in enumerate(conditions) for parent, _ in tables}
        # Choices on which later decisions depend -> the number of ways to make them and the rest so far.
        counts: Counter[tuple[tuple[int, int], ...]] = Counter({(): 1})
        for index, decision in enumerate(self.decisions):
            longer: Counter[tuple[tuple[int, int], ...]] = Counter()
            for chosen, count in counts.items():
                made = dict(chosen)
                active = all(table[made[parent]] for parent, table in conditions[index])
                legal = len(decision.choices) if active else 1
                kept = tuple((parent, choice) for parent, choice in chosen if last[parent] > index)
                if index not in last:
                    longer[kept] += legal * count
                for choice in range(legal) if index in last else ():
                    longer[*kept, (index, choice)] += count
            counts = longer
        return counts.total()

    def fixed(self, trial: int) -> dict[int, int]:
        """The fixed decisions of a trial: number of the decision -> its choice."""
        values = self.schedule(trial) if self.schedule else {}
        places = {self._position[name]: value for name, value in values.items()}
        return {place: self.decisions[place].choices.index(value) for place, value in places.items()}

    def fixed_choices(self, first: int, n: int) -> np.ndarray:
        """Fixed choices of `n` trials from number `first` on, int32 [n, decisions]; `FREE` for the others."""
        fixed = np.full([n, len(self.decisions)], FREE, np.int32)
        for trial in range(n):
            for number, choice in self.fixed(first + trial).items():
                fixed[trial, number] = choice
        return fixed

    def may_propose(self, genotype: AnyGenotype) -> bool:
        """Whether a genotype can be built and is within limits."""
        return self.is_valid(genotype) and self.is_affordable(genotype)

    def sample(self, rng: np.random.Generator, fixed: Mapping[int, int] = MappingProxyType({})) -> Architecture:
        """Draws every active and free decision by its weights, until the result is valid and within limits."""
        return self._first_affordable(lambda: self._drawn(rng, fixed))

    def mutate(
        self, architecture: Architecture, rng: np.random.Generator, fixed: Mapping[int, int] = MappingProxyType({})
    ) -> Architecture:
        """A random change: by the space's own rule, or of one active, free decision to another of its choices.

        The other choices are equally likely, whatever their weights: a rare one is not lost by chance in a
        population. Decisions that the change makes active are drawn by their weights.

        Raises:
            UsageError: nothing can be changed.
        """
        if self.mutator is not None:
            mutator = self.mutator
            return self._first_affordable(lambda: mutator(architecture, rng), valid=True)
        architecture = self._pinned(architecture, fixed, rng)
        places = [i for i in self._free(architecture, fixed) if len(self.decisions[i].choices) > 1]
        if not places:
            raise UsageError(f"space {self.name} has a single architecture; there is nothing to mutate")

        def changed() -> Architecture:
            index = places[rng.integers(len(places))]
            others = [c for c in range(len(self.decisions[index].choices)) if c != architecture[index]]
            return self._changed(architecture, index, others[rng.integers(len(others))], rng)

        return self._first_affordable(changed)

    def neighbors(
        self,
        architecture: Architecture,
        rng: np.random.Generator | None = None,
        fixed: Mapping[int, int] = MappingProxyType({}),
    ) -> Iterator[Architecture]:
        """All valid architectures that differ in one active, free decision.

        They come in random order, or in the space's order without a generator. Decisions that the change
        makes active get their first choice.
        """
        architecture = self._pinned(architecture, fixed, None)
        changes = [
            (index, choice)
            for index in self._free(architecture, fixed)
            for choice in range(len(self.decisions[index].choices))
            if choice != architecture[index]
        ]
        for number in range(len(changes)) if rng is None else rng.permutation(len(changes)):
            neighbor = self._changed(architecture, *changes[number], None)
            if self.may_propose(self.decode(neighbor)):
                yield neighbor

    def canonical_key(self, architecture: Sequence[int]) -> str:
        """A name that architectures of the same network share."""
        return self.decode(architecture).canonical_key()

    def _first_affordable(self, draw: Callable[[], Architecture], *, valid: bool = False) -> Architecture:
        """The first valid draw within limits; after many valid ones beyond them, any: its child ends at once.

        Args:
            draw: draws an architecture.
            valid: all draws are.
        """
        for _ in range(_MOST_DRAWS):
            architecture = draw()
            while not (valid or self.is_valid(self.decode(architecture))):
                architecture = draw()
            if self.is_affordable(self.decode(architecture)):
                break
        return architecture

    def _free(self, architecture: Architecture, fixed: Mapping[int, int]) -> list[int]:
        """Numbers of the active, free decisions."""
        return [i for i in range(len(self.decisions)) if i not in fixed and self.is_active(i, architecture)]

    def _pinned(
        self, architecture: Architecture, fixed: Mapping[int, int], rng: np.random.Generator | None
    ) -> Architecture:
        """The architecture with the fixed choices."""
        for index, choice in fixed.items():
            if architecture[index] != choice:
                architecture = self._changed(architecture, index, choice, rng)
        return architecture

    def _changed(
        self, architecture: Architecture, index: int, choice: int, rng: np.random.Generator | None
    ) -> Architecture:
        """The architecture with one choice replaced; later decisions keep theirs if they stay active."""
        changed = [*architecture[:index], choice]
        for i in range(index + 1, len(self.decisions)):
            if not self.is_active(i, changed):
                changed.append(0)
            elif self.is_active(i, architecture):
                changed.append(architecture[i])
            else:
                changed.append(self.decisions[i].draw(rng) if rng else 0)
        return tuple(changed)

    def _drawn(self, rng: np.random.Generator, fixed: Mapping[int, int]) -> Architecture:
        choices: list[int] = []
        for index, decision in enumerate(self.decisions):
            if not self.is_active(index, choices):
                choices.append(0)
            elif index in fixed:
                choices.append(fixed[index])
            else:
                choices.append(decision.draw(rng))
        return tuple(choices)

    def validate(self, architecture: Sequence[int]) -> None:
        """Raises `UsageError` unless the architecture belongs to the space."""
        if len(architecture) != len(self.decisions):
            raise UsageError(
                f"architecture of {len(architecture)} choices; space {self.name} has {len(self.decisions)}"
            )
        for index, (decision, choice) in enumerate(zip(self.decisions, architecture, strict=True)):
            legal = len(decision.choices) if self.is_active(index, architecture) else 1
            if not 0 <= choice < legal:
                raise UsageError(f"decision {decision.name} is {choice}; expected 0 to {legal - 1}")

    def decode(self, architecture: Sequence[int]) -> AnyGenotype:
        """The genotype of an architecture."""
        self.validate(architecture)
        return self.decoder({d.name: d.choices[choice] for d, choice in zip(self.decisions, architecture, strict=True)})

    def encode(self, genotype: AnyGenotype) -> Architecture:
        """The architecture of a genotype; raises `UsageError` if it lies outside the space."""
        values = self.encoder(genotype)
        architecture = []
        for decision in self.decisions:
            value = values[decision.name]
            if value not in decision.choices:
                raise UsageError(f"{decision.name} is {value!r}; space {self.name} does not offer it")
            architecture.append(decision.choices.index(value))
        self.validate(architecture)
        return tuple(architecture)
