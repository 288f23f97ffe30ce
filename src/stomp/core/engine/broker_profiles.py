"""Broker profiles: the features of each kind of broker beyond the protocol, and their headers.

Rules of this file: there is one profile for each kind of broker. A feature that the broker does not have
raises an error that gives the reason, because the broker would silently ignore the header. The profile is
chosen by the ``server`` header of CONNECTED, or by the user (``broker=``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from stomp.core.errors import Unsupported, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerProfile:
    """The features of one kind of broker. Use `profile_for_server` or `profile_by_name` to get one.

    Attributes:
        name: "rabbitmq", "activemq", "artemis", "hornetq", "apollo", "spring", "embedded" or "generic".
        title: the name of the product, for texts.
        server: the prefix of the ``server`` header of CONNECTED; compared without regard to case.
        prefetch: the header that limits the number of unacknowledged messages; None if there is none.
        prefetch_one: the header and its value for one unacknowledged message at a time, where `prefetch` is None
            because the broker's window is in bytes; or None.
        selectors: the broker filters by ``selector``.
        durable: how SUBSCRIBE names a durable subscription: "id" (RabbitMQ), or the header that contains the
            name; None if there is no support.
        exclusive: the header for a subscription that receives all messages of its queue; or None.
        queue_types: the broker has types of queues (``x-queue-type``).
        ttl: the header for the expiry of a message, and whether its milliseconds are "relative" or "absolute"
            (since 1970); None if there is no support.
        delay: the header for a delayed delivery, in milliseconds; or None.
        text_without_content_length: SEND without ``content-length`` is a text message for JMS consumers.
        adds_length: the broker adds a ``content-length`` to the MESSAGE of a text message, too: after
            ``message-id``; that of a bytes message has it before.
        hides_persistence: a MESSAGE does not show whether it is persistent.
        requeue: the values that the ``requeue`` header of NACK may have; "" stands for a NACK without it.
        nack_in_transaction: NACK can be part of a transaction.
        ack_in_transaction: ACK can be part of a transaction.
        receipts_in_transaction: the RECEIPT of a SEND in a transaction arrives at once, not at COMMIT.
        receipts: the broker answers the header ``receipt``. Otherwise nothing can be confirmed but DISCONNECT.
        acknowledges: the broker waits for ACK. Otherwise each message counts as consumed when it is sent.
        transactions: the broker has transactions.
        temporary: how to receive replies: "subscribe" to a ``/temp-queue/``, or "header": name it in
            ``reply-to`` without a SUBSCRIBE; None if there are none.
        deduplication: the header for a unique id by which a message that was sent again can be recognised.
        holds_unacked_until_disconnect: unacknowledged messages of an ended subscription are not delivered
            again until the connection ends.
        nack_discards: a message rejected by NACK is neither delivered again nor in a dead-letter queue.
        web_text_only: the broker ignores or damages WebSocket messages that are not UTF-8.
        web_largest: the largest WebSocket message that the broker accepts, in bytes; None if the limit is
            that of TCP.
        web_disconnect_closes: over a WebSocket the broker may answer DISCONNECT by closing it, without a RECEIPT
            (RabbitMQ 3 does so, RabbitMQ 4 sends one).
        error_ends: True if an ERROR ends the connection, False if it stays usable, None if unknown.
        nack_effect: what happens to a message that is rejected by NACK, as a predicate for texts.
        dead_letter_hint: what to do about messages that fail repeatedly.
    """

    name: str
    title: str
    server: str = "\0"
    prefetch: str | None = None
    prefetch_one: tuple[str, str] | None = None
    selectors: bool = False
    durable: str | None = None
    exclusive: str | None = None
    queue_types: bool = False
    ttl: tuple[str, str] | None = None
    delay: str | None = None
    text_without_content_length: bool = False
    adds_length: bool = False
    hides_persistence: bool = False
    requeue: tuple[str, ...] = ("",)
    nack_in_transaction: bool = True
    ack_in_transaction: bool = True
    receipts_in_transaction: bool = True
    receipts: bool = True
    acknowledges: bool = True
    transactions: bool = True
    temporary: str | None = "subscribe"
    deduplication: str = "dedup-id"
    holds_unacked_until_disconnect: bool = False
    nack_discards: bool = False
    web_text_only: bool = False
    web_largest: int | None = None
    web_disconnect_closes: bool = False
    error_ends: bool | None = None
    nack_effect: str = "is up to the broker"
    dead_letter_hint: str = "see the broker's manual about dead letters"
    _why: Mapping[str, str] = field(default_factory=lambda: _NONE, repr=False)

    def refuse(self, feature: str, hint: str = "") -> Unsupported:
        """Return the error for a feature that this broker does not have, with the reason if one is known."""
        why = self._why.get(feature, "")
        return Unsupported(f"{self.title} has no {feature}" + (f": {why}" if why else ""), hint=hint)


# The profiles are as observed with RabbitMQ 3.10 and 4.0, ActiveMQ 5.17, 6.1 and 6.3, Artemis 2.44 and 2.55,
# HornetQ 2.4.9 and Apollo 1.7.1. tests/brokers/test_profile_fields.py compares each field.
RABBITMQ = BrokerProfile(
    name="rabbitmq",
    title="RabbitMQ",
    server="RabbitMQ",
    prefetch="prefetch-count",
    durable="id",
    exclusive="exclusive",
    queue_types=True,
    ttl=("expiration", "relative"),
    requeue=("", "true", "false"),
    receipts_in_transaction=False,
    temporary="header",
    holds_unacked_until_disconnect=True,
    web_disconnect_closes=True,
    error_ends=False,
    nack_effect="is delivered again at once, or with requeue=False goes to the dead-letter exchange "
    "if the queue has one",
    dead_letter_hint="declare the queue with x-dead-letter-exchange, and reject with nack(requeue=False); "
    "a quorum queue counts deliveries (x-delivery-limit)",
    _why={
        "selector": "the broker ignores the header",
        "delay": "without a plugin there is no delayed delivery",
    },
)
ACTIVEMQ = BrokerProfile(
    name="activemq",
    title="ActiveMQ",
    server="ActiveMQ/",
    prefetch="activemq.prefetchSize",
    selectors=True,
    durable="activemq.subscriptionName",
    exclusive="activemq.exclusive",
    ttl=("expires", "absolute"),
    delay="AMQ_SCHEDULED_DELAY",
    text_without_content_length=True,
    nack_in_transaction=False,
    web_text_only=True,
    web_largest=65_536,
    error_ends=False,
    nack_effect="is not delivered again: a persistent one goes to ActiveMQ.DLQ, any other is gone",
    dead_letter_hint="read ActiveMQ.DLQ, or give each queue a dead-letter queue of its own "
    "(individualDeadLetterStrategy)",
    _why={
        "requeue": "rejected messages go to ActiveMQ.DLQ",
        "NACK in transactions": "a poison ack cannot be transacted, and the COMMIT would fail with it",
    },
)
ARTEMIS = BrokerProfile(
    name="artemis",
    title="ActiveMQ Artemis",
    server="ActiveMQ-Artemis",
    prefetch_one=("consumer-window-size", "0"),
    selectors=True,
    durable="durable-subscription-name",
    ttl=("expires", "absolute"),
    delay="AMQ_SCHEDULED_DELAY",
    text_without_content_length=True,
    adds_length=True,
    ack_in_transaction=False,
    nack_in_transaction=False,
    deduplication="_AMQ_DUPL_ID",
    error_ends=True,
    nack_discards=True,
    nack_effect="is discarded: NACK removes it like ACK, and no dead-letter queue has it",
    dead_letter_hint="set max-delivery-attempts and dead-letter-address for the address: a message whose handler "
    "fails is given back by the end of the connection, which counts as a delivery attempt",
    _why={
        "NACK in transactions": "the broker ignores the header, and discards the message at once",
        "prefetch": "its window is in bytes: prefetch=1 is possible, or give headers={'consumer-window-size': BYTES}, "
        "-1 for no limit",
        "ACK in transactions": "the broker ignores the header",
    },
)
#: Artemis descends from HornetQ.
HORNETQ = replace(
    ARTEMIS,
    name="hornetq",
    title="HornetQ",
    server="HornetQ/",
    prefetch_one=None,
    durable="durable-subscriber-name",
    delay=None,
    temporary=None,
    hides_persistence=True,
    deduplication="_HQ_DUPL_ID",
    error_ends=False,
    _why={
        **ARTEMIS._why,
        "prefetch": "its window is in bytes: give headers={'consumer-window-size': BYTES}",
        "temporary queues": "its queues must exist",
    },
)
APOLLO = BrokerProfile(
    name="apollo",
    title="ActiveMQ Apollo",
    server="apache-apollo/",
    selectors=True,
    exclusive="exclusive",
    ttl=("expires", "absolute"),
    receipts_in_transaction=False,
    error_ends=True,
    nack_effect="is delivered again at once, and is not marked as redelivered",
    dead_letter_hint="count the attempts in the program, or acknowledge failed messages and send them to another queue",
    _why={
        "prefetch": "give headers={'credit': 'COUNT,0'}",
        "durable subscription": "give headers={'persistent': 'true'} and id=...",
        "requeue": "rejected messages are always delivered again",
    },
)
EMBEDDED = BrokerProfile(
    name="embedded",
    title="the embedded broker",
    server="stompkit",
    prefetch="prefetch-count",
    selectors=True,
    durable="id",
    ttl=("expiration", "relative"),
    delay="AMQ_SCHEDULED_DELAY",
    requeue=("", "true", "false"),
    error_ends=True,
    nack_effect="is delivered again, to another subscriber if there is one",
    dead_letter_hint="it is for development: inspect the queue with Broker.depth",
)
_SIMPLE = "Spring's simple broker ignores it"
#: The simple broker of Spring's WebSocket support (``enableSimpleBroker``). Its CONNECTED has no ``server``.
SPRING = BrokerProfile(
    name="spring",
    title="Spring",
    receipts=False,
    acknowledges=False,
    transactions=False,
    temporary=None,
    # A receiver of a damaged MESSAGE ends its connection: the content-length is that of the undamaged body.
    web_text_only=True,
    error_ends=True,
    nack_effect="was consumed when it was sent: the simple broker ignores NACK",
    dead_letter_hint="send what fails to a destination of the application (/app/...)",
    _why={
        "receipts": f"{_SIMPLE}, so that nothing can be confirmed",
        "acknowledgements": "each message counts as consumed when it is sent",
        "transactions": "its application would process each SEND at once",
        "selector": "where the application has configured one, it is a SpEL expression: give headers={'selector': ...}",
        "prefetch": _SIMPLE,
        "durable subscription": "it stores nothing",
        "expiry (ttl)": "it stores nothing",
        "delay": "it delivers at once",
        "exclusive subscription": "each subscription gets each message",
        "types of queues": "a /queue/ of the simple broker is a topic",
        "temporary queues": "the application chooses where its answers go",
    },
)
GENERIC = BrokerProfile(name="generic", title="this broker", dead_letter_hint="set its kind with broker=...")

#: The profiles by name.
PROFILES = {
    profile.name: profile
    for profile in (RABBITMQ, ACTIVEMQ, ARTEMIS, HORNETQ, APOLLO, SPRING, EMBEDDED, GENERIC)
}


def profile_for_server(server: str | None) -> BrokerProfile:
    """Return the profile for the ``server`` header of CONNECTED; `GENERIC` if it is missing or unknown.

    >>> (
    ...     profile_for_server("RabbitMQ/3.10.8").name,
    ...     profile_for_server("ActiveMQ-Artemis/2.31.0 ActiveMQ Artemis").name,
    ...     profile_for_server(None).name,
    ... )
    ('rabbitmq', 'artemis', 'generic')
    """
    product = (server or "").lower()
    for profile in PROFILES.values():
        if product.startswith(profile.server.lower()):
            return profile
    return GENERIC


def error_surely_ends(server: str | None) -> bool:
    """Return True if the broker with this ``server`` header is known to read nothing more after an ERROR.

    This is for the listener API, whose programs may go on sending after on_error. An unknown broker counts as
    one that goes on reading.
    """
    return profile_for_server(server).error_ends is True


def profile_by_name(name: str) -> BrokerProfile:
    """Return the profile of this name.

    Raises:
        UsageError: there is no such profile.
    """
    profile = PROFILES.get(name)
    if profile is None:
        raise UsageError(
            f"there is no kind of broker called {name[:40]!r}", hint=f"use one of {', '.join(PROFILES)}"
        )
    return profile


_BY_HAND = "pass the broker's headers with headers=, or its kind with broker="


def subscribe_headers(
    profile: BrokerProfile,
    *,
    ack: str = "auto",
    prefetch: int | None = None,
    selector: str | None = None,
    durable: str | None = None,
    exclusive: bool = False,
    queue_type: str | None = None,
    client_id: str | None = None,
) -> dict[str, Any]:
    """Return the headers of a SUBSCRIBE with these options.

    Args:
        profile: the broker profile.
        ack: the ack mode; a prefetch needs one other than "auto".
        prefetch: maximum number of unacknowledged messages, at least 1.
        selector: a filter, in the syntax of the broker.
        durable: the name of a durable subscription.
        exclusive: receive all messages of the queue, and other subscriptions none.
        queue_type: the type of the queue, see `queue_headers`.
        client_id: the ``client-id`` of the connection.

    Raises:
        Unsupported: the broker does not have the feature.
        UsageError: a value is out of range, or another setting is missing.
    """
    headers: dict[str, Any] = {}
    if ack != "auto" and not profile.acknowledges:
        raise profile.refuse("acknowledgements", "subscribe with ack='auto'")
    if prefetch is not None:
        if profile.prefetch is None and (prefetch != 1 or profile.prefetch_one is None):
            raise profile.refuse("prefetch", _BY_HAND)
        if prefetch < 1:
            raise UsageError(f"prefetch is {prefetch}", hint="at least 1")
        if ack == "auto":
            raise UsageError(
                "prefetch counts unacknowledged messages, and with ack='auto' there are none",
                hint="subscribe with ack='client-individual'",
            )
        if profile.prefetch is not None:
            headers[profile.prefetch] = prefetch
        elif profile.prefetch_one is not None:
            headers.update([profile.prefetch_one])
    if selector is not None:
        if not profile.selectors:
            raise profile.refuse("selector", _BY_HAND)
        headers["selector"] = selector
    if durable is not None:
        headers.update(_durable(profile, durable, client_id))
    if exclusive:
        if profile.exclusive is None:
            raise profile.refuse("exclusive subscription", _BY_HAND)
        headers[profile.exclusive] = True
    if queue_type is not None:
        headers.update(queue_headers(profile, queue_type))
    return headers


def _durable(profile: BrokerProfile, name: str, client_id: str | None) -> dict[str, Any]:
    if profile.durable is None:
        raise profile.refuse("durable subscription", _BY_HAND)
    if profile.durable == "id":
        return {"id": name, "durable": True, "auto-delete": False}
    if not client_id:
        raise UsageError(
            f"{profile.title} knows a durable subscription by the client's id and a name",
            hint="give client_id= to the client",
        )
    return {profile.durable: name}


def queue_headers(profile: BrokerProfile, queue_type: str) -> dict[str, Any]:
    """Return the headers by which SEND and SUBSCRIBE declare a queue of this type.

    Raises:
        Unsupported: the broker has no types of queues.
    """
    if not profile.queue_types:
        raise profile.refuse("types of queues", _BY_HAND)
    return {"x-queue-type": queue_type, "durable": True, "auto-delete": False}


def send_headers(
    profile: BrokerProfile,
    *,
    epoch_ms: int = 0,
    persistent: bool | None = None,
    priority: int | None = None,
    ttl: float | None = None,
    delay: float | None = None,
    queue_type: str | None = None,
) -> dict[str, Any]:
    """Return the headers of a SEND with these options.

    Args:
        profile: the broker profile.
        epoch_ms: the wall-clock time in milliseconds since 1970, for brokers whose `ttl` is "absolute".
        persistent: the message is to survive a restart of the broker; ActiveMQ and Artemis lose it otherwise.
        priority: 0 to 9; RabbitMQ accepts up to 255 (``x-max-priority`` of the queue).
        ttl: seconds until the message expires.
        delay: seconds until the message is delivered.
        queue_type: the type of the destination's queue, see `queue_headers`.

    Raises:
        Unsupported: the broker does not have the feature.
        UsageError: a number is out of range.
    """
    headers: dict[str, Any] = {}
    # Without the header a message is not persistent. RabbitMQ takes persistent:false for an exclusive queue, which ends
    # with the connection: a queue that exists then refuses the message.
    if persistent:
        headers["persistent"] = True
    if priority is not None:
        if not 0 <= priority <= 255:
            raise UsageError(
                f"priority is {priority}", hint="0 to 9; on RabbitMQ up to the queue's x-max-priority"
            )
        headers["priority"] = priority
    if ttl is not None:
        if profile.ttl is None:
            raise profile.refuse("expiry (ttl)", _BY_HAND)
        name, way = profile.ttl
        headers[name] = _milliseconds(ttl, "ttl") + (epoch_ms if way == "absolute" else 0)
    if delay is not None:
        if profile.delay is None:
            raise profile.refuse("delay", _BY_HAND)
        headers[profile.delay] = _milliseconds(delay, "delay")
    if queue_type is not None:
        headers.update(queue_headers(profile, queue_type))
    return headers


def web_message_check(
    server: str | None, profile: BrokerProfile | None = None
) -> Callable[[bytes], None] | None:
    """Return the check for frames to this broker over a WebSocket; None if the broker accepts all frames.

    Args:
        server: the ``server`` header of CONNECTED.
        profile: the broker profile; None to choose it by `server`.

    Returns:
        A function that raises `Unsupported` for a frame that the broker would ignore or damage, or that would make
        it close the connection.
    """
    profile = profile or profile_for_server(server)
    if profile.web_text_only or profile.web_largest is not None:
        return partial(check_web_message, profile)
    return None


def check_web_message(profile: BrokerProfile, frame: bytes) -> None:
    """Check that the broker accepts this encoded frame over a WebSocket.

    Raises:
        Unsupported: the broker would ignore or damage the frame, or close the connection.
    """
    if profile.web_largest is not None and len(frame) > profile.web_largest:
        raise Unsupported(
            f"{profile.title} takes WebSocket messages of at most {profile.web_largest} bytes, this has {len(frame)}",
            hint="send less at once, or connect by TCP",
        )
    if profile.web_text_only and not frame.isascii():
        try:
            frame.decode()
        except UnicodeDecodeError:
            raise Unsupported(
                f"{profile.title} takes no binary WebSocket messages, and this frame is not UTF-8",
                hint="encode the body, for example as base64, or connect by TCP",
            ) from None


def _milliseconds(seconds: float, what: str) -> int:
    if not 0 < seconds < 10**9:
        raise UsageError(f"{what} is {seconds!r}", hint="a number of seconds above 0")
    return max(1, round(seconds * 1000))


def nack_headers(profile: BrokerProfile, requeue: bool | None) -> dict[str, Any]:
    """Return the headers of a NACK.

    Args:
        profile: the broker profile.
        requeue: whether the broker is to deliver the message again; None for the broker's default.

    Raises:
        Unsupported: the broker has no such choice, or it discards the message and `requeue` is not False.
    """
    if profile.nack_discards:
        if requeue is False:
            return {}  # NACK discards by default
        raise Unsupported(
            f"{profile.title} discards messages rejected by NACK: no dead-letter queue has them",
            hint="raise an exception in the handler or the with statement, or call nack(requeue=True): the message is "
            "given back, and that counts as a delivery attempt; nack(requeue=False) discards it",
        )
    if requeue is None:
        return {}
    text = "true" if requeue else "false"
    if text not in profile.requeue:
        raise profile.refuse("requeue", f"a rejected message {profile.nack_effect}")
    return {"requeue": text}
