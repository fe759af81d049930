"""Tries the parts of a search that take long: children of three sizes, the strategy."""

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rl_nas.child.data.image_cache import image_cache
from rl_nas.controller.settings import WARM_UP
from rl_nas.doctor.forecast import ChildForecast
from rl_nas.spaces.decisions import Architecture
from rl_nas.store.best_child import KEPT
from rl_nas.tasks.sources import tell_user
from rl_nas.trial import Job, Measurement, Outcome, Trial, TrialState, child_seed
from rl_nas.workflows.rehearsal import Drawn
from rl_nas.workflows.search_parts import SearchParts

_LOW, _HIGH = 0.1, 0.9
"""Quantiles of the multiply-adds of the small and the large network."""
_ROUNDS = 2
"""Proposals and updates of the strategy that are tried after the controller's warm-up."""
_SECONDS = ("forecast", "start", "step")
"""Metrics of a rehearsed child whose means over its equals are taken."""
_RECORD = 4096
"""Bytes of a recorded trial."""
_COPIES = KEPT + 4
"""Of a child's weights: those of the best ones, and of one of them SavedModel, model.keras, network, and a draft."""


class Children(NamedTuple):
    """How the children of a rehearsal ended.

    Attributes:
        forecasts: of those that were trained.
        failed: the others, with their names.
        begin: seconds until the first began.
    """

    forecasts: Sequence[ChildForecast]
    failed: Sequence[tuple[str, Outcome]]
    begin: float


def of_three_sizes(drawn: Sequence[Drawn]) -> dict[str, Drawn]:
    """A small, a typical and a large one of some networks, sorted by size."""
    last = len(drawn) - 1
    places = {"small": round(_LOW * last), "typical": round(0.5 * last), "large": round(_HIGH * last)}
    return {name: drawn[place] for name, place in places.items()}


def rehearse(run: SearchParts, networks: dict[str, Drawn], workers: int, seconds: float) -> Children:
    """Trains children for some steps, in the workers of the search, each of which trains one at the same time.

    Args:
        run: the search.
        networks: of the children, by name.
        workers: of the search.
        seconds: that the train steps of a child may take.
    """
    names = [name for name in networks for _ in range(workers)]
    jobs = [
        Job(index, networks[name].architecture, child_seed(run.config.run.seed, index))
        for index, name in enumerate(names)
    ]
    began, cache = time.monotonic(), run.folder.images
    run.folder.path.mkdir(parents=True, exist_ok=True)
    with image_cache(run.images, cache, tell_user), run.children.executor(run.config, seconds) as executor:
        outcomes = {outcome.job.index: outcome for outcome in executor.run(jobs)}
        begin = (executor.began or time.monotonic()) - began
    ended = [(name, outcomes[index]) for index, name in enumerate(names)]
    forecasts = [_mean(name, [one.measurement for other, one in ended if other == name]) for name in networks]
    failed = [(name, outcome) for name, outcome in ended if outcome.measurement is None]
    return Children([forecast for forecast in forecasts if forecast is not None], failed, begin)


def _mean(name: str, measured: Sequence[Measurement | None]) -> ChildForecast | None:
    """The forecast of a child from those of its equals, that were trained at the same time."""
    found = [one for one in measured if one is not None]
    if not found:
        return None
    seconds, start, step = (float(np.mean([one.metrics[name] for one in found])) for name in _SECONDS)
    first, memory = found[0], max(int(one.metrics["memory"]) for one in found)
    return ChildForecast(name, first.madds or 0, first.parameters or 0, seconds, start, step, memory)


def strategy_seconds(run: SearchParts, updates: int) -> float:
    """Seconds of proposals and updates of the strategy, with random rewards in place of children's.

    The first ones are tried, until the controller has practiced, which it begins to do after some trials, twice: the
    first time takes longer. The others take as long as the last of them.

    Args:
        run: the search.
        updates: of the strategy, each from a batch of proposals.
    """
    batch, rng = run.config.batching.size, np.random.default_rng(0)
    tried = -(-WARM_UP // batch) + _ROUNDS
    taken, index = list[float](), 0
    for _ in range(min(updates, tried)):
        began = time.monotonic()
        proposed = run.strategy.propose(batch)
        trials = [_trial(index + number, one, rng) for number, one in enumerate(proposed)]
        run.strategy.observe(trials)
        taken.append(time.monotonic() - began)
        index += len(proposed)
    return math.fsum(taken) + (updates - len(taken)) * taken[-1] if taken else 0.0


def _trial(index: int, architecture: Architecture, rng: np.random.Generator) -> Trial:
    reward = float(rng.random())
    return Trial(index, architecture, TrialState.OK, reward, Measurement(reward))


def disk_bytes(run: SearchParts, largest: int) -> int:
    """About the bytes of the run folder at its fullest: images, records, weights and exports of the best child.

    Args:
        run: the search.
        largest: bytes of a large child's weights.
    """
    images = int(run.images.train_images.nbytes + run.images.valid_images.nbytes)
    return images + run.config.run.trials * _RECORD + _COPIES * largest
