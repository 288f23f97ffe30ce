"""How far long work has come: a line on standard error, if somebody looks at it."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from stomp.cli.framework.terminal import Terminal

#: Seconds of work that need no bar, and seconds between two looks of it.
_SHORT = 1.0
_BETWEEN = 0.1
_WIDTH = 30
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Progress:
    """A bar that is drawn again and again, and wiped off at the end. In a ``with`` statement.

    Args:
        terminal: where to draw. Nothing is drawn if its standard error is no terminal, or a dumb one.
        total: what there is to do; None if nobody knows.
        words: says how far it is, given what was done.
        clock: a monotonic clock.
    """

    def __init__(
        self,
        terminal: Terminal,
        total: float | None,
        words: Callable[[float], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terminal = terminal
        self._total = total
        self._words = words
        self._clock = clock
        self._next = clock() + _SHORT
        self._drawn = False
        self._on = terminal.draws

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            self._draw("")

    def update(self, done: float) -> None:
        """So much is done. Costs next to nothing, unless it is time to draw."""
        if not self._on:
            return
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _BETWEEN
        self._drawn = True
        self._draw(f"{bar(done / self._total)} {self._words(done)}" if self._total else self._words(done))

    def _draw(self, text: str) -> None:
        err = self._terminal.err
        with contextlib.suppress(BrokenPipeError, ValueError):
            # To the start of the line, and wipe what is behind.
            err.write(f"\r{text}\33[K")
            err.flush()


def bar(part: float) -> str:
    """A bar with so much of it full.

    >>> bar(0.5)
    '[###############...............]  50 %'
    """
    part = min(max(part, 0.0), 1.0)
    full = round(part * _WIDTH)
    return f"[{'#' * full}{'.' * (_WIDTH - full)}] {part:4.0%}".replace("%", " %")


def size(count: float) -> str:
    """A number of bytes, to be read by people.

    >>> size(999), size(12_345_678)
    ('999 B', '12.3 MB')
    """
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count /= 1000
        unit += 1
    return f"{count:.1f} {_UNITS[unit]}" if unit else f"{count:.0f} B"
