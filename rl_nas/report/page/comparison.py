"""Several searches: the best so far over seeds, and the settings in which they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rl_nas.report.page.curves import reward_curves
from rl_nas.report.page.run import PageRun
from rl_nas.statistics import estimate

_OF_A_CALL = ("run_dir", "resume", "rebuild", "json", "debug", "trust")
_OF_A_REPEAT = (*_OF_A_CALL, "seed", "trials", "max_hours")
"""Flags in which repetitions of a search may differ."""
_OF_A_MACHINE = ("executor", "workers", "devices", "data_dir", "max_attempts", "children_per_worker")
"""Flags of where children run, which change no reward."""
_POINTS = 200


@dataclass(frozen=True)
class SeedGroup:
    """Searches that differ in their seeds, and in how long they were, alone.

    Attributes:
        name: of the group.
        runs: their names.
        places: their places among all searches.
        children: numbers of children, int [points], up to those of the shortest run.
        mean: best reward so far, float [points]; NaN before all have one.
        low: lower end of its 95% interval over the runs; NaN for a single run.
        high: the upper end.
    """

    name: str
    runs: tuple[str, ...]
    places: tuple[int, ...]
    children: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def seed_groups(runs: Sequence[PageRun]) -> list[SeedGroup]:
    """The searches, those with the same settings but their seeds together, in the order given."""
    ignored = (*_OF_A_REPEAT, *_OF_A_MACHINE)
    groups: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for place, run in enumerate(runs):
        key = tuple(sorted((flag, repr(value)) for flag, value in run.flags.items() if flag not in ignored))
        groups.setdefault(key, []).append(place)
    members = [[runs[place] for place in places] for places in groups.values()]
    parts = zip(_names(members), groups.values(), members, strict=True)
    return [_group(name, tuple(places), of) for name, places, of in parts]


def differing_flags(runs: Sequence[PageRun]) -> dict[str, list[Any]]:
    """The flags in which the searches differ, with the value of each; None where one has not recorded it."""
    names = dict.fromkeys(flag for run in runs for flag in run.flags if flag not in _OF_A_CALL)
    values = {flag: [run.flags.get(flag) for run in runs] for flag in names}
    return {flag: found for flag, found in values.items() if any(value != found[0] for value in found)}


def _group(name: str, places: tuple[int, ...], members: Sequence[PageRun]) -> SeedGroup:
    shortest = min(len(run.trials) for run in members)
    children = np.unique(np.linspace(1, shortest, min(shortest, _POINTS)).round().astype(int))
    ends = children - 1
    best = np.array([reward_curves(run.trials).best[ends] for run in members], float).reshape(len(members), -1)
    mean, low, high = (np.full(len(ends), np.nan) for _ in range(3))
    for place, values in enumerate(best.T):
        if np.isfinite(values).all():
            found = estimate(values)
            mean[place] = found.mean
            if len(members) > 1:
                low[place], high[place] = found.low, found.high
    return SeedGroup(name, tuple(run.name for run in members), places, children, mean, low, high)


def _names(groups: Sequence[Sequence[PageRun]]) -> list[str]:
    """A name for each group: the settings that tell them apart, or the name of its run."""
    firsts = [members[0] for members in groups]
    ignored = (*_OF_A_REPEAT, *_OF_A_MACHINE)
    apart = {flag: values for flag, values in differing_flags(firsts).items() if flag not in ignored}
    return [_name(members, number, apart) for number, members in enumerate(groups)]


def _name(members: Sequence[PageRun], number: int, apart: Mapping[str, Sequence[Any]]) -> str:
    if len(members) == 1:
        return members[0].name
    settings = ", ".join(f"{flag} {values[number]}" for flag, values in list(apart.items())[:2])
    return f"{len(members)} runs{f' of {settings}' if settings else ''}"
