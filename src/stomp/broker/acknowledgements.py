"""ACK and NACK: settles deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stomp.broker.model import PendingAck
from stomp.broker.request_headers import is_true
from stomp.broker.store import RequestRefused

if TYPE_CHECKING:
    from stomp.broker.dead_letters import DeadLetters
    from stomp.broker.dispatcher import Dispatcher
    from stomp.broker.model import Client, Delivery
    from stomp.broker.state import BrokerState
    from stomp.core.frames.frame import Frame


class Acknowledgements:
    """Settles the deliveries of clients.

    Args:
        state: the state of the broker.
        dispatcher: delivers refused messages again.
        dead_letters: removes refused messages that are not delivered again.
    """

    def __init__(self, state: BrokerState, dispatcher: Dispatcher, dead_letters: DeadLetters) -> None:
        self._dead_letters = dead_letters
        self._state = state
        self._dispatcher = dispatcher

    def read(self, client: Client, frame: Frame) -> PendingAck | None:
        """The deliveries that an ACK or NACK settles; they are no longer unacknowledged. None if it has no effect.

        Raises:
            RequestRefused: no message with this id is unacknowledged.
        """
        headers = frame.headers
        key = headers[client.version.ack_header]
        delivery = client.awaiting.get(key)
        if delivery is None:
            if key in client.late_acks and self._state.dialect.accepts_late_acks:
                return (
                    None  # The ACK was sent before the UNSUBSCRIBE was processed; the message was returned.
                )
            raise RequestRefused(f"no unacknowledged message with the id {key!r:.80}")
        if client.version.number == "1.1" and headers["subscription"] != delivery.consumer.key:
            raise RequestRefused(f"message {key!r:.80} was not delivered to that subscription")
        requeue = is_true(headers, "requeue", "true")
        return PendingAck(self._covered(delivery), frame.command == "NACK", requeue)

    def _covered(self, delivery: Delivery) -> list[Delivery]:
        """Remove and return the deliveries that an ACK of this one covers."""
        consumer = delivery.consumer
        covered = [delivery]
        if consumer.ack == "client":
            covered = []
            for earlier in consumer.unacked.values():
                covered.append(earlier)
                if earlier is delivery:
                    break
        for each in covered:
            del consumer.unacked[each.key]
            del consumer.client.awaiting[each.key]
        return covered

    def settle(self, settling: PendingAck) -> None:
        """Make an ACK or NACK take effect."""
        for delivery in settling.deliveries:
            if settling.refused:
                self._refuse(delivery, requeue=settling.requeue)
            else:
                delivery.queue.unsettled -= 1
                self._state.queues.acknowledge(delivery.queue, delivery.message)
        self._dispatcher.dispatch_settled(settling.deliveries)

    def _refuse(self, delivery: Delivery, *, requeue: bool) -> None:
        state, message, queue = self._state, delivery.message, delivery.queue
        message.refusals += 1
        message.refused_by |= {delivery.consumer.number}
        if state.observer is not None:
            state.observer.message_refused(queue, delivery.consumer, message, requeue=requeue)
        action = state.dialect.after_refusal(message, state.policy, requeue=requeue)
        if action == "redeliver":
            self._dispatcher.requeue(delivery)
            return
        queue.unsettled -= 1
        self._dead_letters.refuse(queue, message, drop=action == "drop")
