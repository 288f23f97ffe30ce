"""What the headers of SUBSCRIBE and SEND ask for, beyond the protocol: in the words of RabbitMQ and of ActiveMQ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stomp.broker.selector import SelectorError, compile_selector
from stomp.broker.store import Policy, RequestRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.broker.selector import Selector
    from stomp.core.frames.frame import Headers

#: Headers of a SEND that are not passed on: they are between the sender and the broker, or the broker sets them.
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
#: How Classic and Artemis call the name of a durable subscription.
_NAMES = ("activemq.subscriptionName", "durable-subscription-name", "durable-subscriber-name")


@dataclass(frozen=True, slots=True)
class DurableKey:
    """Which durable subscription is meant.

    Attributes:
        key: tells it from all others.
        shared: several connections may have it at a time, and get its messages in turn.
    """

    key: tuple[str, ...]
    shared: bool


def passed_on(headers: Headers) -> dict[str, str]:
    """The headers of a SEND that its MESSAGE has, too."""
    return {name: value for name, value in headers.items() if name not in _NOT_PASSED_ON}


def durable_of(headers: Mapping[str, str], destination: str, client_id: str | None) -> DurableKey | None:
    """The durable subscription that a SUBSCRIBE to a topic asks for, or None.

    In RabbitMQ's way that is ``durable:true`` with ``auto-delete:false`` or without, and it is known by its
    destination and id. In ActiveMQ's way it has a name, and belongs to the ``client-id`` of CONNECT.

    Raises:
        Refusal: it has a name, and CONNECT had no ``client-id``.
    """
    name = name_of(headers)
    if name is not None:
        if not client_id:
            raise RequestRefused(
                "a durable subscription needs a client-id", "give the header client-id to CONNECT"
            )
        return DurableKey(("name", client_id, name), shared=False)
    if headers.get("durable") == "true" and headers.get("auto-delete", "false") != "true":
        return DurableKey(("id", destination, headers.get("id", "")), shared=True)
    return None


def name_of(headers: Mapping[str, str]) -> str | None:
    """The name of a durable subscription in ActiveMQ's way, or None."""
    return next((headers[header] for header in _NAMES if headers.get(header)), None)


def selector_of(headers: Mapping[str, str]) -> Selector | None:
    """The selector of a SUBSCRIBE, or None.

    Raises:
        Refusal: it cannot be read.
    """
    text = headers.get("selector")
    if text is None or not text.strip():
        return None
    try:
        return compile_selector(text)
    except SelectorError as err:
        raise RequestRefused("the selector cannot be read", str(err)) from err


def window_of(headers: Mapping[str, str], policy: Policy) -> int:
    """How many messages a subscription may have un-acknowledged.

    Raises:
        Refusal: it is no number.
    """
    text = headers.get("prefetch-count", headers.get("activemq.prefetchSize"))
    if text is None:
        return policy.window
    # 0 is "no limit" on RabbitMQ; here it is the largest window there is.
    return min(_number("prefetch-count", text) or policy.max_window, policy.max_window)


def expiry_of(headers: Mapping[str, str], now: float) -> float | None:
    """When a message expires, in seconds since 1970; None for never.

    ``expiration`` is milliseconds from now (RabbitMQ), ``expires`` is milliseconds since 1970 (ActiveMQ), with 0 for
    never. The earlier one counts.

    Raises:
        Refusal: one of them is no number.
    """
    moments: list[float] = []
    if (text := headers.get("expiration")) is not None:
        moments.append(now + _number("expiration", text) / 1000)
    if (text := headers.get("expires")) is not None and (moment := _number("expires", text)):
        moments.append(moment / 1000)
    return min(moments, default=None)


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise RequestRefused(f"{name} must be a number")
    # The length first: int() refuses thousands of digits with an error of its own.
    return int(text) if len(text) < 19 else 10**18
