"""Requests that wait for the broker's answer, and what came of them.

A confirmed send ends in one of three ways: the broker has it ("confirmed"), the broker does not want it ("refused"),
or nobody can know ("unknown"). It ends once, and says so to whoever asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from stomp.core.engine.effects import Signal
from stomp.core.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stomp.core.errors import StompError
    from stomp.core.frames.frame import Frame

Outcome = Literal["confirmed", "refused", "unknown"]


class Confirmation(Signal):
    """One request and its outcome.

    Attributes:
        receipt: its receipt id.
        frame: the frame, as long as it may have to be sent again; None afterwards.
        size: bytes of its body, for the window; 0 for what has no place in it.
        generation: the connection on which it was sent last.
        attempts: how often it was sent.
        outcome: "confirmed", "refused" or "unknown"; None while it is not known.
        error: why it is not "confirmed".
    """

    __slots__ = ("_callbacks", "attempts", "error", "frame", "generation", "outcome", "receipt", "size")

    def __init__(self, receipt: str, frame: Frame | None, size: int) -> None:
        # Not by super: there are many of them.
        self._watchers = ()
        self.receipt: str = receipt
        self.frame = frame
        self.size: int = size
        self.generation: int = 0
        self.attempts: int = 0
        self.outcome: Outcome | None = None
        self.error: StompError | None = None
        self._callbacks: tuple[Callable[[Any], object], ...] = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.receipt} {self.outcome or 'pending'}>"

    def done(self) -> bool:
        """True once the outcome is known, be it "unknown"."""
        return self.outcome is not None

    def settle(self, error: StompError | None = None) -> list[Callable[[], object]]:
        """The answer is here, or there will be none; returns the callbacks to call. For drivers and the core."""
        self.error = error
        self.frame = None
        self.outcome = (
            "confirmed" if error is None else "refused" if isinstance(error, BrokerError) else "unknown"
        )
        if self._watchers:
            self.fire()
        callbacks = self._callbacks
        if not callbacks:
            return []
        self._callbacks = ()
        return [_bound(callback, self) for callback in callbacks]

    def when_done(self, callback: Callable[[Self], object]) -> bool:
        """Have a callback among those of `settle`; False if it is too late for that. For drivers and the core."""
        if self.outcome is not None:
            return False
        self._callbacks = (*self._callbacks, callback)
        return True


def _bound(callback: Callable[[Confirmation], object], confirmation: Confirmation) -> Callable[[], object]:
    return lambda: callback(confirmation)


class PendingConfirmations:
    """The requests without an answer, in the order in which they were made, and how much room is left for more.

    Args:
        count: how many sends may wait at once.
        size: how many bytes of bodies. One that is larger than that may wait alone.

    Attributes:
        room: to be fired when there is more room: once for all the answers that came together.
        confirmed: how many sends were confirmed.
        refused: refused.
        unknown: how many ended without an answer.
    """

    def __init__(self, count: int, size: int) -> None:
        self.room: Signal = Signal()
        self.confirmed = self.refused = self.unknown = 0
        self._most, self._most_bytes = count, size
        self._by_receipt: dict[str, Confirmation] = {}
        self._count = 0
        self._bytes = 0
        # ERRORs that did not say which request they answer, with the receipts that they may be about.
        self._unattributed_errors: list[tuple[BrokerError, set[str]]] = []

    def __len__(self) -> int:
        return len(self._by_receipt)

    @property
    def sends(self) -> int:
        """How many sends wait."""
        return self._count

    def fits(self, size: int) -> bool:
        """True when there is room for one more send of this size."""
        return self._count < self._most and (self._bytes + size <= self._most_bytes or not self._count)

    def add(self, confirmation: Confirmation) -> None:
        """A request was made."""
        self._by_receipt[confirmation.receipt] = confirmation
        if confirmation.size:
            self._count += 1
            self._bytes += confirmation.size

    def take(self, receipt: str) -> Confirmation | None:
        """The answer came, or will not come: take the request out. There may be room then: see that `room` fires."""
        found = self._by_receipt.pop(receipt, None)
        if found is not None and found.size:
            self._count -= 1
            self._bytes -= found.size
        return found

    def settle(self, receipt: str, error: StompError | None) -> list[Callable[[], object]]:
        """Take a request out and give it its outcome: see `take`. Returns the callbacks to call."""
        found = self.take(receipt)
        if found is None:
            return []
        calls = found.settle(error)
        if found.size:
            if error is None:
                self.confirmed += 1
            elif found.outcome == "refused":
                self.refused += 1
            else:
                self.unknown += 1
        return calls + self._narrow_down(receipt) if self._unattributed_errors else calls

    def all(self) -> list[Confirmation]:
        """All of them, in the order in which they were made."""
        return list(self._by_receipt.values())

    def sent_on(self, generation: int) -> list[Confirmation]:
        """Those that were sent last on this connection."""
        return [each for each in self._by_receipt.values() if each.generation == generation]

    def attribute_error(self, error: BrokerError) -> list[Callable[[], object]]:
        """An ERROR came that names no receipt (RabbitMQ's do not): find out whose it is.

        If one request waits, it is that one. If more do, it is the one that is left when all others were answered.
        """
        self._unattributed_errors.append((error, set(self._by_receipt)))
        return self._narrow_down(None)

    def candidate_error(self, receipt: str) -> BrokerError | None:
        """An ERROR that may have been about this request."""
        return next((error for error, receipts in self._unattributed_errors if receipt in receipts), None)

    def clear_candidates(self) -> None:
        """The connection is over: its ERRORs are not about what comes."""
        self._unattributed_errors.clear()

    def _narrow_down(self, receipt: str | None) -> list[Callable[[], object]]:
        calls: list[Callable[[], object]] = []
        for case in list(self._unattributed_errors):
            error, receipts = case
            if receipt is not None:
                receipts.discard(receipt)
            if len(receipts) <= 1 and case in self._unattributed_errors:
                self._unattributed_errors.remove(case)
                if receipts:
                    calls += self.settle(receipts.pop(), error)
        return calls
