"""One transaction, on one connection (STOMP 1.2, "BEGIN"): what it is made of, and whether it still stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stomp.core.errors import TransactionVoid, UsageError

if TYPE_CHECKING:
    from stomp.core.engine.message import BaseMessage
    from stomp.core.session.ledger import Subscription

TransactionState = Literal["open", "committed", "aborted", "void"]


class TransactionRecord:
    """See the module.

    Attributes:
        id: its name on the wire.
        generation: the connection that it belongs to.
        state: "open", "committed", "aborted", or "void": its connection was lost.
    """

    def __init__(self, id: str, generation: int) -> None:
        self.id = id
        self.generation = generation
        self.state: TransactionState = "open"
        self._settled: list[tuple[BaseMessage, Subscription, list[str]]] = []

    def check(self) -> None:
        """Make sure that it is open.

        Raises:
            TransactionVoid: its connection was lost.
            UsageError: it was ended.
        """
        if self.state == "void":
            raise TransactionVoid(
                "the connection of this transaction was lost, and the transaction with it",
                hint="nothing of it was carried out: do it again in a new one",
            )
        if self.state != "open":
            raise UsageError(f"the transaction was {self.state} already", hint="begin a new one")

    def settled(self, message: BaseMessage, subscription: Subscription, names: list[str]) -> None:
        """A message was settled as part of it: `names` are the deliveries that this covers."""
        self._settled.append((message, subscription, names))

    def restore(self) -> None:
        """It was aborted: its deliveries are unacknowledged again, and may be settled again."""
        for message, subscription, names in reversed(self._settled):
            message.settled = False
            later = dict(subscription.unacked)
            subscription.unacked.clear()
            subscription.unacked.update(dict.fromkeys(names))
            subscription.unacked.update(later)
        self._settled.clear()
