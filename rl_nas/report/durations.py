"""Times in words, and the speed of a task, from which they are forecast."""

import time

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Pace:
    """The speed of a task, measured since the creation of this object.

    Args:
        done: steps that were done before, which do not count.
    """

    def __init__(self, done: int = 0) -> None:
        self._before, self._began = done, time.monotonic()

    def begin(self, moment: float) -> None:
        """Measures from a moment on, by time.monotonic: what came before it was no work on steps."""
        self._began = moment

    def fresh(self, done: int) -> int:
        """Steps that were done since."""
        return done - self._before

    def seconds_each(self, done: int) -> float | None:
        """Mean seconds of a step; None before the first."""
        fresh = self.fresh(done)
        return (time.monotonic() - self._began) / fresh if fresh else None

    def left(self, done: int, total: int) -> str:
        """The time left, in words."""
        seconds = self.seconds_each(done)
        return f"{clock(None if seconds is None else seconds * (total - done))} left"


def clock(seconds: float | None) -> str:
    """A time as H:MM:SS or M:SS."""
    if seconds is None:
        return "-:--"
    hours, rest = divmod(round(seconds), _HOUR)
    minutes, secs = divmod(rest, _MINUTE)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def about(seconds: float) -> str:
    """A forecast in words, such as `about 14 min`."""
    if seconds < 1.5 * _MINUTE:
        return f"about {seconds:.0f} s"
    if seconds < 1.5 * _HOUR:
        return f"about {seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"about {seconds / _HOUR:.1f} hours"
    return f"about {seconds / _DAY:.1f} days"
