"""Parses headers of SUBSCRIBE and SEND that extend STOMP, as RabbitMQ and ActiveMQ define them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stomp.broker.selector import SelectorError, compile_selector
from stomp.broker.store import Policy, RequestRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.broker.selector import Selector
    from stomp.core.frames.frame import Headers

#: Headers of a SEND that are not copied to its MESSAGE: they are for the broker, or the broker sets them.
_NOT_PASSED_ON = frozenset(
    [
        "ack",
        "content-length",
        "destination",
        "message-id",
        "receipt",
        "receipt-id",
        "redelivered",
        "subscription",
        "transaction",
    ]
)
#: Headers with the name of a durable subscription in ActiveMQ Classic and ActiveMQ Artemis.
_NAMES = ("activemq.subscriptionName", "durable-subscription-name", "durable-subscriber-name")

#: Headers with the maximum number of unacknowledged messages in RabbitMQ and ActiveMQ Classic.
_WINDOWS = ("prefetch-count", "activemq.prefetchSize")


@dataclass(frozen=True, slots=True)
class DurableKey:
    """Identifies a durable subscription.

    Attributes:
        key: unique in the broker.
        shared: several connections can use it at the same time, and get its messages round-robin.
    """

    key: tuple[str, ...]
    shared: bool


def is_true(headers: Mapping[str, str], name: str, default: str = "false") -> bool:
    """True if the value of a header is "true", in any case: Python programs write "True".

    >>> is_true({"durable": "True"}, "durable"), is_true({}, "durable"), is_true({}, "requeue", "true")
    (True, False, True)
    """
    return headers.get(name, default).lower() == "true"


def message_headers(headers: Headers) -> dict[str, str]:
    """The headers of a SEND that are copied to its MESSAGE."""
    return {name: value for name, value in headers.items() if name not in _NOT_PASSED_ON}


def durable_of(
    headers: Mapping[str, str],
    destination: str,
    client_id: str | None,
    supported: frozenset[str] = frozenset([*_NAMES, "durable"]),
) -> DurableKey | None:
    """The durable subscription that a SUBSCRIBE to a topic requests, or None.

    RabbitMQ: ``durable:true``, without ``auto-delete:true``; destination and id identify the subscription.
    ActiveMQ: the subscription has a name; the name and the ``client-id`` of CONNECT identify it.

    Raises:
        RequestRefused: there is a name, but CONNECT had no ``client-id``.
    """
    name = name_of(headers, supported)
    if name is not None:
        if not client_id:
            raise RequestRefused(
                "a durable subscription needs a client-id", "give the header client-id to CONNECT"
            )
        return DurableKey(("name", client_id, name), shared=False)
    if "durable" in supported and is_true(headers, "durable") and not is_true(headers, "auto-delete"):
        return DurableKey(("id", destination, headers.get("id", "")), shared=True)
    return None


def name_of(headers: Mapping[str, str], supported: frozenset[str] = frozenset(_NAMES)) -> str | None:
    """The name of a durable subscription as in ActiveMQ, or None."""
    return next((headers[header] for header in _NAMES if header in supported and headers.get(header)), None)


def selector_of(headers: Mapping[str, str], policy: Policy) -> Selector | None:
    """The selector of a SUBSCRIBE, or None.

    Raises:
        RequestRefused: the selector is invalid or too long.
    """
    text = headers.get("selector")
    if text is None or not text.strip():
        return None
    if len(text) > policy.max_selector:
        raise RequestRefused(f"a selector may have {policy.max_selector} characters at most")
    try:
        return compile_selector(text)
    except SelectorError as err:
        raise RequestRefused("the selector cannot be read", str(err)) from err


def window_of(
    headers: Mapping[str, str], policy: Policy, supported: frozenset[str] = frozenset(_WINDOWS)
) -> int:
    """The maximum number of unacknowledged messages of a subscription.

    Raises:
        RequestRefused: the value of the header is not a number.
    """
    name = next((each for each in _WINDOWS if each in supported and each in headers), None)
    if name is None:
        return policy.window
    # 0 means "no limit" in RabbitMQ; here it selects the largest window.
    return min(number_of(name, headers[name]) or policy.max_window, policy.max_window)


def expiry_of(headers: Mapping[str, str], now: float) -> float | None:
    """The expiry time of a message in seconds since 1970; None if it does not expire.

    ``expiration`` is milliseconds from now (RabbitMQ). ``expires`` is milliseconds since 1970 (ActiveMQ), 0 for never.
    If both are given, the earlier time is used.

    Raises:
        RequestRefused: the value of one of these headers is not a number.
    """
    moments: list[float] = []
    if (text := headers.get("expiration")) is not None:
        moments.append(now + number_of("expiration", text) / 1000)
    if (text := headers.get("expires")) is not None and (moment := number_of("expires", text)):
        moments.append(moment / 1000)
    return min(moments, default=None)


def number_of(name: str, text: str) -> int:
    """The value of a header that is a number, at most 10**18.

    Raises:
        RequestRefused: it is no number.
    """
    if not (text.isascii() and text.isdigit()):
        raise RequestRefused(f"{name} must be a number")
    # The length is checked first: int() raises ValueError for more than 4300 digits.
    return int(text) if len(text) < 19 else 10**18
