"""`Timers`: what the engine does at a later time, such as delivering a scheduled message."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Calls that are done before other connections have their turn.
_MOST = 1000


class Timers:
    """Calls with a time, the next one first.

    >>> timers = Timers()
    >>> timers.add(5.0, lambda: print("five"))
    >>> timers.run(4.9)
    >>> timers.run(5.0)
    five
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = itertools.count()

    @property
    def next(self) -> float | None:
        """The time of the next call, in seconds since 1970; None if there is none."""
        return self._heap[0][0] if self._heap else None

    def add(self, when: float, action: Callable[[], object]) -> None:
        """Call `action` at this time."""
        heapq.heappush(self._heap, (when, next(self._numbers), action))

    def run(self, now: float) -> None:
        """Do the calls that are due, `_MOST` at most. What they add is done by a later call of `run`."""
        due: list[Callable[[], object]] = []
        while len(due) < _MOST and self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        for action in due:
            action()
