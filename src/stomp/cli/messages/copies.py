"""The headers of a copy of a received message, for `stomp move`, `stomp replay` and ``send --jsonl``.

Rules of this file: a copy has all headers that the sender of the original wrote. It has none of the headers by which
a broker identifies messages, routes them, or counts and explains deliveries. If a copy had the identity of its
original, the broker would confirm it and drop it as a duplicate; if it had the routing headers, it could reach the
wrong destination. The table is also in the documentation (docs/howto/command-line-scripts.md), and a test compares
the two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Group(NamedTuple):
    """A group of headers that a copy does not have.

    Attributes:
        names: the names of the headers. A name that ends in ``*`` is a prefix.
        reason: the information about the original that the headers contain.
    """

    names: tuple[str, ...]
    reason: str


#: The headers that a copy does not have.
LEFT_OUT = (
    Group(
        (
            "subscription",
            "message-id",
            "ack",
            "redelivered",
            "JMSXDeliveryCount",
            "JMSXGroupFirstForConsumer",
            "x-delivery-count",
            "x-acquired-count",
            "x-stream-offset",
        ),
        "one delivery of the original",
    ),
    Group(
        ("destination", "content-length", "receipt", "receipt-id", "transaction"),
        "one frame; a copy has its own",
    ),
    Group(
        (
            "_AMQ_*",
            "_HQ_*",
            "__HDR_*",
            "x-deduplication-header",
            "timestamp",
            "ingress-timestamp",
            "user-id",
            "JMSXUserID",
        ),
        "the identity of the original: which message it is (`_AMQ_DUPL_ID`, `_HQ_DUPL_ID`), when it was sent, by whom",
    ),
    Group(
        ("destination-type", "subscription-type", "CC", "x-received-from", "x-shovelled*"),
        "the way that the original took",
    ),
    Group(
        (
            "original-destination",
            "originalExpiration",
            "dlqDeliveryFailureCause",
            "x-death",
            "x-first-death-*",
            "x-last-death-*",
            "JMS_SUN_DMQ_*",
        ),
        "why and from where the original came to a dead-letter queue",
    ),
    Group(
        ("AMQ_SCHEDULED_*", "scheduledJobId", "x-delay"),
        "a delay or a schedule, which is over: the original was delivered",
    ),
)
#: Headers that begin like those of the broker but are set by the sender: message group and last-value key.
_SET_BY_SENDER = frozenset(
    [
        "_AMQ_GROUP_ID",
        "_AMQ_GROUP_SEQUENCE",
        "_AMQ_LVQ_NAME",
        "_HQ_GROUP_ID",
        "_HQ_LVQ_NAME",
    ]
)
_NAMES = frozenset(name for group in LEFT_OUT for name in group.names if not name.endswith("*"))
_PREFIXES = tuple(name[:-1] for group in LEFT_OUT for name in group.names if name.endswith("*"))


def copyable(headers: Iterable[tuple[str, str]], now: float) -> list[tuple[str, str]]:
    """The headers of a copy.

    >>> copyable(
    ...     [("kind", "x"), ("_AMQ_DUPL_ID", "1"), ("destination-type", "ANYCAST"), ("expires", "0")], 0.0
    ... )
    [('kind', 'x')]

    Args:
        headers: the headers of the original, in order.
        now: the time in seconds since 1970. An ``expires`` in the past is left out, because the copy would expire at
            once. So is ``persistent:false``, which is the default: RabbitMQ takes it for an exclusive queue.
    """
    return [
        (name, value)
        for name, value in headers
        if not belongs_to_original(name)
        and not (name == "expires" and _is_past(value, now))
        and (name, value) != ("persistent", "false")
    ]


def belongs_to_original(name: str) -> bool:
    """True for a header that a copy must not have."""
    return name in _NAMES or (name.startswith(_PREFIXES) and name not in _SET_BY_SENDER)


def _is_past(moment: str, now: float) -> bool:
    # ActiveMQ and Artemis write 0 for "never". A value that is not a number is a header of the application.
    return moment.isdecimal() and len(moment) < 19 and int(moment) <= now * 1000
