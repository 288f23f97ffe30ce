"""What a connection owes and is owed: subscriptions, transactions, receipts awaited, deliveries not acknowledged.

The ledger belongs to the client, not to one connection: it counts connections (`generation`), so that what
belongs to an earlier one can be told from what belongs to this one. Subscriptions survive a lost connection;
transactions, receipts and deliveries do not (a broker forgets them with the connection).
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any

from stomp.core.structs import dataclass, field, record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.core.frames.frame import Headers

#: From this number of deadlines on, those of answered tickets are swept out.
_SWEEP = 128
_new = object.__new__


@dataclass(slots=True)
class Subscription:
    """One SUBSCRIBE that is in force.

    Attributes:
        id: its ``id``; in STOMP 1.0 it may be the destination.
        destination: where messages come from.
        ack: "auto", "client" or "client-individual".
        headers: the headers of the SUBSCRIBE frame, to send it again.
        unacked: message ids delivered and neither acknowledged nor refused, oldest first. Empty for "auto".
        acknowledges: deliveries wait for an ACK or NACK.
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
        """Take an acknowledged or refused delivery off the list.

        With "client" an ACK covers all earlier deliveries, too (STOMP 1.2, "SUBSCRIBE ack Header").
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


@record
class PendingReceipt:
    """A receipt that was asked for and has not come.

    Attributes:
        receipt: the receipt id.
        command: the command of the frame that asked.
        deadline: when it is given up, in seconds on the driver's clock, or None.
        generation: the connection it was asked on.
    """

    receipt: str
    command: str
    deadline: float | None
    generation: int


class Ledger:
    """See the module. Sessions write it; drivers and clients read it."""

    def __init__(self) -> None:
        self.generation: int = 0
        self.subscriptions: dict[str, Subscription] = {}
        self.transactions: set[str] = set()
        self._tickets: dict[str, PendingReceipt] = {}  # by receipt id
        # An id may be used again at any time: those that were asked for while it was awaited, in order.
        self._duplicate_ids: dict[str, list[PendingReceipt]] = {}
        # (deadline, count, ticket), earliest first; answered tickets are dropped when they surface.
        self._deadlines: list[tuple[float, int, PendingReceipt]] = []
        self._count = 0
        self._sweep_at = _SWEEP

    def begin_generation(self) -> int:
        """A new connection begins; returns its number. Call `end_generation` for the old one first."""
        self.generation += 1
        return self.generation

    def end_generation(self) -> tuple[PendingReceipt, ...]:
        """The connection ended: forget what the broker forgets; return the receipts that will never come."""
        unanswered = (
            *self._tickets.values(),
            *(later for each in self._duplicate_ids.values() for later in each),
        )
        self._tickets.clear()
        self._duplicate_ids.clear()
        self._deadlines.clear()
        self.transactions.clear()
        for subscription in self.subscriptions.values():
            subscription.unacked.clear()
        return unanswered

    def record_frame(self, command: str, headers: Headers) -> None:
        """Write down what a frame of the client means. The headers are not escaped."""
        if command == "ACK" or command == "NACK":
            self.record_ack(headers)
        elif command == "SUBSCRIBE":
            destination = headers.get("destination", "")
            # Without an id, as STOMP 1.0 allows, the destination is what UNSUBSCRIBE will name.
            id = headers.get("id", destination)
            self.subscriptions[id] = Subscription(id, destination, headers.get("ack", "auto"), headers)
        elif command == "UNSUBSCRIBE":
            self.subscriptions.pop(headers.get("id", headers.get("destination", "")), None)
        elif command == "BEGIN":
            self.transactions.add(headers.get("transaction", ""))
        elif command in ("COMMIT", "ABORT"):
            self.transactions.discard(headers.get("transaction", ""))

    def record_ack(self, headers: Mapping[str, str]) -> None:
        """Write down what an ACK or NACK with these headers means."""
        # 1.2 names the message by id, the versions before it by message-id.
        message = headers.get("id") or headers.get("message-id")
        if message is not None:
            self.settle(message, headers.get("subscription"))

    def expect_receipt(self, receipt: str, command: str, deadline: float | None) -> PendingReceipt:
        """A frame asks for a receipt."""
        # What calling the class would do, without the call: there may be one for each message.
        ticket: Any = _new(PendingReceipt)
        ticket.receipt = receipt
        ticket.command = command
        ticket.deadline = deadline
        ticket.generation = self.generation
        if self._tickets.setdefault(receipt, ticket) is not ticket:
            self._duplicate_ids.setdefault(receipt, []).append(ticket)
        if deadline is not None:
            self._count += 1
            heapq.heappush(self._deadlines, (deadline, self._count, ticket))
            if len(self._deadlines) >= self._sweep_at:
                self._drop_stale()
        made: PendingReceipt = ticket
        return made

    def answer(self, receipt: str | None) -> PendingReceipt | None:
        """A receipt came, or an ERROR in its place: take out and return the ticket, None if there is none."""
        ticket = self._tickets.pop(receipt, None) if receipt is not None else None
        if ticket is not None and self._duplicate_ids:
            self._move_up(ticket.receipt)
        return ticket

    def _move_up(self, receipt: str) -> None:
        """The first ticket of this id is gone: the next one takes its place."""
        later = self._duplicate_ids.get(receipt)
        if later:
            self._tickets[receipt] = later.pop(0)
            if not later:
                del self._duplicate_ids[receipt]

    def _awaits(self, ticket: PendingReceipt) -> bool:
        receipt = ticket.receipt
        if self._tickets.get(receipt) is ticket:
            return True
        return bool(self._duplicate_ids) and any(
            later is ticket for later in self._duplicate_ids.get(receipt, ())
        )

    def expects(self, receipt: str) -> bool:
        """True while this receipt is awaited."""
        return receipt in self._tickets

    def next_deadline(self) -> float | None:
        """The earliest deadline of a receipt, or None."""
        while self._deadlines:
            deadline, _, ticket = self._deadlines[0]
            if self._awaits(ticket):
                return deadline
            heapq.heappop(self._deadlines)
        return None

    def expired(self, now: float) -> list[PendingReceipt]:
        """Take out and return the receipts whose deadline has passed."""
        late: list[PendingReceipt] = []
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            _, _, ticket = heapq.heappop(self._deadlines)
            self._forget(ticket)
            late.append(ticket)
        return late

    def _drop_stale(self) -> None:
        """Drop the deadlines of answered tickets, which one unanswered ticket can keep from surfacing."""
        self._deadlines = [entry for entry in self._deadlines if self._awaits(entry[2])]
        heapq.heapify(self._deadlines)
        self._sweep_at = max(_SWEEP, 2 * len(self._deadlines))

    def _forget(self, ticket: PendingReceipt) -> None:
        receipt = ticket.receipt
        if self._tickets[receipt] is ticket:
            del self._tickets[receipt]
            self._move_up(receipt)
            return
        later = self._duplicate_ids[receipt] = [
            each for each in self._duplicate_ids[receipt] if each is not ticket
        ]
        if not later:
            del self._duplicate_ids[receipt]

    def settle(self, message: str, subscription: str | None) -> None:
        """A message was acknowledged or refused; `subscription` is its id where the version tells it."""
        settle(self.subscriptions, message, subscription)

    def match_by_destination(self, headers: Mapping[str, str]) -> Subscription | None:
        """The subscription that a message is for which does not name it, by its destination.

        With an id there is to be a subscription header (STOMP 1.0, "SUBSCRIBE"), but stompserver leaves it out.
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


def settle(subscriptions: Mapping[str, Subscription], message: str, subscription: str | None) -> None:
    """See `Ledger.settle`."""
    if subscription is not None:
        found = subscriptions.get(subscription)
        if found is not None:
            found.settle(message)
        return
    for found in subscriptions.values():
        if message in found.unacked:
            found.settle(message)
            return
