"""A search space as text and as JSON: its decisions, their choices, its size."""

from itertools import groupby
from typing import Any

from rl_nas.spaces.decisions import Decision, SearchSpace


def space_text(space: SearchSpace[Any]) -> str:
    """A line for each run of decisions with the same choices, and the exact number of architectures."""
    lines = [f"{space.name}: {len(space.decisions)} decisions, {space.size():,} architectures", ""]
    width = max(len(decision.name) for decision in space.decisions)
    for _, group in groupby(space.decisions, key=lambda decision: (decision.choices, decision.when)):
        same = list(group)
        for decision in same[:-1]:
            lines.append(f"  {decision.name}")
        lines.append(f"  {same[-1].name:{width}}  {_choices(same[-1])}")
    return "\n".join(lines)


def space_json(space: SearchSpace[Any]) -> dict[str, Any]:
    """The same for programs."""
    decisions = [
        {
            "name": decision.name,
            "choices": list(decision.choices),
            "when": {name: list(values) for name, values in decision.when},
        }
        for decision in space.decisions
    ]
    return {"space": space.name, "size": space.size(), "decisions": decisions}


def _choices(decision: Decision) -> str:
    text = " | ".join(map(str, decision.choices))
    when = " and ".join(f"{name} in {', '.join(map(str, values))}" for name, values in decision.when)
    return f"{text}  (where {when})" if when else text
