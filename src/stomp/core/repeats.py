"""Which lines of a log are written when the other side causes a flood of them. Pure: the caller has the clock.

Rules of this file: a line is of a kind, and of each kind the first few within a period are written as they are. All
others are counted, and one line says how many they were. So what a log grows by does not depend on what a peer sends.
"""

from __future__ import annotations

from typing import Any

from stomp.core.structs import record

#: So many lines of a kind are written within one period,
BURST = 10
#: which is so many seconds.
PERIOD = 5.0


@record
class Summary:
    """The lines of one kind that were counted and not written.

    Attributes:
        kind: their kind.
        number: how many they are.
        seconds: from the first line of the period to the last one.
        last: what `admit` was given with the last of them.
    """

    kind: str
    number: int
    seconds: float
    last: Any

    def __str__(self) -> str:
        times = "time" if self.number == 1 else "times"
        return f"... repeated {self.number:,} {times} in {self.seconds:.0f} s"


class _Period:
    """One kind of lines, since the first of them in this period."""

    __slots__ = ("count", "last", "since", "until", "written")

    def __init__(self, since: float) -> None:
        self.since = self.until = since
        self.written = 0
        self.count = 0
        self.last: Any = None


class Repeats:
    """Counts lines by their kind.

    Args:
        burst: so many lines of a kind are written in a period.
        period: in seconds.

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
        self._next: float | None = None  # when the first period is over in which lines were counted

    @property
    def has_counts(self) -> bool:
        """True if lines were counted that are not summed up yet."""
        return self._next is not None

    def admit(self, kind: str, now: float, last: Any = None) -> bool:
        """True if a line is to be written; else it was counted. Write what is `due` first.

        Args:
            kind: what the line says, without its details: there must be few of them.
            now: the time, in seconds.
            last: the line, or what it can be made of, for the summary.
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
        """Sum up, and forget, what was counted in periods that are over."""
        if self._next is None or now < self._next:
            return []
        return self._sum_up(now, self._length)

    def rest(self, now: float) -> list[Summary]:
        """Sum up, and forget, everything that was counted: at the end of a connection."""
        return [] if self._next is None else self._sum_up(now, 0.0)

    def _sum_up(self, now: float, length: float) -> list[Summary]:
        summaries: list[Summary] = []
        self._next = None
        for kind, period in list(self._periods.items()):
            if not period.count:
                continue
            if now - period.since >= length:
                summaries.append(Summary(kind, period.count, period.until - period.since, period.last))
                self._periods.pop(kind, None)
            elif self._next is None or period.since + self._length < self._next:
                self._next = period.since + self._length
        return summaries
