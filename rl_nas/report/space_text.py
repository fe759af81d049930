"""A search space as text and as JSON: its decisions, their choices, its size."""

from typing import Any

from rl_nas.spaces.decisions import Decision, SearchSpace


def space_text(space: SearchSpace[Any]) -> str:
    """The exact number of architectures, and a line for each decision."""
    lines = [f"{space.name}: {len(space.decisions)} decisions, {space.size():,} architectures", ""]
    width = max((len(decision.name) for decision in space.decisions), default=0)
    lines += [f"  {decision.name:{width}}  {_choices(decision)}" for decision in space.decisions]
    return "\n".join(lines)


def space_json(space: SearchSpace[Any]) -> dict[str, Any]:
    """The space as JSON values."""
    decisions = [
        {
            "name": decision.name,
            "choices": list(decision.choices),
            "when": {name: list(values) for name, values in decision.when},
            **({"weights": list(decision.weights)} if decision.weights else {}),
        }
        for decision in space.decisions
    ]
    return {"space": space.name, "size": space.size(), "decisions": decisions}


def _choices(decision: Decision) -> str:
    text = " | ".join(map(str, decision.choices))
    when = " and ".join(f"{name} in {', '.join(map(str, values))}" for name, values in decision.when)
    weights = "weights " + " : ".join(f"{weight:g}" for weight in decision.weights) if decision.weights else ""
    notes = ", ".join(note for note in (f"where {when}" if when else "", weights) if note)
    return f"{text}  ({notes})" if notes else text
