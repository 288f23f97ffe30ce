"""Session state of a client: active subscriptions, open transactions, pending receipts, unacknowledged deliveries.

Rules of this file:

- A ledger belongs to a client and outlives its connections. It counts them (`generation`), so that a receipt of an
  earlier connection can be distinguished from one of the current connection.
- Subscriptions are kept when a connection ends. Transactions, receipts and deliveries are dropped: a broker discards
  them with the connection.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stomp.core.frames.frame import Headers, headers_of, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.core.frames.versions import Version

#: When there are this many deadlines, those of answered receipts are removed for the first time.
_SWEEP = 128
_new = object.__new__


@dataclass(slots=True)
class ActiveSubscription:
    """An active subscription on the wire.

    Attributes:
        id: its ``id``; the destination if the SUBSCRIBE has none (STOMP 1.0).
        destination: its destination.
        ack: "auto", "client" or "client-individual".
        headers: the headers of the SUBSCRIBE frame, for sending it again.
        unacked: the ids of unacknowledged deliveries, oldest first. Empty for ack "auto".
        acknowledges: True if deliveries need an ACK or NACK.
    """

    id: str
    destination: str
    ack: str
    headers: Headers = field(repr=False)  # may hold credentials
    unacked: dict[str, None] = field(default_factory=dict[str, None])
    acknowledges: bool = field(init=False)

    def __post_init__(self) -> None:
        self.acknowledges = self.ack != "auto"

    def settle(self, message: str) -> None:
        """Remove a delivery from `unacked`.

        With ack "client" an ACK or NACK covers all earlier deliveries, too (STOMP 1.2, "SUBSCRIBE ack Header").
        """
        unacked = self.unacked
        if message not in unacked:
            return
        if self.ack == "client" and next(iter(unacked)) != message:
            for earlier in list(unacked):
                del unacked[earlier]
                if earlier == message:
                    break
        else:
            del unacked[message]


@dataclass(slots=True)
class PendingReceipt:
    """A receipt that was requested and has not arrived.

    Attributes:
        receipt: the receipt id.
        command: the command of the frame that requested it.
        deadline: when it is overdue, in seconds on the driver's clock; None for no deadline.
        generation: the number of the connection on which it was requested.
    """

    receipt: str
    command: str
    deadline: float | None
    generation: int


class Ledger:
    """The session state of a client over all its connections. Sessions change it; drivers and clients read it.

    Attributes:
        generation: the number of the current connection, from 1; 0 before the first.
        subscriptions: the active subscriptions by id.
        transactions: the ids of the open transactions.
    """

    def __init__(self) -> None:
        self.generation: int = 0
        self.subscriptions: dict[str, ActiveSubscription] = {}
        self.transactions: set[str] = set()
        self._pending: dict[str, PendingReceipt] = {}  # by receipt id
        # A user may reuse an id that is still pending: the later receipts of such an id, in order of their requests.
        self._duplicate_ids: dict[str, list[PendingReceipt]] = {}
        # Heap of (deadline, count, pending receipt). Answered ones are removed when they are the earliest.
        self._deadlines: list[tuple[float, int, PendingReceipt]] = []
        self._count = 0
        self._sweep_at = _SWEEP

    def begin_generation(self) -> int:
        """Start a new connection and return its number. Call `end_generation` for the previous one first."""
        self.generation += 1
        return self.generation

    def end_generation(self) -> tuple[PendingReceipt, ...]:
        """End the connection: drop all state that the broker discards with it.

        Returns:
            The pending receipts, which will not arrive any more.
        """
        unanswered = (
            *self._pending.values(),
            *(later for each in self._duplicate_ids.values() for later in each),
        )
        self._pending.clear()
        self._duplicate_ids.clear()
        self._deadlines.clear()
        self.transactions.clear()
        for subscription in self.subscriptions.values():
            subscription.unacked.clear()
        return unanswered

    def record_frame(
        self, command: str, headers: Mapping[str, object], escaped: Version | None = None
    ) -> None:
        """Update the state for a frame of the client.

        Args:
            command: its command.
            headers: its headers.
            escaped: the version of STOMP if the headers are in escaped form.
        """
        if command == "ACK" or command == "NACK":
            # STOMP 1.2 names the message by id, 1.0 and 1.1 by message-id.
            message = headers.get("id", headers.get("message-id"))
            if message is None:
                return
            if type(message) is not str:
                message = text_of(message)
            if escaped is not None and "\\" in message:
                message = escaped.unescape(message)
            subscription = headers.get("subscription")
            if subscription is not None:
                name = text_of(subscription)
                found = self.subscriptions.get(name if escaped is None else escaped.unescape(name))
                if found is not None:
                    found.settle(message)
                return
            for found in self.subscriptions.values():
                if message in found.unacked:
                    if found.ack == "client":
                        found.settle(message)
                    else:
                        del found.unacked[message]
                    return
            return
        kept = headers if isinstance(headers, Headers) else headers_of(headers)
        if escaped is not None:
            kept = escaped.unescaped(kept)
        self._record_control(command, kept)

    def _record_control(self, command: str, headers: Headers) -> None:
        if command == "SUBSCRIBE":
            destination = headers.get("destination", "")
            # STOMP 1.0 allows a SUBSCRIBE without an id; UNSUBSCRIBE then names the destination.
            id = headers.get("id", destination)
            self.subscriptions[id] = ActiveSubscription(id, destination, headers.get("ack", "auto"), headers)
        elif command == "UNSUBSCRIBE":
            self.subscriptions.pop(headers.get("id", headers.get("destination", "")), None)
        elif command == "BEGIN":
            self.transactions.add(headers.get("transaction", ""))
        elif command in ("COMMIT", "ABORT"):
            self.transactions.discard(headers.get("transaction", ""))

    def expect_receipt(self, receipt: str, command: str, deadline: float | None) -> PendingReceipt:
        """Add a pending receipt for a frame with a ``receipt`` header, and return it."""
        # The same as calling the class, without the cost of the call: there may be one for each message.
        ticket: Any = _new(PendingReceipt)
        ticket.receipt = receipt
        ticket.command = command
        ticket.deadline = deadline
        ticket.generation = self.generation
        if self._pending.setdefault(receipt, ticket) is not ticket:
            self._duplicate_ids.setdefault(receipt, []).append(ticket)
        if deadline is not None:
            self._count += 1
            heapq.heappush(self._deadlines, (deadline, self._count, ticket))
            if len(self._deadlines) >= self._sweep_at:
                self._drop_stale()
        made: PendingReceipt = ticket
        return made

    def resolve_receipt(self, receipt: str | None) -> PendingReceipt | None:
        """Remove and return the pending receipt that a RECEIPT or ERROR answers; None if there is none."""
        ticket = self._pending.pop(receipt, None) if receipt is not None else None
        if ticket is not None:
            if self._deadlines and self._deadlines[0][2] is ticket:  # answers mostly arrive in order
                heapq.heappop(self._deadlines)
            if self._duplicate_ids:
                self._move_up(ticket.receipt)
        return ticket

    def _move_up(self, receipt: str) -> None:
        """Put the next pending receipt with the same id into `_pending`, after the first was removed."""
        later = self._duplicate_ids.get(receipt)
        if later:
            self._pending[receipt] = later.pop(0)
            if not later:
                del self._duplicate_ids[receipt]

    def _awaits(self, ticket: PendingReceipt) -> bool:
        receipt = ticket.receipt
        if self._pending.get(receipt) is ticket:
            return True
        return bool(self._duplicate_ids) and any(
            later is ticket for later in self._duplicate_ids.get(receipt, ())
        )

    def expects(self, receipt: str) -> bool:
        """True while a receipt with this id is pending."""
        return receipt in self._pending

    def next_deadline(self) -> float | None:
        """Return the earliest deadline of a pending receipt, or None."""
        while self._deadlines:
            deadline, _, ticket = self._deadlines[0]
            if self._awaits(ticket):
                return deadline
            heapq.heappop(self._deadlines)
        return None

    def expired(self, now: float) -> list[PendingReceipt]:
        """Remove and return the pending receipts whose deadline has passed."""
        late: list[PendingReceipt] = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            _, _, ticket = heapq.heappop(self._deadlines)
            self._forget(ticket)
            late.append(ticket)
        return late

    def _drop_stale(self) -> None:
        """Remove the deadlines of answered receipts. They would stay in the heap behind an earlier, unanswered one."""
        self._deadlines = [entry for entry in self._deadlines if self._awaits(entry[2])]
        heapq.heapify(self._deadlines)
        self._sweep_at = max(_SWEEP, 2 * len(self._deadlines))

    def _forget(self, ticket: PendingReceipt) -> None:
        receipt = ticket.receipt
        if self._pending[receipt] is ticket:
            del self._pending[receipt]
            self._move_up(receipt)
            return
        later = self._duplicate_ids[receipt] = [
            each for each in self._duplicate_ids[receipt] if each is not ticket
        ]
        if not later:
            del self._duplicate_ids[receipt]

    def match_by_destination(self, headers: Mapping[str, str]) -> ActiveSubscription | None:
        """Return the subscription with the destination of a message that has no ``subscription`` header, or None.

        STOMP 1.0, "SUBSCRIBE", requires this header if the SUBSCRIBE had an id, but stompserver does not send it. The
        delivery is added to the unacknowledged ones of the subscription.
        """
        if "subscription" in headers:
            return None
        destination = headers.get("destination")
        for subscription in self.subscriptions.values():
            if subscription.destination == destination:
                if subscription.acknowledges:
                    subscription.unacked[headers.get("message-id", "")] = None
                return subscription
        return None
