"""Water marks: when to stop filling a buffer and when to go on. Pure arithmetic; the driver does the waiting."""

from __future__ import annotations


class Gate:
    """Counts what is in a buffer. Full from `high` on, and then until it has drained to `low`.

    >>> gate = Gate(high=10, low=4)
    >>> gate.add(10), gate.full
    (True, True)
    >>> gate.remove(5), gate.full
    (False, True)
    >>> gate.remove(1), gate.full
    (True, False)
    """

    __slots__ = ("full", "high", "level", "low")

    def __init__(self, high: int, low: int | None = None) -> None:
        self.high: int = high
        self.low: int = high // 2 if low is None else low
        self.level: int = 0
        self.full: bool = False

    def add(self, amount: int) -> bool:
        """More is in the buffer; True when this made it full."""
        self.level += amount
        if not self.full and self.level >= self.high:
            self.full = True
            return True
        return False

    def remove(self, amount: int) -> bool:
        """Less is in the buffer; True when this opened it again."""
        self.level -= amount
        if self.full and self.level <= self.low:
            self.full = False
            return True
        return False
