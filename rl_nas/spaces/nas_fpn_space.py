"""The space of necks of merging cells (Ghiasi et al. 2019, section 3)."""

from rl_nas.errors import UsageError
from rl_nas.spaces.decisions import Choice, Decision, SearchSpace
from rl_nas.spaces.nas_fpn import ATTENTION, COARSEST, FINEST, MAX_MERGES, SUM, Merge, MergingNeck


def nas_fpn(merges: int = 7, finest: int = FINEST, coarsest: int = COARSEST) -> SearchSpace[MergingNeck]:
    """Necks of merging cells, each of an ordered pair of earlier features, a level and an operation.

    With L levels and M cells, the last L of which take each level once, there are L^(M-L) L! times 2 n (n-1) for each
    cell, which has n = L, L+1, ... features before it: 386,266,890,240,000,000 at the paper's 5 levels and 7 cells.

    A decision that must not repeat an earlier one, the second feature or the level of an output, names a choice as far
    as it is left; the name of one that is taken stands for the last of those left. Every architecture is a neck this
    way, and a name means nearly always the same to a controller.

    Args:
        merges: merging cells of a neck.
        finest: finest level.
        coarsest: coarsest level.

    Raises:
        UsageError: there are fewer cells than levels, or too many.
    """
    levels = range(finest, coarsest + 1)
    if not len(levels) <= merges <= MAX_MERGES:
        raise UsageError(
            f"--merges={merges}: expected {len(levels)} to {MAX_MERGES}, as the outputs are one for each of"
            f" {len(levels)} levels; give other --merges or --neck_levels"
        )
    inner = merges - len(levels)

    def decode(values: dict[str, Choice]) -> MergingNeck:
        decoded, outputs = [], [*levels]
        for m in range(merges):
            features = [*range(len(levels) + m)]
            pair = _taken(features, int(values[f"{m}/first"])), _taken(features, int(values[f"{m}/second"]))
            of_level = f"{m}/level"
            level = (
                int(values[of_level]) if m < inner else _taken(outputs, int(values.get(of_level, levels[0])), finest)
            )
            decoded.append(Merge(pair, level, str(values[f"{m}/op"])))
        return MergingNeck(tuple(decoded), finest, coarsest)

    def encode(neck: MergingNeck) -> dict[str, Choice]:
        if (len(neck.merges), neck.levels) != (merges, levels):
            raise UsageError(
                f"neck of {len(neck.merges)} merging cells, levels {neck.finest} to {neck.coarsest}; the space has"
                f" {merges}, levels {finest} to {coarsest}"
            )
        values: dict[str, Choice] = {}
        outputs = [*levels]
        for m, merge in enumerate(neck.merges):
            features = [*range(len(levels) + m)]
            values[f"{m}/first"], values[f"{m}/second"] = (_name(features, feature) for feature in merge.inputs)
            values[f"{m}/level"] = merge.level if m < inner else _name(outputs, merge.level, finest)
            values[f"{m}/op"] = merge.op
        return values

    decisions = tuple(decision for m in range(merges) for decision in _merge_decisions(m, merges, levels))
    return SearchSpace("nas_fpn", decisions, decode, encode)


def _merge_decisions(merge: int, merges: int, levels: range) -> list[Decision]:
    """Both features, the level and the operation; the last output has the level that is left."""
    made = (*(None for _ in levels), *(f"{earlier}/op" for earlier in range(merge)))
    output = max(0, merge - (merges - len(levels)))
    decisions = [
        Decision(f"{merge}/first", tuple(range(len(made))), points_to=made),
        Decision(f"{merge}/second", tuple(range(len(made) - 1)), points_to=made[:-1]),
    ]
    if merge < merges - 1:
        decisions.append(Decision(f"{merge}/level", tuple(levels)[: len(levels) - output]))
    return [*decisions, Decision(f"{merge}/op", (SUM, ATTENTION))]


def _taken(left: list[int], name: int, first: int = 0) -> int:
    """Takes what a name stands for; the last of those left gets its name."""
    value = left[name - first]
    left[name - first] = left[-1]
    left.pop()
    return value


def _name(left: list[int], value: int, first: int = 0) -> int:
    """The name of a value, which is taken then."""
    name = left.index(value) + first
    _taken(left, name, first)
    return name
