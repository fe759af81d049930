"""What to change in a search, by its forecast."""

from collections.abc import Iterator, Sequence

from rl_nas.doctor.finding import Finding, State
from rl_nas.doctor.forecast import ChildForecast, SearchForecast
from rl_nas.execution.memory import machine_memory
from rl_nas.units import size_text
from rl_nas.workflows.batch_advice import batch_advice
from rl_nas.workflows.config import SearchConfig

_IDLE = 0.2
_MOSTLY = 0.5


def advice(config: SearchConfig, children: Sequence[ChildForecast], forecast: SearchForecast) -> Iterator[Finding]:
    """Yields what to change.

    Args:
        config: of the search.
        children: that were tried.
        forecast: of the search.
    """
    memory = workers_memory(children, forecast.workers)
    if memory > machine_memory():
        text = (
            f"{forecast.workers} workers with large children hold {size_text(memory)}; this machine has less: lower"
            " --workers"
        )
        yield Finding(State.WARNING, "advice", text)
    of_batches = _of_batches(config, forecast)
    if of_batches is not None:
        yield of_batches
    typical = sorted(children, key=lambda child: child.seconds)[len(children) // 2]
    if typical.start > _MOSTLY * typical.seconds:
        text = f"{typical.start / typical.seconds:.0%} of a child's time passes before its second train step"
        yield Finding(State.OK, "advice", f"{text}: more epochs cost little")


def workers_memory(children: Sequence[ChildForecast], workers: int) -> int:
    """Bytes of all workers with large children."""
    return workers * max(child.memory for child in children)


def _of_batches(config: SearchConfig, forecast: SearchForecast) -> Finding | None:
    idle, text = forecast.busy <= 1 - _IDLE, batch_advice(config, forecast.workers)
    if text is None and idle and config.batches_can_overlap:
        text = (
            f"workers wait for each other {1 - forecast.busy:.0%} of the time; --batches_in_flight="
            f"{2 * config.batching.in_flight} is busier"
        )
    return None if text is None else Finding(State.WARNING if idle else State.OK, "advice", text)
