"""What one subscription has received and nobody has taken yet.

Rules of this file: messages are taken in the order in which they came; a message of an earlier connection that would
have to be acknowledged is not handed out any more, because the broker delivers it again; the end of a subscription
comes behind its last message.
"""

from __future__ import annotations

from collections import deque
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from stomp.core.engine.effects import Signal
from stomp.core.errors import UsageError
from stomp.core.structs import dataclass, field

if TYPE_CHECKING:
    from stomp.core.engine.message import BaseMessage


#: About what a message takes besides its body, in bytes: headers and objects. A million empty ones are not nothing.
OVERHEAD = 1024
_BODY = attrgetter("body")


@dataclass(slots=True)
class SubscriptionConfig:
    """How a subscription was asked for: what is needed to ask again on the next connection.

    Attributes:
        destination: where messages come from.
        ack: "auto", "client" or "client-individual".
        confirm: a RECEIPT is asked for.
        options: what `stomp.core.engine.broker_profiles.subscribe_headers` is to turn into headers.
        headers: further headers.
        silence: after so many seconds without a message something must be wrong; None if not.
        hidden: it is not the user's: replies come through it.
    """

    destination: str
    ack: str = "auto"
    confirm: bool = True
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    headers: dict[str, Any] = field(default_factory=dict[str, Any], repr=False)
    max_silence: float | None = None
    hidden: bool = False


class MessageQueue(Signal):
    """A queue of messages, for one feed or for several that were merged. Fires when one came, and at the end."""

    __slots__ = ("feeds", "messages")

    def __init__(self) -> None:
        super().__init__()
        self.messages: deque[BaseMessage] = deque()
        self.feeds: list[ClientSubscription] = []

    @property
    def over(self) -> bool:
        """True when no more messages will come."""
        return all(feed.ended for feed in self.feeds)

    def check_open(self) -> None:
        """Make sure that there is something to wait for, or left.

        Raises:
            UsageError: the subscription was closed before, and all of its messages are taken.
        """
        if self.over and not self.messages and not any(feed.error for feed in self.feeds):
            where = ", ".join(feed.wish.destination for feed in self.feeds)
            raise UsageError(f"the subscription to {where} is closed", hint="subscribe again")

    @property
    def size(self) -> int:
        """About how many bytes the messages take that wait."""
        # A copy, because other threads take from it.
        waiting = self.messages.copy()
        return sum(map(len, map(_BODY, waiting))) + OVERHEAD * len(waiting)


class ClientSubscription:
    """One subscription of a client, over all its connections.

    Attributes:
        id: the id of the subscription.
        wish: how it was asked for.
        inbox: where its messages go.
        ended: there will be no more messages.
        error: why it ended, if that was not asked for.
        generation: the connection on which it was last subscribed; 0 for none.
        receipt: the receipt id of its last SUBSCRIBE; empty if none was asked for.
        made: the broker has had it at least once.
        last: when the last message came, or the subscription began, on the driver's clock.
    """

    __slots__ = ("ended", "error", "generation", "id", "inbox", "last", "made", "receipt", "wish")

    def __init__(self, id: str, wish: SubscriptionConfig) -> None:
        self.id: str = id
        self.wish: SubscriptionConfig = wish
        self.inbox: MessageQueue = MessageQueue()
        self.inbox.feeds.append(self)
        self.ended: bool = False
        self.error: BaseException | None = None
        self.generation: int = 0
        self.receipt: str = ""
        self.made: bool = False
        self.last: float = 0.0

    @property
    def acknowledges(self) -> bool:
        """True when its messages wait for an ACK or NACK."""
        return self.wish.ack != "auto"

    @property
    def silent_at(self) -> float:
        """When it will have been silent for too long."""
        return self.last + (self.wish.max_silence or 0.0)

    def end(self, error: BaseException | None = None) -> None:
        """No more messages will come."""
        if not self.ended:
            self.ended = True
            self.error = error
            self.inbox.fire()

    def merge_into(self, inbox: MessageQueue) -> None:
        """Have the messages come to another inbox, those that wait as well.

        Raises:
            UsageError: it is merged already.
        """
        old = self.inbox
        if old.feeds != [self]:
            raise UsageError(
                f"the subscription {self.id!r} is merged already", hint="merge each subscription once"
            )
        self.inbox = inbox
        inbox.feeds.append(self)
        inbox.messages.extend(old.messages)
        inbox.fire()
