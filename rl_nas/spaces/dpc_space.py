"""The space of dense prediction cells (Chen et al. 2018, section 3.3)."""

from collections.abc import Sequence

from rl_nas.errors import UsageError
from rl_nas.spaces.decisions import Choice, Decision, SearchSpace
from rl_nas.spaces.dpc import ATROUS, CONV, FEATURES, MAX_RATE, POOLING, Branch, DenseOperation, DensePredictionCell

RATES = (1, 3, 6, 9, 12, 15, 18, 21)
GRIDS = (1, 2, 4, 8)

_PARTS = {ATROUS: ("rate_rows", "rate_columns"), POOLING: ("grid_rows", "grid_columns")}
"""Kind of an operation -> the decisions about its rows and columns."""


def dpc(
    branches: int = 5, rates: Sequence[int] = RATES, grids: Sequence[int] = GRIDS
) -> SearchSpace[DensePredictionCell]:
    """Cells of `branches` operations, each on the features or on an earlier branch: B! * 81^B at the paper's rates.

    The 81 operations are decided in parts, the kind, then rates or grid, so that what is learned of a rate holds for
    all others with it. The kinds have weights by which every operation is equally likely.

    Args:
        branches: of a cell (B in the paper; 5 there).
        rates: of atrous convolutions, along the height and along the width.
        grids: cells of pyramid pooling, along the height and along the width.

    Raises:
        UsageError: there is no branch.
    """
    if branches < 1:
        raise UsageError(f"{branches} branches of a dense prediction cell; expected at least 1")

    def decode(values: dict[str, Choice]) -> DensePredictionCell:
        decoded = []
        for b in range(branches):
            kind = str(values[f"{b}/op"])
            extent = (int(values[f"{b}/{part}"]) for part in _PARTS.get(kind, ()))
            decoded.append(Branch(int(values.get(f"{b}/input", FEATURES)), DenseOperation(kind, *extent)))
        return DensePredictionCell(tuple(decoded))

    def encode(cell: DensePredictionCell) -> dict[str, Choice]:
        if len(cell.branches) != branches:
            raise UsageError(f"dense prediction cell of {len(cell.branches)} branches; the space has {branches}")
        values: dict[str, Choice] = {decision.name: decision.choices[0] for decision in decisions}
        for b, branch in enumerate(cell.branches):
            values |= {f"{b}/input": branch.input, f"{b}/op": branch.op.kind}
            extent = (branch.op.rows, branch.op.columns)
            values |= {f"{b}/{part}": e for part, e in zip(_PARTS.get(branch.op.kind, ()), extent, strict=False)}
        return values

    decisions = tuple(decision for b in range(branches) for decision in _branch_decisions(b, rates, grids))
    return SearchSpace("dpc", decisions, decode, encode)


def _branch_decisions(branch: int, rates: Sequence[int], grids: Sequence[int]) -> list[Decision]:
    """Input, kind, rates and grid; the first branch can only read the features."""
    # A controller would take a choice between the features and a single branch for a skip connection.
    made = (None, *(f"{earlier}/{_PARTS[POOLING][-1]}" for earlier in range(branch))) if branch > 1 else ()
    weights = {CONV: 1, ATROUS: len(rates) ** 2, POOLING: len(grids) ** 2}
    decisions = [Decision(f"{branch}/input", tuple(range(FEATURES, branch)), points_to=made)] if branch else []
    decisions.append(Decision(f"{branch}/op", tuple(weights), weights=tuple(weights.values())))
    for kind, choices in ((ATROUS, rates), (POOLING, grids)):
        when = ((f"{branch}/op", (kind,)),)
        decisions += [Decision(f"{branch}/{part}", tuple(choices), when) for part in _PARTS[kind]]
    return decisions


def rates_of(text: str) -> tuple[int, ...]:
    """The rates in a flag's value, ascending; raises `UsageError` for other text."""
    words = [word.strip() for word in text.split(",")]
    rates = {int(word) for word in words if word.isdecimal() and len(word) <= len(str(MAX_RATE))}
    if len(rates) != len(words) or not all(1 <= rate <= MAX_RATE for rate in rates):
        raise UsageError(
            f"--rates={text}: expected different whole numbers from 1 to {MAX_RATE}, separated by commas, such as"
            " 1,6,12,18"
        )
    return tuple(sorted(rates))


def canonical_count(operations: int, branches: int) -> int:
    """The number of different networks among cells of `branches` branches with a choice of `operations`.

    A tree of n branches is an operation on a forest of n - 1; the number of forests is the Euler transform of that of
    trees (Flajolet and Sedgewick 2009, section I.5: non-plane trees).
    """
    trees, forests, divisor_sums = [0], [1], [0]
    for n in range(1, branches + 1):
        trees.append(operations * forests[n - 1])
        divisor_sums.append(sum(d * trees[d] for d in range(1, n + 1) if n % d == 0))
        forests.append(sum(divisor_sums[j] * forests[n - j] for j in range(1, n + 1)) // n)
    return forests[branches]
