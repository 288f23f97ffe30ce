"""A clock that only moves when told to."""

from __future__ import annotations


class FakeClock:
    """Seconds, as `time.monotonic` gives them, but standing still until `advance`.

    Pass it wherever a clock is asked for, so that a test of a deadline takes no time and never flickers.

    >>> clock = FakeClock()
    >>> clock()
    0.0
    >>> clock.advance(2.5)
    2.5
    >>> clock()
    2.5

    Attributes:
        now: the present moment.
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now: float = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> float:
        """Let time pass; returns the new moment."""
        if seconds < 0:
            raise ValueError(f"time does not run backwards: {seconds}")
        self.now += seconds
        return self.now

    def __repr__(self) -> str:
        return f"FakeClock({self.now})"
