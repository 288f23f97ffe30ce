"""Which headers of a received message a copy of it has: `stomp move`, `stomp replay` and ``send --jsonl`` ask here.

Rules of this file: a copy has everything that the sender of the original wrote, and nothing by which a broker tells
messages apart, routes them, or counts and explains what became of them. A copy that has the identity of its original
is confirmed and dropped as a duplicate; one that has its routing goes astray. The table is part of the documentation
of the commands (docs/howto/command-line-scripts.md), and a test holds the two together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Group(NamedTuple):
    """Headers that a copy does not have.

    Attributes:
        names: their names; one that ends in ``*`` stands for all that begin so.
        why: what they say about the original.
    """

    names: tuple[str, ...]
    why: str


#: What a copy does not have.
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
#: Of the broker's own headers those that its sender chose: the group of a message, and its last-value key.
_CHOSEN = frozenset(
    [
        "_AMQ_GROUP_ID",
        "_AMQ_GROUP_SEQUENCE",
        "_AMQ_LVQ_NAME",
        "_HQ_GROUP_ID",
        "_HQ_LVQ_NAME",
    ]
)
_NAMES = frozenset(name for group in LEFT_OUT for name in group.names if not name.endswith("*"))
_BEGINNINGS = tuple(name[:-1] for group in LEFT_OUT for name in group.names if name.endswith("*"))


def copyable(headers: Iterable[tuple[str, str]], now: float) -> list[tuple[str, str]]:
    """The headers of a copy.

    >>> copyable(
    ...     [("kind", "x"), ("_AMQ_DUPL_ID", "1"), ("destination-type", "ANYCAST"), ("expires", "0")], 0.0
    ... )
    [('kind', 'x')]

    Args:
        headers: those of the original, in order.
        now: seconds since 1970: a copy does not expire before it is sent.
    """
    return [
        (name, value)
        for name, value in headers
        if not belongs_to_original(name) and not (name == "expires" and _is_past(value, now))
    ]


def belongs_to_original(name: str) -> bool:
    """True for a header that a copy must not have."""
    return name in _NAMES or (name.startswith(_BEGINNINGS) and name not in _CHOSEN)


def _is_past(moment: str, now: float) -> bool:
    # Both ActiveMQs write 0 for "never". What is no number is a header of the user's.
    return moment.isdecimal() and len(moment) < 19 and int(moment) <= now * 1000
