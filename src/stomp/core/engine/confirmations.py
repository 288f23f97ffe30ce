"""Requests that wait for the broker's answer, and their outcomes.

Rules of this file: a confirmed send has one of three outcomes: the broker has the message ("confirmed"), the
broker answered with an ERROR ("refused"), or there is no answer ("unknown"). The outcome is set once and does
not change.
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


class BaseConfirmation(Signal):
    """A request with a receipt, and its outcome. Fires when the outcome is set.

    Attributes:
        receipt: the receipt id.
        frame: the frame, while it may have to be sent again; else None.
        size: what the request takes of the window, in bytes; 0 for a request that does not count.
        generation: the number of the connection that it was last sent on.
        attempts: how often it was sent.
        outcome: "confirmed", "refused" or "unknown"; None while it is pending.
        error: why the outcome is not "confirmed"; else None.
    """

    __slots__ = ("_done_callbacks", "attempts", "error", "frame", "generation", "outcome", "receipt", "size")

    def __init__(self, receipt: str, frame: Frame | None, size: int) -> None:
        # Without super().__init__(): there is one object for each confirmed send.
        self._callbacks = ()
        self.receipt: str = receipt
        self.frame = frame
        self.size: int = size
        self.generation: int = 0
        self.attempts: int = 0
        self.outcome: Outcome | None = None
        self.error: StompError | None = None
        self._done_callbacks: tuple[Callable[[Any], object], ...] = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.receipt} {self.outcome or 'pending'}>"

    def done(self) -> bool:
        """Return True once there is an outcome, "unknown" included."""
        return self.outcome is not None

    def settle(self, error: StompError | None = None) -> list[Callable[[], object]]:
        """Set the outcome. For drivers and the core.

        Args:
            error: None for "confirmed", a `BrokerError` for "refused", any other error for "unknown".

        Returns:
            The callbacks to call, without a lock.
        """
        self.error = error
        self.frame = None
        self.outcome = (
            "confirmed" if error is None else "refused" if isinstance(error, BrokerError) else "unknown"
        )
        if self._callbacks:
            self.notify()
        callbacks = self._done_callbacks
        if not callbacks:
            return []
        self._done_callbacks = ()
        return [_bound(callback, self) for callback in callbacks]

    def when_done(self, callback: Callable[[Self], object]) -> bool:
        """Add a callback that `settle` returns. For drivers and the core.

        Returns:
            False if there is an outcome already: the callback was not added.
        """
        if self.outcome is not None:
            return False
        self._done_callbacks = (*self._done_callbacks, callback)
        return True


def _bound(
    callback: Callable[[BaseConfirmation], object], confirmation: BaseConfirmation
) -> Callable[[], object]:
    return lambda: callback(confirmation)


class PendingConfirmations:
    """The unanswered requests, in the order in which they were made, and the window for confirmed sends.

    Args:
        count: maximum number of unanswered sends.
        size: maximum size of their bodies together, in bytes. A larger one is accepted if it is the only one.

    Attributes:
        window_opened: a signal that more sends fit into the window. `ClientEngine` notifies it, once for all
            answers that arrived together.
        confirmed: number of sends with this outcome.
        refused: number of sends with this outcome.
        unknown: number of sends with this outcome.
    """

    def __init__(self, count: int, size: int) -> None:
        self.window_opened: Signal = Signal()
        self.confirmed = self.refused = self.unknown = 0
        self._max_count, self._max_bytes = count, size
        self._by_receipt: dict[str, BaseConfirmation] = {}
        self._count = 0
        self._bytes = 0
        # ERRORs without a receipt id, each with the receipts of the requests that it may answer.
        self._unattributed_errors: list[tuple[BrokerError, set[str]]] = []

    def __len__(self) -> int:
        return len(self._by_receipt)

    @property
    def sends(self) -> int:
        """The number of unanswered sends that count for the window."""
        return self._count

    def fits(self, size: int) -> bool:
        """Return True if the window has window_opened for a send of this size, in bytes."""
        return self._count < self._max_count and (self._bytes + size <= self._max_bytes or not self._count)

    def add(self, confirmation: BaseConfirmation) -> None:
        """Register a request."""
        self._by_receipt[confirmation.receipt] = confirmation
        if confirmation.size:
            self._count += 1
            self._bytes += confirmation.size

    def remove(self, receipt: str) -> BaseConfirmation | None:
        """Remove a request and return it; None if it is not pending. The caller has to notify `window_opened`."""
        found = self._by_receipt.pop(receipt, None)
        if found is not None and found.size:
            self._count -= 1
            self._bytes -= found.size
        return found

    def settle(self, receipt: str, error: StompError | None) -> list[Callable[[], object]]:
        """Remove a request and set its outcome, see `Confirmation.settle`. The caller has to notify `window_opened`.

        Returns:
            The callbacks to call, without a lock; none if the request is not pending.
        """
        found = self.remove(receipt)
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

    def all(self) -> list[BaseConfirmation]:
        """Return all pending requests, in the order in which they were made."""
        return list(self._by_receipt.values())

    def sent_on(self, generation: int) -> list[BaseConfirmation]:
        """Return the pending requests that were last sent on the connection of this number."""
        return [each for each in self._by_receipt.values() if each.generation == generation]

    def attribute_error(self, error: BrokerError) -> list[Callable[[], object]]:
        """Find the request that an ERROR without a receipt id answers (RabbitMQ does not send one).

        If one request is pending, it is that one. If there are more, it is the one that is left when all
        others were answered; until then the ERROR is kept.

        Returns:
            The callbacks to call, without a lock.
        """
        self._unattributed_errors.append((error, set(self._by_receipt)))
        return self._narrow_down(None)

    def candidate_error(self, receipt: str) -> BrokerError | None:
        """Return the first ERROR without a receipt id that may answer this request; None if there is none."""
        return next((error for error, receipts in self._unattributed_errors if receipt in receipts), None)

    def clear_candidates(self) -> None:
        """Forget the kept ERRORs, when the connection has ended: they do not answer later requests."""
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
