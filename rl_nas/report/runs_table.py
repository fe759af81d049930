"""Several searches side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rl_nas.errors import printable
from rl_nas.names import shown_names
from rl_nas.report.tables import aligned, figure_text
from rl_nas.store.choice import Choice, best_of
from rl_nas.trial import Trial, trial_document

COLUMNS = (
    "run",
    "trials",
    "failed",
    "best",
    "reward",
    "metric",
    "value",
    "images",
    "parameters",
    "strategy",
    "dataset",
)

_NAMED = 5
"""Most searches that are named for each value of a flag."""


@dataclass(frozen=True)
class RunRow:
    """A search among others.

    Attributes:
        name: of its folder, as given.
        trials: so far.
        flags: of its config that say what it is; those of the call left out.
        images: that its children were measured on; 0: unknown.
        choice: of the best when the search ended, if it was recorded.
    """

    name: str
    trials: Sequence[Trial]
    flags: Mapping[str, Any]
    images: int = 0
    choice: Choice | None = None

    @property
    def best(self) -> Trial | None:
        """The best trial."""
        return best_of(self.trials, self.choice)

    def cells(self) -> dict[str, Any]:
        """Values by `COLUMNS`; None where there is none."""
        cells = dict.fromkeys(COLUMNS)
        cells |= {"run": self.name, "trials": len(self.trials)}
        cells |= {"failed": sum(trial.reward is None for trial in self.trials)}
        cells |= {name: self.flags.get(name) for name in ("strategy", "dataset")}
        if (best := self.best) is not None:
            cells |= {"best": best.index, "reward": best.reward}
            if best.measurement is not None:
                measured = best.measurement
                cells |= {"metric": measured.quality_name, "value": measured.quality}
                cells |= {"images": self.images or None, "parameters": measured.parameters}
        return cells

    def texts(self) -> list[str]:
        """The cells as text; an accuracy on few images with its interval."""
        cells = self.cells()
        texts = {name: _shown(value) for name, value in cells.items()}
        if cells["reward"] is not None:
            texts["reward"] = f"{cells['reward']:.4f}"
        if cells["value"] is not None:
            texts["value"] = figure_text(cells["metric"], cells["value"], self.images)
        return list(texts.values())

    def document(self) -> dict[str, Any]:
        """Everything as JSON values."""
        cells = {**self.cells(), "best": None if self.best is None else trial_document(self.best)}
        return {**cells, "flags": dict(self.flags)}


def runs_table(rows: Sequence[RunRow]) -> str:
    """The searches, one a line, and the flags in which they differ."""
    text = [list(COLUMNS), *(row.texts() for row in rows)]
    sides = ["<" if name in ("run", "metric", "value", "strategy", "dataset") else ">" for name in COLUMNS]
    lines = aligned(text, [(side, 0) for side in sides])
    others = {name: values for name, values in differences(rows).items() if name not in COLUMNS}
    if others:
        lines += ["", "They differ in:"]
        names = [row.name for row in rows]
        lines += [f"  --{name}: {_by_value(names, values)}" for name, values in others.items()]
    return "\n".join(lines)


def _by_value(names: Sequence[str], values: Sequence[object]) -> str:
    """Which searches have which value: `2 (first, second), 4 (third)`."""
    having: dict[str, list[str]] = {}
    for name, value in zip(names, values, strict=True):
        having.setdefault(_shown(value), []).append(name)
    return ", ".join(f"{value} ({shown_names(some, _NAMED)})" for value, some in having.items())


def differences(rows: Sequence[RunRow]) -> dict[str, list[Any]]:
    """The flags that all searches have recorded, but not all with the same value, with the value of each search."""
    common = [name for name in rows[0].flags if all(name in row.flags for row in rows)]
    values = {name: [row.flags[name] for row in rows] for name in common}
    return {name: found for name, found in values.items() if any(value != found[0] for value in found)}


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) and not value.is_integer() else printable(str(value))
