"""The subscriptions of a client, and the queues of messages that the program has not taken yet.

Rules of this file: messages are delivered in the order of their arrival. A message of an earlier connection that
needs an ACK is not delivered to the program, because the broker delivers it again
(`ClientEngine.next_message` skips it). A program sees the end of a subscription after its last message.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from stomp.core.engine.effects import Signal
from stomp.core.errors import UsageError

if TYPE_CHECKING:
    from stomp.core.engine.message import BaseMessage


#: Estimated bytes that a message takes in addition to its body, for headers and objects: many small messages
#: must reach the high-water mark, too.
OVERHEAD = 1024
_BODY = attrgetter("body")
_ENDED = attrgetter("ended")


@dataclass(slots=True)
class SubscriptionConfig:
    """The settings of a subscription, from which its SUBSCRIBE is built for each connection.

    Attributes:
        destination: the destination.
        ack: "auto", "client" or "client-individual".
        confirm: request a RECEIPT for the SUBSCRIBE.
        options: the arguments of `stomp.core.engine.broker_profiles.subscribe_headers`.
        headers: further headers.
        max_silence: reconnect after this many seconds without a message; None for no limit.
        hidden: the subscription is not the user's, but receives replies to requests.
    """

    destination: str
    ack: str = "auto"
    confirm: bool = True
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    headers: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    max_silence: float | None = None
    hidden: bool = False


class MessageQueue(Signal):
    """The queued messages of one subscription, or of several that were merged.

    Fires when messages arrived, when a subscription was made or ended, and when a drain begins.

    Attributes:
        messages: the queued messages, oldest first.
        subscriptions: the subscriptions.
    """

    __slots__ = ("messages", "subscriptions")

    def __init__(self) -> None:
        super().__init__()
        self.messages: deque[BaseMessage] = deque()
        self.subscriptions: list[ClientSubscription] = []

    @property
    def over(self) -> bool:
        """True if all of its subscriptions have ended, so that no more messages arrive."""
        return all(map(_ENDED, self.subscriptions))

    def check_open(self) -> None:
        """Check that there are queued messages, or that more may arrive.

        Raises:
            UsageError: the subscriptions were closed, and all of their messages were taken.
        """
        if (
            self.over
            and not self.messages
            and not any(subscription.error for subscription in self.subscriptions)
        ):
            where = ", ".join(subscription.config.destination for subscription in self.subscriptions)
            raise UsageError(f"the subscription to {where} is closed", hint="subscribe again")

    @property
    def size(self) -> int:
        """About how many bytes the queued messages take."""
        # A copy, because other threads may take messages meanwhile.
        waiting = self.messages.copy()
        return sum(map(len, map(_BODY, waiting))) + OVERHEAD * len(waiting)


class ClientSubscription:
    """One subscription of a client, over all of its connections.

    `stomp.core.session.ledger.ActiveSubscription` is its counterpart on one connection.

    Attributes:
        id: the id of the subscription.
        config: its settings.
        queue: the queue that its messages are put into.
        ended: no more messages arrive.
        error: why it ended, if it was not closed by the program; None after the error was raised.
        generation: the number of the connection that the last SUBSCRIBE was sent on; 0 if none was sent.
        receipt: the receipt id of the last SUBSCRIBE; "" if it has none.
        made: a SUBSCRIBE was answered by RECEIPT, or sent if it requests none, on some connection.
        last: when the last message arrived or the last SUBSCRIBE was sent, in seconds on the driver's clock.
    """

    __slots__ = ("config", "ended", "error", "generation", "id", "last", "made", "queue", "receipt")

    def __init__(self, id: str, config: SubscriptionConfig) -> None:
        self.id: str = id
        self.config: SubscriptionConfig = config
        self.queue: MessageQueue = MessageQueue()
        self.queue.subscriptions.append(self)
        self.ended: bool = False
        self.error: BaseException | None = None
        self.generation: int = 0
        self.receipt: str = ""
        self.made: bool = False
        self.last: float = 0.0

    @property
    def acknowledges(self) -> bool:
        """True if its messages need an ACK or NACK."""
        return self.config.ack != "auto"

    @property
    def silent_at(self) -> float:
        """When `max_silence` will have passed without a message, in seconds on the driver's clock."""
        return self.last + (self.config.max_silence or 0.0)

    def end(self, error: BaseException | None = None) -> None:
        """End the subscription; `error` is the reason if the program did not close it."""
        if not self.ended:
            self.ended = True
            self.error = error
            self.queue.notify()

    def merge_into(self, queue: MessageQueue) -> None:
        """Put the messages into another queue from now on, and move the queued ones there.

        Raises:
            UsageError: the subscription was merged before.
        """
        old = self.queue
        if old.subscriptions != [self]:
            raise UsageError(
                f"the subscription {self.id!r} is merged already", hint="merge each subscription once"
            )
        self.queue = queue
        queue.subscriptions.append(self)
        queue.messages.extend(old.messages)
        queue.notify()
