"""A progress bar on standard error, if that is a terminal."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from stomp.cli.framework.terminal import Terminal

#: Seconds before the bar is shown, and seconds between two updates of it.
_SHOW_AFTER = 1.0
_UPDATE_INTERVAL = 0.1
_WIDTH = 30
_UNITS = ("B", "kB", "MB", "GB", "TB")


class Progress:
    """A bar that is redrawn on one line, and erased at the end. Use it in a ``with`` statement, and call `update`.

    Args:
        terminal: where to draw. Nothing is drawn if its standard error is not a terminal, or a dumb one.
        total: the amount of work; None if it is not known.
        label: returns the text for the amount of work that is done.
        clock: a monotonic clock, in seconds.
    """

    def __init__(
        self,
        terminal: Terminal,
        total: float | None,
        label: Callable[[float], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._terminal = terminal
        self._total = total
        self._label = label
        self._clock = clock
        self._next_update = clock() + _SHOW_AFTER
        self._drawn = False
        self._enabled = terminal.draws

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            self._draw("")

    def update(self, done: float) -> None:
        """Set the amount of work that is done. Cheap enough for every message: it draws at most once in 0.1 s."""
        if not self._enabled:
            return
        now = self._clock()
        if now < self._next_update:
            return
        self._next_update = now + _UPDATE_INTERVAL
        self._drawn = True
        self._draw(f"{bar(done / self._total)} {self._label(done)}" if self._total else self._label(done))

    def _draw(self, text: str) -> None:
        err = self._terminal.err
        with contextlib.suppress(BrokenPipeError, ValueError):
            # Return to the start of the line, write, and erase the rest of the line.
            err.write(f"\r{text}\33[K")
            err.flush()


def bar(fraction: float) -> str:
    """A bar for a part from 0 to 1, with the percentage.

    >>> bar(0.5)
    '[###############...............]  50 %'
    """
    fraction = min(max(fraction, 0.0), 1.0)
    filled = round(fraction * _WIDTH)
    return f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {fraction:4.0%}".replace("%", " %")


def size(count: float) -> str:
    """A number of bytes, formatted for people.

    >>> size(999), size(12_345_678)
    ('999 B', '12.3 MB')
    """
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count /= 1000
        unit += 1
    return f"{count:.1f} {_UNITS[unit]}" if unit else f"{count:.0f} B"
