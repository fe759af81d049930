"""Genotypes of necks: merging cells over the levels of a feature pyramid (Ghiasi et al. 2019, section 3)."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from rl_nas.errors import UsageError
from rl_nas.spaces.graph import OperationGraph, pruned
from rl_nas.spaces.json_fields import expect, item, items
from rl_nas.spaces.levels import MAX_LEVEL

SUM, ATTENTION = "sum", "attention"

FINEST, COARSEST = 3, 7
"""Levels of the published space; level n has stride 2**n."""

MAX_MERGES = 12

_Cell = tuple[int, str, tuple[int, ...]]
"""Level, operation and features of a merging cell."""


@dataclass(frozen=True)
class Merge:
    """A merging cell: two features, resampled to a level, joined; then ReLU, a 3x3 convolution and normalization.

    Attributes:
        inputs: two different features: the pyramid's levels from the finest, then earlier merging cells, from 0.
        level: of the result.
        op: `sum`; or `attention`, where the global maximum of the coarser feature (of the first, if both are of one
            level) weights the other before they are added.
    """

    inputs: tuple[int, int]
    level: int
    op: str


@dataclass(frozen=True)
class MergingNeck:
    """Merging cells, each after those it reads; the last ones are the outputs, one for each level.

    A feature that no merging cell reads is added to the output of its level before the convolution, unless it is an
    output itself. So each cell has an effect.

    Attributes:
        merges: the merging cells.
        finest: finest level.
        coarsest: coarsest level.
    """

    KIND: ClassVar[str] = "nas_fpn"

    merges: tuple[Merge, ...]
    finest: int = FINEST
    coarsest: int = COARSEST

    def __post_init__(self) -> None:
        if not 0 <= self.finest < self.coarsest <= MAX_LEVEL:
            raise UsageError(
                f"neck of levels {self.finest} to {self.coarsest}; expected two or more levels from 0 to {MAX_LEVEL}"
            )
        least, met = len(self.levels), len(self.merges)
        if not least <= met <= max(least, MAX_MERGES):
            raise UsageError(f"neck of {met} merging cells; expected {least} to {max(least, MAX_MERGES)}")
        for number, merge in enumerate(self.merges):
            self._check(merge, number)
        outputs = [merge.level for merge in self.merges[-least:]]
        if sorted(outputs) != list(self.levels):
            raise UsageError(
                f"the last {least} merging cells have levels {', '.join(map(str, outputs))}; expected each of"
                f" {self.finest} to {self.coarsest} once, as they are the outputs"
            )

    def _check(self, merge: Merge, number: int) -> None:
        features, (first, second) = len(self.levels) + number, merge.inputs
        if first == second or not (0 <= first < features and 0 <= second < features):
            raise UsageError(
                f"merging cell {number} reads {first} and {second}; expected two different features from 0 to"
                f" {features - 1}"
            )
        if merge.level not in self.levels:
            raise UsageError(
                f"merging cell {number} has level {merge.level}; expected {self.finest} to {self.coarsest}"
            )
        if merge.op not in (SUM, ATTENTION):
            raise UsageError(f"merging cell {number}: operation {merge.op[:60]!r}; expected {SUM} or {ATTENTION}")

    @property
    def levels(self) -> range:
        """Levels from the finest to the coarsest."""
        return range(self.finest, self.coarsest + 1)

    @property
    def feature_levels(self) -> tuple[int, ...]:
        """Level of each feature: of the pyramid's, then of the merging cells."""
        return (*self.levels, *(merge.level for merge in self.merges))

    @property
    def inner(self) -> int:
        """Number of merging cells before the outputs."""
        return len(self.merges) - len(self.levels)

    def added(self, number: int) -> tuple[int, ...]:
        """Features that are added to a merging cell as no other reads them."""
        if number < self.inner:
            return ()
        read = {feature for merge in self.merges for feature in merge.inputs}
        before = self.feature_levels[: len(self.levels) + self.inner]
        level = self.merges[number].level
        return tuple(n for n, of_feature in enumerate(before) if of_feature == level and n not in read)

    def canonical(self) -> Self:
        """The same neck with its merging cells, and what each reads, in a canonical order.

        The inputs of a sum have no order, nor have those of an attention unless they are of one level. What an output
        that is a sum reads and what is added to it are one sum. Of the cells that can come next, the first in a fixed
        order does; where equal ones could, what follows decides.
        """
        cells = self._spelled()
        levels = (*self.levels, *(level for level, _, _ in cells))
        readers = Counter(feature for _, _, features in cells for feature in features)

        def pair(level: int, op: str, features: Sequence[int]) -> tuple[int, int]:
            if op == ATTENTION:
                return features[0], features[1]
            # Only a feature of this level that is no output and that nothing else reads is added if it is not read.
            bound = len(self.levels) + self.inner
            first, second = sorted(features, key=lambda n: n < bound and levels[n] == level and readers[n] == 1)[:2]
            return (first, second) if first < second else (second, first)

        merges = (Merge(pair(*cell), cell[0], cell[1]) for cell in cells)
        return type(self)(tuple(merges), self.finest, self.coarsest)

    def canonical_key(self) -> str:
        """A hash of the canonical form."""
        form = [self.finest, self.coarsest, self._spelled()]
        return hashlib.sha256(json.dumps(form).encode()).hexdigest()[:32]

    def graph(self) -> OperationGraph:
        """See `Graphed`; every level's output is read by one node, the last."""
        inputs = len(self.levels)
        labels = [*(f"input {level}" for level in self.levels), *(f"{m.op} {m.level}" for m in self.merges), "output"]
        reads = [*((),) * inputs, *((*m.inputs, *self.added(n)) for n, m in enumerate(self.merges))]
        return pruned(labels, [*reads, range(inputs + self.inner, inputs + len(self.merges))], inputs)

    def _spelled(self) -> tuple[_Cell, ...]:
        """Level, operation and features of each merging cell in canonical order, with those that are added."""
        inputs, cells = len(self.levels), list[_Cell]()
        places = [{n: n for n in range(inputs)}]  # all that spell the cells so far alike: feature -> its number there
        while len(cells) < len(self.merges):
            phase = range(self.inner) if len(cells) < self.inner else range(self.inner, len(self.merges))
            ready = [
                (self._cell(n, place), n, place)
                for place in places
                for n in phase
                if inputs + n not in place and place.keys() >= {*self.merges[n].inputs}
            ]
            first = min(cell for cell, _, _ in ready)
            # Of equal cells that the same ones read, one stands for all: their number of orders is a factorial.
            twins = {(id(place), self._readers(n)): (n, place) for cell, n, place in ready if cell == first}
            places = [{**place, inputs + n: inputs + len(cells)} for n, place in twins.values()]
            cells.append(first)
        return tuple(cells)

    def _readers(self, number: int) -> tuple[tuple[int, int], ...]:
        """The merging cells that read one, and whether they do so as the second feature of an attention."""
        own = len(self.levels) + number
        of_attention = ((reader, merge) for reader, merge in enumerate(self.merges) if own in merge.inputs)
        return tuple((reader, merge.inputs.index(own) * (merge.op == ATTENTION)) for reader, merge in of_attention)

    def _cell(self, number: int, place: Mapping[int, int]) -> _Cell:
        merge, levels, added = self.merges[number], self.feature_levels, self.added(number)
        if merge.op == SUM:
            return merge.level, merge.op, tuple(sorted(place[n] for n in (*merge.inputs, *added)))
        pair = sorted(merge.inputs, key=lambda n: -levels[n])  # keeps the order of those of one level
        return merge.level, merge.op, (*(place[n] for n in pair), *sorted(place[n] for n in added))

    def document(self) -> dict[str, Any]:
        """The genotype as plain JSON values."""
        merges = [{"level": merge.level, "op": merge.op, "inputs": [*merge.inputs]} for merge in self.merges]
        return {"levels": [self.finest, self.coarsest], "merges": merges}

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """Reads what `document` wrote; raises `UsageError` with the place of what is malformed."""
        finest, coarsest = items(item(document, "levels", "genotype"), int, "levels", count=2)
        merges = items(item(document, "merges", "genotype"), dict, "merges")
        return cls(tuple(_read(merge, f"merges[{n}]") for n, merge in enumerate(merges)), finest, coarsest)


def _read(merge: Mapping[str, object], where: str) -> Merge:
    first, second = items(item(merge, "inputs", where), int, f"{where}.inputs", count=2)
    level = expect(item(merge, "level", where), int, f"{where}.level")
    return Merge((first, second), level, expect(item(merge, "op", where), str, f"{where}.op"))


@dataclass(frozen=True)
class FeaturePyramid:
    """The feature pyramid network (Lin et al. 2017): a top-down path, on any levels; it has no choices."""

    KIND: ClassVar[str] = "fpn"

    def canonical_key(self) -> str:
        """The only one."""
        return self.KIND

    def document(self) -> dict[str, Any]:
        """The genotype as plain JSON values: it has none."""
        return {}

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """Reads what `document` wrote."""
        return cls()
