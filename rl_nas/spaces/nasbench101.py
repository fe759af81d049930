"""The modules of NAS-Bench-101 (Ying et al. 2019): genotype, pruning, published hash, space."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Self

from rl_nas.errors import UsageError
from rl_nas.spaces.decisions import Choice, Decision, SearchSpace
from rl_nas.spaces.graph import OperationGraph, pruned
from rl_nas.spaces.json_fields import expect, item, items

NASBENCH101_OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
MAX_VERTICES, MAX_EDGES = 7, 9
_MAX_SIZE = 50
"""Most rows of a matrix, those of vertices that are pruned among them."""

INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class ModelSpec:
    """A directed acyclic graph of operations between an input and an output vertex.

    It may be outside the benchmark (disconnected, too many edges): see `pruned` and `problem`.

    Attributes:
        matrix: upper-triangular adjacency matrix of 0 and 1; row: source, column: target.
        ops: of each vertex; the first is `input`, the last `output`.
    """

    KIND: ClassVar[str] = "nasbench101"

    matrix: tuple[tuple[int, ...], ...]
    ops: tuple[str, ...]

    def __post_init__(self) -> None:
        size = len(self.ops)
        if size > _MAX_SIZE:
            raise UsageError(f"matrix of {size} vertices; expected at most {_MAX_SIZE}")
        if size < 2 or len(self.matrix) != size or any(len(row) != size for row in self.matrix):
            raise UsageError(f"matrix does not fit {size} operations; expected as many rows and columns, at least 2")
        for row, values in enumerate(self.matrix):
            for column, value in enumerate(values):
                if value not in (0, 1) or (value and column <= row):
                    raise UsageError(
                        f"matrix[{row}][{column}] is {value}; expected 0 or 1, and edges to later vertices only"
                    )
        if self.ops[0] != INPUT or self.ops[-1] != OUTPUT:
            raise UsageError(f"operations {self.ops[0]} ... {self.ops[-1]}; expected {INPUT} ... {OUTPUT}")
        for op in self.ops[1:-1]:
            if op not in NASBENCH101_OPERATIONS:
                known = ", ".join(NASBENCH101_OPERATIONS)
                raise UsageError(f"unknown NAS-Bench-101 operation {op!r}; known: {known}")

    @property
    def edges(self) -> int:
        """Number of edges."""
        return sum(map(sum, self.matrix))

    def sources(self, vertex: int) -> list[int]:
        """The vertices with an edge to this one."""
        return [source for source in range(vertex) if self.matrix[source][vertex]]

    def targets(self, vertex: int) -> list[int]:
        """The vertices that this one has an edge to."""
        return [target for target, edge in enumerate(self.matrix[vertex]) if edge]

    def pruned(self) -> Self | None:
        """The graph without vertices on no path from input to output; None if there is no path."""
        last = len(self.ops) - 1
        from_input, to_output = {0}, {last}
        for vertex in range(last + 1):
            if vertex in from_input:
                from_input |= set(self.targets(vertex))
        for vertex in reversed(range(last + 1)):
            if vertex in to_output:
                to_output |= set(self.sources(vertex))
        kept = sorted(from_input & to_output)
        if not {0, last} <= set(kept):
            return None
        matrix = tuple(tuple(self.matrix[row][column] for column in kept) for row in kept)
        return type(self)(matrix, tuple(self.ops[vertex] for vertex in kept))

    def problem(self) -> str | None:
        """The reason why the benchmark does not contain this graph; None if it does."""
        pruned = self.pruned()
        if pruned is None:
            return "NAS-Bench-101 graph without a path from input to output"
        if len(pruned.ops) > MAX_VERTICES:
            return f"NAS-Bench-101 graph of {len(pruned.ops)} vertices; expected at most {MAX_VERTICES}"
        if pruned.edges > MAX_EDGES:
            return f"NAS-Bench-101 graph of {pruned.edges} edges; expected at most {MAX_EDGES}"
        return None

    def canonical_key(self) -> str:
        """The benchmark's hash of the pruned graph, equal for isomorphic graphs; empty without a path."""
        spec = self.pruned()
        if spec is None:
            return ""
        vertices = range(len(spec.ops))
        labels = [-1, *(NASBENCH101_OPERATIONS.index(op) for op in spec.ops[1:-1]), -2]
        hashes = [_md5(str((len(spec.targets(v)), len(spec.sources(v)), labels[v]))) for v in vertices]
        for _ in vertices:
            hashes = [
                _md5(
                    "|".join(
                        (
                            "".join(sorted(hashes[w] for w in spec.sources(v))),
                            "".join(sorted(hashes[w] for w in spec.targets(v))),
                            hashes[v],
                        )
                    )
                )
                for v in vertices
            ]
        return _md5(str(sorted(hashes)))

    def graph(self) -> OperationGraph:
        """See `Graphed`."""
        reads = [tuple(self.sources(vertex)) for vertex in range(len(self.ops))]
        return pruned(self.ops, reads, inputs=1)

    def document(self) -> dict[str, Any]:
        """The genotype as plain JSON values."""
        return {"matrix": [list(row) for row in self.matrix], "ops": list(self.ops)}

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """Reads what `document` wrote; raises `UsageError` for what is malformed."""
        rows = expect(item(document, "matrix", "genotype"), list, "matrix")
        matrix = tuple(items(row, int, f"matrix[{number}]") for number, row in enumerate(rows))
        return cls(matrix, items(item(document, "ops", "genotype"), str, "ops"))


def nasbench101() -> SearchSpace[ModelSpec]:
    """21 possible edges and 5 operations: 2**21 * 3**5 architectures, 423,624 different networks.

    Samples and mutations are always networks of the benchmark; a controller's proposals may not be, and then
    end as invalid trials.
    """
    pairs = tuple(combinations(range(MAX_VERTICES), 2))
    inner = range(1, MAX_VERTICES - 1)
    decisions = [Decision(f"edge/{a}-{b}", (0, 1)) for a, b in pairs]
    decisions += [Decision(f"op/{vertex}", NASBENCH101_OPERATIONS) for vertex in inner]

    def decode(values: dict[str, Choice]) -> ModelSpec:
        vertices = range(MAX_VERTICES)
        matrix = tuple(tuple(int(values.get(f"edge/{a}-{b}", 0)) for b in vertices) for a in vertices)
        return ModelSpec(matrix, (INPUT, *(str(values[f"op/{vertex}"]) for vertex in inner), OUTPUT))

    def encode(spec: ModelSpec) -> dict[str, Choice]:
        if len(spec.ops) > MAX_VERTICES:
            raise UsageError(f"NAS-Bench-101 graph of {len(spec.ops)} vertices; expected at most {MAX_VERTICES}")
        # A smaller graph is encoded with its output moved to the last place, and idle vertices before it.
        place = [*range(len(spec.ops) - 1), MAX_VERTICES - 1]
        values: dict[str, Choice] = {decision.name: decision.choices[0] for decision in decisions}
        for a, b in combinations(range(len(spec.ops)), 2):
            values[f"edge/{place[a]}-{place[b]}"] = spec.matrix[a][b]
        values |= {f"op/{vertex}": op for vertex, op in enumerate(spec.ops[1:-1], start=1)}
        return values

    return SearchSpace("nasbench101", tuple(decisions), decode, encode, is_valid=lambda spec: spec.problem() is None)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
