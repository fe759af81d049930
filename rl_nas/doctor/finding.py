"""What a check has found."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

from rl_nas.errors import printable


class State(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Finding(NamedTuple):
    """A line of the doctor's.

    Attributes:
        state: how grave it is.
        what: was checked, a word or two.
        text: what was found; after a semicolon, what to do.
        figures: of it, JSON values by name.
    """

    state: State
    what: str
    text: str
    figures: Mapping[str, Any] = {}


def line(finding: Finding) -> str:
    """A finding as a line."""
    return printable(f"{finding.state:8} {finding.what}: {finding.text}")


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """Findings as a JSON value."""
    worst = State.PROBLEM if has_problem(findings) else State.OK
    if worst is State.OK and any(finding.state is State.WARNING for finding in findings):
        worst = State.WARNING
    checks = [{"state": f.state, "check": f.what, "text": f.text, "figures": dict(f.figures)} for f in findings]
    return {"state": worst, "checks": checks}


def has_problem(findings: Sequence[Finding]) -> bool:
    """Whether a search would fail, or should not be started."""
    return any(finding.state is State.PROBLEM for finding in findings)
