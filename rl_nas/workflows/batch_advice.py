"""Batches of proposals that suit the workers."""

from rl_nas.report.tables import counted
from rl_nas.workflows.config import SearchConfig

_ALONE = 16
"""Workers for which proposals one by one are fast enough; more have larger batches in proportion."""

_MANY = 4
"""Proposals in flight for each worker that are more than keep it busy."""


def batch_advice(config: SearchConfig, workers: int) -> str | None:
    """What to tell of batches that do not suit the workers; None if they do.

    Args:
        config: of the search. The flags of its batches do not follow the workers, so that the same ones give the same
            search on any machine.
        workers: children that can be evaluated at once.
    """
    batching, workers = config.batching, min(workers, config.run.trials)
    if not config.batches_can_overlap:
        return None
    if workers > batching.children:
        size = max(batching.size, workers // _ALONE)
        larger = f"--update_every={size} " if size > batching.size else ""
        return (
            f"only {batching.children} of {workers} workers have a child at a time;"
            f" {larger}--batches_in_flight={-(-2 * workers // size)} gives work to all of them"
        )
    many = _MANY * workers < batching.in_flight < config.run.trials
    if many and batching.size == 1 and config.strategy.strategy != "random":
        return (
            f"each proposal knows all results but the last {batching.in_flight - 1}; with {counted(workers, 'worker')}"
            f" --batches_in_flight={2 * workers} is as busy, and learns from more of them"
        )
    return None
