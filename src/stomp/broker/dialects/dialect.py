"""`Dialect`: what one broker does differently from others; the base class is the dialect "tolerant".

Rules of this file:

- The engine and the connections ask the dialect at each place where brokers differ. A dialect holds no state.
- The dialect "tolerant" has the extensions of all brokers that do not contradict each other.
- A header that a dialect does not support is reported, see `stomp.broker.dialects.reports`.
- To add a habit of a broker: observe it, and assert it in `tests/conformance` with a field of `Habits`. Add an
  attribute or a method here, with the value of the tolerant dialect, and replace it in the dialects that differ. Ask
  for it at the place in the engine. A header goes into `stomp.broker.dialects.headers`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from stomp.broker.destinations import is_unknown_advisory
from stomp.broker.dialects.headers import (
    ACTIVEMQ_SEND,
    ACTIVEMQ_SUBSCRIBE,
    ARTEMIS_SEND,
    ARTEMIS_SUBSCRIBE,
    RABBITMQ_SEND,
    RABBITMQ_SUBSCRIBE,
)
from stomp.broker.request_headers import expiry_of
from stomp.broker.store import RequestRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.broker.store import Policy, StoredMessage
    from stomp.core.frames.frame import Frame, Headers
    from stomp.core.frames.versions import Version


class Dialect:
    """The dialect "tolerant", and the interface of the others, which replace attributes and methods.

    Attributes:
        name: its name, for `stomp.broker.Broker` and ``--dialect``.
        server: the first word of the ``server`` header of CONNECTED; None for that of stompkit.
        min_heartbeat: the shortest interval of heart-beats that it agrees to, in milliseconds.
        keeps_open: after an ERROR about a request, the connection stays open.
        names_receipt: that ERROR has the ``receipt-id`` of the request.
        refuses_unsupported: a header that it does not support is an error.
        subscribe_headers: the headers of `ALL_SUBSCRIBE` that it supports.
        send_headers: the headers of `ALL_SEND` that it supports.
        unlimited_prefetch: a subscription without ``prefetch-count`` gets all messages at once.
        receipts_at_commit: the RECEIPT of a SEND in a transaction is sent after that of its COMMIT.
        holds_after_unsubscribe: unacknowledged messages stay with the connection after UNSUBSCRIBE, until it ends.
        acks_in_transactions: an ACK or NACK of a transaction takes effect at COMMIT; otherwise at once.
        nacks_in_transactions: a NACK can be part of a transaction.
        accepts_late_acks: an ACK for a message that an UNSUBSCRIBE has returned is no error.
        detects_duplicates: a SEND with an ``_AMQ_DUPL_ID`` that was received before is dropped.
        checks_arguments: declaring a queue with other arguments than before is an error; otherwise it is reported.
        checks_existence: ``/amq/queue/NAME`` does not make the queue.
        max_deliveries: number of deliveries without an acknowledgement, after which a message goes to the dead-letter
            queue; 0 for no limit.
        orders_by_priority: in every queue, messages with a higher ``priority`` (0 to 9) are delivered first.
        named_queues: the destination ``ADDRESS::QUEUE`` names a queue of an address (Artemis).
        has_groups: messages with the same ``JMSXGroupID`` go to one consumer of the queue.
        composite: the destination of a SEND or SUBSCRIBE can be several, separated by commas.
        queue_wildcards: a SUBSCRIBE to a queue can have the wildcards ``*`` and ``>``.
        many_words: the wildcards of topics for any number of words: ``#``, ``>``, or both.
        advisories: there are advisory topics, see `stomp.broker.advisories`. "all": a subscription like ``/topic/>``
            has their messages, too; "named": it has not; "": there are none.
        virtual_topics: ``/queue/Consumer.NAME.VirtualTopic.X`` gets the messages to ``/topic/VirtualTopic.X``.
        ack_is_message_id: the header ``ack`` equals ``message-id``.
        adds_length: every MESSAGE has a ``content-length``; otherwise `has_length` decides.
        ignores_selectors: the header ``selector`` has no effect.
        alters_old: headers of STOMP 1.0 frames are changed by `decode_old` and `encode_old`.
    """

    name: ClassVar[str] = "tolerant"
    server: ClassVar[str | None] = None
    min_heartbeat: ClassVar[int] = 100
    keeps_open: ClassVar[bool] = False
    names_receipt: ClassVar[bool] = True
    refuses_unsupported: ClassVar[bool] = False
    subscribe_headers: ClassVar[frozenset[str]] = RABBITMQ_SUBSCRIBE | ACTIVEMQ_SUBSCRIBE | ARTEMIS_SUBSCRIBE
    send_headers: ClassVar[frozenset[str]] = RABBITMQ_SEND | ACTIVEMQ_SEND | ARTEMIS_SEND
    unlimited_prefetch: ClassVar[bool] = False
    receipts_at_commit: ClassVar[bool] = False
    holds_after_unsubscribe: ClassVar[bool] = False
    acks_in_transactions: ClassVar[bool] = True
    nacks_in_transactions: ClassVar[bool] = True
    accepts_late_acks: ClassVar[bool] = True
    detects_duplicates: ClassVar[bool] = True
    checks_arguments: ClassVar[bool] = False
    checks_existence: ClassVar[bool] = False
    max_deliveries: ClassVar[int] = 0
    orders_by_priority: ClassVar[bool] = False
    named_queues: ClassVar[bool] = True
    has_groups: ClassVar[bool] = True
    composite: ClassVar[bool] = True
    queue_wildcards: ClassVar[bool] = True
    many_words: ClassVar[str] = "#>"
    advisories: ClassVar[Literal["", "named", "all"]] = "named"
    virtual_topics: ClassVar[bool] = True
    ack_is_message_id: ClassVar[bool] = False
    adds_length: ClassVar[bool] = True
    ignores_selectors: ClassVar[bool] = False
    alters_old: ClassVar[bool] = False

    def __repr__(self) -> str:
        return f"<dialect {self.name}>"

    def adapt(self, policy: Policy) -> Policy:
        """The policy with the broker's values where the user has left the default."""
        return policy

    # ------------------------------------------------------------------------------------- connections

    def check_connect(self, headers: Mapping[str, str]) -> None:
        """Check the headers of a CONNECT.

        Raises:
            RequestRefused: the connection is refused.
        """

    def login_refused(self, login: str | None) -> RequestRefused:
        """The error for a wrong login or passcode."""
        return RequestRefused("Bad CONNECT", f"Access refused for user '{login or ''}'")

    def stays_open(self, frame: Frame, refusal: RequestRefused, version: Version) -> bool:
        """True if the connection stays open after this ERROR."""
        return self.keeps_open and not refusal.fatal

    def error_for(self, frame: Frame, refusal: RequestRefused) -> RequestRefused:
        """The error as the broker words it."""
        return refusal

    def receipt_id(self, frame: Frame) -> str | None:
        """The ``receipt-id`` of the ERROR for a frame, or None."""
        return frame.headers.get("receipt") if self.names_receipt else None

    def connected_headers(self, version: Version, server: str, session: str) -> dict[str, str]:
        """The headers of CONNECTED besides ``version`` and ``heart-beat``."""
        headers = {"server": server if self.server is None else f"{self.server} {server}", "session": session}
        if version.number == "1.0":
            headers["version"] = "1.0"  # as RabbitMQ and ActiveMQ write it; STOMP 1.0 has no such header
        return headers

    def decode_old(self, headers: Headers) -> Headers:
        """The headers of a received frame of STOMP 1.0, as the broker reads them.

        Raises:
            RemoteProtocolError: the broker closes the connection.
        """
        return headers

    def encode_old(self, headers: Headers) -> Headers:
        """The headers of a frame of STOMP 1.0 that is sent, as the broker writes them."""
        return headers

    # ------------------------------------------------------------------------------------- messages

    def check_destination(self, destination: str) -> None:
        """Check the destination of a SEND or SUBSCRIBE.

        Raises:
            RequestRefused: the broker has no such destination.
        """

    def without_options(self, destination: str) -> str:
        """A destination without what does not belong to its name."""
        return destination

    def unsupported_in(self, destination: str) -> str | None:
        """What the broker has for such a destination of a SUBSCRIBE, and the dialect has not; or None."""
        if self.advisories and is_unknown_advisory(destination):
            return "advisories of this kind"
        return None

    def add_headers(self, headers: dict[str, str], destination: str, now: float) -> None:
        """Add the headers that the broker gives a received message; `now` is in seconds since 1970."""

    def add_origin(self, headers: dict[str, str], destination: str) -> None:
        """Add to a message for the dead-letter queue where it comes from."""
        headers["original-destination"] = destination

    def after_refusal(
        self, message: StoredMessage, policy: Policy, *, requeue: bool
    ) -> Literal["redeliver", "dead-letter", "drop"]:
        """What happens to a message that was refused by NACK."""
        if requeue and message.refusals < policy.dead_letter_after:
            return "redeliver"
        return "dead-letter"

    def keeps_expired(self, message: StoredMessage) -> bool:
        """True if this message goes to the dead-letter queue when it expires."""
        return False

    def expiry(self, headers: Mapping[str, str], now: float) -> float | None:
        """The expiry time of a message in seconds since 1970; None if it does not expire.

        Raises:
            RequestRefused: the value of a header is not a number.
        """
        return expiry_of(headers, now)

    def message_id(self, default: str, subscription: str | None, client: int, number: int) -> str:
        """The ``message-id`` of a delivery."""
        return default

    def has_length(self, version: Version, body: bytes, *, given: bool) -> bool:
        """True if a MESSAGE has a ``content-length``; `given` if the SEND had one."""
        return True
