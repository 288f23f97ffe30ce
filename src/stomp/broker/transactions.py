"""BEGIN, COMMIT and ABORT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.broker.model import OpenTransaction, PendingSend
from stomp.broker.store import RequestRefused
from stomp.core.frames import commands

if TYPE_CHECKING:
    from stomp.broker.acknowledgements import Acknowledgements
    from stomp.broker.dispatcher import Dispatcher
    from stomp.broker.model import Client, PendingAck
    from stomp.broker.sender import Sender
    from stomp.broker.state import BrokerState
    from stomp.core.frames.frame import Frame


class Transactions:
    """Begins and ends the transactions of clients.

    Args:
        state: the state of the broker.
        dispatcher: delivers messages again after ABORT.
        sender: stores the messages at COMMIT.
        acknowledgements: settles the deliveries at COMMIT.
    """

    def __init__(
        self, state: BrokerState, dispatcher: Dispatcher, sender: Sender, acknowledgements: Acknowledgements
    ) -> None:
        self._state = state
        self._dispatcher = dispatcher
        self._sender = sender
        self._acknowledgements = acknowledgements

    def get(self, client: Client, name: str) -> OpenTransaction:
        """An open transaction.

        Raises:
            RequestRefused: there is none with this name.
        """
        transaction = client.transactions.get(name)
        if transaction is None:
            raise RequestRefused(f"there is no transaction {name!r:.60}")
        return transaction

    def add_send(self, transaction: OpenTransaction, sending: PendingSend) -> None:
        """Add a SEND. A message that waits for its COMMIT uses memory, so it counts.

        Raises:
            RequestRefused: the broker is full.
        """
        self._state.capacity.claim(1, sending.size)
        transaction.steps.append(sending)

    def add_ack(self, transaction: OpenTransaction, settling: PendingAck) -> None:
        """Add an ACK or NACK."""
        transaction.steps.append(settling)
        self._dispatcher.dispatch_consumer(settling.deliveries[0].consumer)  # its window has room again

    def begin(self, client: Client, frame: Frame) -> None:
        """Process a BEGIN.

        Raises:
            RequestRefused: the connection has too many open transactions.
        """
        if len(client.transactions) >= self._state.policy.max_transactions:
            raise RequestRefused(
                f"a connection may have {self._state.policy.max_transactions} open transactions at most"
            )
        client.transactions[frame.headers["transaction"]] = OpenTransaction()

    def commit(self, client: Client, frame: Frame) -> None:
        """Process a COMMIT.

        Raises:
            RequestRefused: there is no such transaction, or its messages do not fit; it is then undone.
        """
        name = frame.headers["transaction"]
        transaction = self.get(client, name)
        del client.transactions[name]
        try:
            self._sender.replace_claims([step for step in transaction.steps if isinstance(step, PendingSend)])
        except RequestRefused:
            self.undo(transaction)
            raise
        for receipt in transaction.receipts:
            self._dispatcher.emit(client, commands.receipt(receipt))
        for step in transaction.steps:
            if isinstance(step, PendingSend):
                self._sender.publish(step)
            else:
                self._acknowledgements.settle(step)

    def abort(self, client: Client, frame: Frame) -> None:
        """Process an ABORT.

        Raises:
            RequestRefused: there is no such transaction.
        """
        name = frame.headers["transaction"]
        transaction = self.get(client, name)
        del client.transactions[name]
        self.undo(transaction)

    def undo(self, transaction: OpenTransaction) -> None:
        """Drop the messages that a transaction sent, and make the deliveries that it settled unacknowledged again."""
        for step in transaction.steps:
            if isinstance(step, PendingSend):
                self._state.capacity.release(1, step.size)
                continue
            consumer = step.deliveries[0].consumer
            if not consumer.open:
                for delivery in step.deliveries:
                    self._dispatcher.requeue(delivery)
                for queue in dict.fromkeys(each.queue for each in step.deliveries):
                    self._dispatcher.dispatch_or_discard(queue)
                continue
            restored = {**consumer.unacked, **{each.key: each for each in step.deliveries}}
            oldest_first = sorted(restored.values(), key=lambda each: each.number)
            consumer.unacked = {each.key: each for each in oldest_first}
            consumer.client.awaiting.update((each.key, each) for each in step.deliveries)
