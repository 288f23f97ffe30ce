"""Rate limit for log lines that a peer can cause in large numbers.

Rules of this file:

- Each line has a kind. The first lines of a kind within a period are logged; the others are counted, and one summary
  line gives their number. So a peer cannot make the log grow without bound.
- It reads no clock: the caller passes the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: The default number of lines of a kind that are logged within one period.
BURST = 10
#: The default length of a period in seconds.
PERIOD = 5.0


@dataclass(frozen=True, slots=True)
class Summary:
    """Summary of the lines of one kind that were counted and not logged.

    Attributes:
        kind: the kind of the lines.
        number: the number of lines.
        seconds: the time from the first line of the period to the last one.
        last: the argument `last` of `Repeats.admit` for the last of them.
    """

    kind: str
    number: int
    seconds: float
    last: Any

    def __str__(self) -> str:
        times = "time" if self.number == 1 else "times"
        return f"... repeated {self.number:,} {times} in {self.seconds:.0f} s"


class _Period:
    """State of one kind of lines in its current period, which starts with the first line."""

    __slots__ = ("count", "last", "since", "until", "written")

    def __init__(self, since: float) -> None:
        self.since = self.until = since
        self.written = 0
        self.count = 0
        self.last: Any = None


class Repeats:
    """Decides which lines are logged, and counts the others by kind.

    Args:
        burst: the number of lines of a kind that are logged in a period.
        period: the length of a period in seconds.

    >>> repeats = Repeats(burst=1, period=5.0)
    >>> [repeats.admit("ERROR", now) for now in (0.0, 1.0, 4.0)]
    [True, False, False]
    >>> [str(summary) for summary in repeats.due(5.0)]
    ['... repeated 2 times in 4 s']
    >>> repeats.admit("ERROR", 5.0)
    True
    """

    def __init__(self, burst: int = BURST, period: float = PERIOD) -> None:
        self._burst = burst
        self._length = period
        self._periods: dict[str, _Period] = {}
        self._next: float | None = None  # when the first period with counted lines ends

    @property
    def has_counts(self) -> bool:
        """True if there are counted lines that no summary has reported yet."""
        return self._next is not None

    def admit(self, kind: str, now: float, last: Any = None) -> bool:
        """Return True if a line is to be logged; else count it. Log the summaries from `due` first.

        Args:
            kind: the kind of the line. The number of kinds must be small: each has its own state.
            now: the time in seconds.
            last: the line, or the data to format it from, for the summary.
        """
        period = self._periods.get(kind)
        if period is None or now - period.since >= self._length:
            period = self._periods[kind] = _Period(now)
        if period.written < self._burst:
            period.written += 1
            return True
        period.count += 1
        period.until = now
        period.last = last
        over = period.since + self._length
        if self._next is None or over < self._next:
            self._next = over
        return False

    def due(self, now: float) -> list[Summary]:
        """Return and reset the summaries of the periods that have ended."""
        if self._next is None or now < self._next:
            return []
        return self._sum_up(now, self._length)

    def rest(self, now: float) -> list[Summary]:
        """Return and reset all summaries. Call it at the end of a connection."""
        return self._sum_up(now, 0.0)

    def _sum_up(self, now: float, length: float) -> list[Summary]:
        summaries: list[Summary] = []
        self._next = None
        for kind, period in list(self._periods.items()):
            if not period.count:
                continue
            if now - period.since >= length:
                summaries.append(Summary(kind, period.count, period.until - period.since, period.last))
                del self._periods[kind]
            elif self._next is None or period.since + self._length < self._next:
                self._next = period.since + self._length
        return summaries
