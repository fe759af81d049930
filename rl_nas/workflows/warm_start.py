"""The first children of a search, by scores of untrained networks; recorded for searches that are continued."""

import json
import math
import time
from collections.abc import Sequence

import numpy as np

from rl_nas.errors import UsageError
from rl_nas.evaluation.limits import PlannedCost
from rl_nas.evaluation.zero_cost import SCORES, Batch, first_images
from rl_nas.networks.plan import Plan
from rl_nas.report.durations import about
from rl_nas.report.heartbeat import QUIET, working
from rl_nas.report.tables import counted
from rl_nas.spaces.decisions import Architecture, fixed_mapping
from rl_nas.store.files import write_text
from rl_nas.store.json_files import blaming, read_json
from rl_nas.strategies.warm_start import vote
from rl_nas.tasks.sources import tell_user
from rl_nas.trial import ChildError, child_seed
from rl_nas.workflows.search_parts import SearchParts

_FORM = {"first": [[int]]}
_TRIES = 20
"""Networks to draw for each that is scored: others are known, or too large."""


def first_children(parts: SearchParts) -> list[Architecture]:
    """The networks that a search begins with: those of `warm_start.json`, which is written if it is not there.

    Raises:
        UsageError: the file is broken, or of another space.
        StorageError: it cannot be written.
    """
    path = parts.folder.warm_start
    if path.exists():
        first = read_json(path, _FORM)["first"]
        with blaming(path):
            for architecture in first:
                parts.space.validate(architecture)
        return [tuple(architecture) for architecture in first]
    settings = parts.config.warm_start
    names, drawn = settings.names(parts.task.supports), _drawn(parts)
    if not drawn:
        raise UsageError(
            "--warm_start=scores: none of the random networks drawn can be built within the limits; allow larger ones"
        )
    told, began = (
        f"warm start: scoring {counted(len(drawn), 'untrained network')} by {', '.join(names)}",
        time.monotonic(),
    )
    tell_user(told)
    with working(told, first=QUIET):
        scores = _scores(parts, names, [plan for _, plan in drawn])
    best = [drawn[place][0] for place in vote(scores)[: settings.warm_start_children]]
    seconds = time.monotonic() - began
    tell_user(f"warm start: scored in {about(seconds)}; the best {len(best)} by the mean of their ranks are first")
    document = {"scores": list(names), "seconds": seconds, "first": best}
    write_text(path, json.dumps(document) + "\n")
    return best


def _drawn(parts: SearchParts) -> list[tuple[Architecture, Plan]]:
    """Different random networks within the limits, with their plans."""
    config, space, networks = parts.config, parts.space, parts.setup.children
    rng, found = np.random.default_rng([config.run.seed, 2]), dict[str, tuple[Architecture, Plan]]()
    (fixed,) = space.fixed_choices(0, 1)
    for _ in range(_TRIES * config.warm_start.warm_start_sample):
        if len(found) == config.warm_start.warm_start_sample:
            break
        architecture = space.sample(rng, fixed_mapping(fixed))
        genotype = space.decode(architecture)
        key = networks.key(genotype)
        if key not in found:
            try:
                plan = networks.plan(genotype)
                config.limits.check(plan, config.training.batch_size, PlannedCost.of(plan, parts.setup.cost_before))
            except (ChildError, UsageError):  # beyond the limits, or not to be built with these flags
                continue
            found[key] = architecture, plan
    return list(found.values())


def _scores(parts: SearchParts, names: Sequence[str], plans: Sequence[Plan]) -> np.ndarray:
    """Scores of networks, float [names, networks]."""
    config, networks = parts.config, parts.setup.networks
    objective = networks.task.objective(networks.problem)
    batch = first_images(parts.setup.training_data(), objective, config.filter.filter_images)
    return np.array([[_score(name, plan, config.run.seed, i, batch) for i, plan in enumerate(plans)] for name in names])


def _score(name: str, plan: Plan, seed: int, number: int, batch: Batch) -> float:
    value = SCORES[name](plan, child_seed(seed, number), batch)
    return value if math.isfinite(value) else math.nan
