"""`TransactionRecord`: the state of one transaction on one connection (STOMP 1.2, "BEGIN")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stomp.core.errors import StompError, TransactionVoid, UsageError

if TYPE_CHECKING:
    from stomp.core.engine.message import BaseMessage
    from stomp.core.session.ledger import ActiveSubscription

TransactionState = Literal["open", "committed", "aborted", "void"]


class TransactionRecord:
    """One transaction, and the messages that were settled in it.

    Attributes:
        id: the value of its ``transaction`` header.
        generation: the number of its connection.
        owner: the thread or task that has begun it.
        state: "open", "committed", "aborted" or "void"; "void" if its connection was lost, or COMMIT failed.
        error: why COMMIT failed; None if it did not.
    """

    def __init__(self, id: str, generation: int, owner: object = None) -> None:
        self.id = id
        self.generation = generation
        self.owner = owner
        self.state: TransactionState = "open"
        self.error: BaseException | None = None
        self._settled: list[tuple[BaseMessage, ActiveSubscription, list[str]]] = []

    def check(self) -> None:
        """Check that the transaction is open.

        Raises:
            TransactionVoid: its connection was lost, or COMMIT failed.
            UsageError: the transaction was committed or aborted.
        """
        if self.error is not None:
            why = self.error.message if isinstance(self.error, StompError) else type(self.error).__name__
            raise TransactionVoid(
                f"the transaction has ended, its COMMIT failed: {why}", hint="begin a new one"
            ) from self.error
        if self.state == "void":
            raise self.lost()
        if self.state != "open":
            raise UsageError(f"the transaction was {self.state} already", hint="begin a new one")

    def lost(self) -> TransactionVoid:
        """Make it void, because its connection was lost. Returns the error for that."""
        self.state = "void"
        return TransactionVoid(
            "the connection of this transaction was lost, and the transaction with it",
            hint="nothing of it was committed: repeat it in a new transaction",
        )

    def settled(self, message: BaseMessage, subscription: ActiveSubscription, names: list[str]) -> None:
        """Record that a message was settled in it; `names` are the ids of all deliveries covered."""
        self._settled.append((message, subscription, names))

    def restore(self) -> None:
        """Undo the settling of its messages after ABORT: they are unacknowledged and may be settled again."""
        for message, subscription, names in reversed(self._settled):
            message.settled = False
            later = dict(subscription.unacked)
            subscription.unacked.clear()
            subscription.unacked.update(dict.fromkeys(names))
            subscription.unacked.update(later)
        self._settled.clear()
