"""`FakeClock`: a clock that stands still until a test advances it."""

from __future__ import annotations


class FakeClock:
    """A replacement for `time.monotonic` that stands still until `advance`.

    Pass it to code that takes a clock. Tests of deadlines then take no time and do not depend on the machine.

    >>> clock = FakeClock()
    >>> clock()
    0.0
    >>> clock.advance(2.5)
    2.5
    >>> clock()
    2.5

    Args:
        now: the time at the start, in seconds.

    Attributes:
        now: the current time, in seconds.
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now: float = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> float:
        """Advance the clock; returns the new time.

        Args:
            seconds: how far to advance.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"time does not run backwards: {seconds}")
        self.now += seconds
        return self.now

    def __repr__(self) -> str:
        return f"FakeClock({self.now})"
