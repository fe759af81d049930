"""The cells of NAS-Bench-201 (Dong and Yang 2020), also NATS-Bench's topology space: genotype, string, space."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from rl_nas.errors import UsageError
from rl_nas.spaces.decisions import Choice, Decision, SearchSpace
from rl_nas.spaces.graph import OperationGraph, edge_graph
from rl_nas.spaces.json_fields import item, items

NASBENCH201_OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")

EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
"""Source and target node of each edge; node 0 is the cell's input, node 3 its output."""

_FORM = "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
_ZERO = "#"


@dataclass(frozen=True)
class EdgeCell:
    """Four nodes, each the sum of an operation on every earlier one.

    Attributes:
        ops: one operation per edge, in the order of `EDGES`.
    """

    KIND: ClassVar[str] = "nasbench201"

    ops: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.ops) != len(EDGES):
            raise UsageError(f"NAS-Bench-201 cell of {len(self.ops)} operations; expected {len(EDGES)}")
        for op in self.ops:
            if op not in NASBENCH201_OPERATIONS:
                known = ", ".join(NASBENCH201_OPERATIONS)
                raise UsageError(f"unknown NAS-Bench-201 operation {op!r}; known: {known}")

    def __str__(self) -> str:
        """The benchmark's string: `|op~0|+|op~0|op~1|+|op~0|op~1|op~2|`."""
        nodes = (self.entering(node) for node in (1, 2, 3))
        return "+".join("|" + "|".join(f"{op}~{source}" for source, op in node) + "|" for node in nodes)

    @classmethod
    def from_string(cls, text: str) -> Self:
        """Reads the benchmark's string; raises `UsageError` for other text."""
        nodes = [node.strip("|").split("|") for node in text.strip().split("+")]
        parts = [part.rpartition("~") for node in nodes for part in node]
        if [len(node) for node in nodes] != [1, 2, 3] or [p[2] for p in parts] != list("001012"):
            raise UsageError(f"{text!r} is not a NAS-Bench-201 string; expected the form {_FORM}")
        return cls(tuple(op for op, _, _ in parts))

    def entering(self, node: int) -> list[tuple[int, str]]:
        """Source node and operation of each edge that enters a node."""
        return [(source, op) for (source, target), op in zip(EDGES, self.ops, strict=True) if target == node]

    def canonical_key(self) -> str:
        """The output as an expression of the input: skips vanish, zeros propagate along operations.

        The benchmark's own key, in its notation, with 6,466 different values. Cells of equal keys compute the same
        function if equal subexpressions have equal weights and normalization does not shift zeros. Not all such
        cells have equal keys: zero terms stay in their sums, and nested sums are merged only where the notation
        happens to sort alike.
        """
        nodes = ["0"]
        for node in (1, 2, 3):
            nodes.append("+".join(sorted(_term(op, nodes[source]) for source, op in self.entering(node))))
        return nodes[-1]

    def graph(self) -> OperationGraph:
        """See `Graphed`."""
        return edge_graph(EDGES, self.ops, ("none",))

    def document(self) -> dict[str, Any]:
        """The genotype as plain JSON values."""
        return {"ops": list(self.ops)}

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """Reads what `document` wrote; raises `UsageError` for what is malformed."""
        return cls(items(item(document, "ops", "genotype"), str, "ops"))


def nasbench201() -> SearchSpace[EdgeCell]:
    """Five operations on six edges: 15,625 cells."""
    names = [f"{source}-{target}" for source, target in EDGES]

    def decode(values: dict[str, Choice]) -> EdgeCell:
        return EdgeCell(tuple(str(values[name]) for name in names))

    def encode(cell: EdgeCell) -> dict[str, Choice]:
        return dict(zip(names, cell.ops, strict=True))

    return SearchSpace("nasbench201", tuple(Decision(n, NASBENCH201_OPERATIONS) for n in names), decode, encode)


def _term(op: str, source: str) -> str:
    if op == "none" or source == _ZERO:
        return _ZERO
    return source if op == "skip_connect" else f"({source})@{op}"
