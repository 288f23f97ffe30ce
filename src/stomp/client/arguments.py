"""The arguments of both clients and of their methods, with a check for each.

Rule of this file: `stomp.Client` and `stomp.AsyncClient` take the same arguments.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, cast

from stomp.client.connect import TlsSettings
from stomp.client.options import Options
from stomp.core import arguments
from stomp.core.engine.broker_profiles import PROFILES
from stomp.core.engine.config import OnUnknown
from stomp.core.engine.failover import Backoff
from stomp.core.errors import UsageError
from stomp.core.frames.limits import Leniency, Limits
from stomp.core.spellings import common, nearest

if TYPE_CHECKING:
    from datetime import timedelta

_F = TypeVar("_F", bound=Callable[..., None])
#: The body of a message to send: bytes, or str, which is encoded as UTF-8.
Body = bytes | bytearray | memoryview | str
Ack = Literal["auto", "client", "client-individual"]


class SendOptions(TypedDict, total=False):
    """Options of a message to send. An option that the broker does not support raises `Unsupported`.

    Attributes:
        headers: further headers; they override the headers that the other options set.
        json: the body as an object that `json.dumps` writes, in place of `body`. The media type is application/json,
            unless `content_type` gives another one. None is no JSON here; send the body ``"null"`` for it.
        content_type: the media type of the body.
        text: send a text message for JMS consumers, on brokers that distinguish text from bytes by
            ``content-length`` (ActiveMQ and Artemis).
        compress: "gzip" or "deflate": compress the body and set ``content-encoding``.
        persistent: keep the message over a restart of the broker. ActiveMQ and Artemis lose messages without it.
        priority: 0 to 9. Queues of RabbitMQ may have more: set the header ``priority`` then.
        ttl: seconds until the message expires, or a `datetime.timedelta`.
        delay: seconds until the message is delivered, or a `datetime.timedelta`.
        queue_type: the type of the destination queue ("quorum" ...), on RabbitMQ.
        correlation_id: the ``correlation-id`` header.
        reply_to: the ``reply-to`` header.
    """

    headers: Mapping[str, Any] | None
    json: Any
    content_type: str | None
    text: bool
    compress: str | None
    persistent: bool | None
    priority: int | None
    ttl: float | timedelta | None
    delay: float | timedelta | None
    queue_type: str | None
    correlation_id: str | None
    reply_to: str | None


class SubscribeOptions(TypedDict, total=False):
    """Options of a subscription. An option that the broker does not support raises `Unsupported`.

    Attributes:
        prefetch: how many messages may be unacknowledged at once; default: the broker's.
        selector: receive only messages whose headers match this expression (SQL-92, on brokers with selectors).
        durable: a name for a durable subscription: the broker keeps messages of a topic while the client is offline.
        exclusive: be the only consumer that gets messages.
        queue_type: the type of the queue ("quorum" ...), on RabbitMQ.
        headers: further headers.
        id: the id of the subscription; default: a generated one.
        confirm: wait for the broker's RECEIPT (the default), so that a refusal raises an exception.
        max_silence: seconds without a message after which the client reconnects.
    """

    prefetch: int | None
    selector: str | None
    durable: str | None
    exclusive: bool
    queue_type: str | None
    headers: Mapping[str, Any] | None
    id: str | None
    confirm: bool
    max_silence: float | None


Checks = dict[str, Callable[[str, Any], Any]]

#: The range of JMS, which all brokers support. Queues of RabbitMQ may have more priorities.
_PRIORITY = 'pass a whole number, 0 to 9; for a queue of RabbitMQ with more, headers={"priority": ...}'
_PREFETCH = "pass a whole number, at least 1; leave it out for the broker's own number"


def _json(name: str, value: object) -> str:
    import json

    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError) as err:
        raise UsageError(
            f"json cannot be written as JSON: {err}", hint="pass what json.dumps accepts"
        ) from err


#: See `SendOptions`.
SEND: Checks = {
    "json": _json,
    "headers": arguments.headers,
    "content_type": arguments.text,
    "text": arguments.flag,
    "compress": partial(arguments.one_of, choices=("gzip", "deflate")),
    "persistent": arguments.flag,
    "priority": partial(arguments.count, least=0, most=9, hint=_PRIORITY),
    "ttl": arguments.lifetime,
    "delay": arguments.lifetime,
    "queue_type": arguments.text,
    "correlation_id": arguments.header_value,
    "reply_to": arguments.header_value,
}
#: See `SubscribeOptions`.
SUBSCRIBE: Checks = {
    "prefetch": partial(arguments.count, hint=_PREFETCH),
    "selector": arguments.text,
    "durable": partial(arguments.text, hint="pass a name for the durable subscription", empty=False),
    "exclusive": arguments.flag,
    "queue_type": arguments.text,
    "headers": arguments.headers,
    "id": arguments.header_value,
    "confirm": arguments.flag,
    "max_silence": partial(arguments.seconds, above_zero=True),
}
ACK = ("auto", "client", "client-individual")


def _tls(name: str, value: object) -> object:
    # Checked by its method, so that the ssl module is not imported for programs without TLS.
    if isinstance(value, TlsSettings):
        arguments.flag("TlsSettings.verify", value.verify)
        return value
    if hasattr(value, "wrap_bio"):
        return value
    raise arguments.wrong(
        name,
        value,
        "pass stomp.TlsSettings(...) or an ssl.SSLContext; for TLS itself write stomp+ssl:// in the URL",
        secret=True,
    )


def _lenient(name: str, value: Any) -> Leniency:
    return Leniency.of(value)


def _hooks(name: str, value: Any) -> tuple[Any, ...]:
    return arguments.items(name, value, "pass a list, as in hooks=[MyHooks()]")


def _on_unknown(name: str, value: object) -> OnUnknown:
    if isinstance(value, OnUnknown):
        return value
    return OnUnknown(arguments.one_of(name, value, [each.value for each in OnUnknown]))


_seconds_above_zero = partial(arguments.seconds, above_zero=True)
_rounds = partial(arguments.number, hint="pass a number of rounds; -1 is no limit")

#: See `stomp.client.base.BaseClient`.
SETTINGS: Checks = {
    "login": arguments.secret,
    "passcode": arguments.secret,
    "vhost": arguments.text,
    "client_id": arguments.header_value,
    "headers": arguments.connect_headers,
    "heartbeat": arguments.heartbeat,
    "versions": arguments.versions,
    "tls": _tls,
    "proxy": partial(arguments.instance, kind=str, hint="pass a URL, as in http://proxy:3128"),
    "reconnect": arguments.flag,
    "attempts": _rounds,
    "reattempts": _rounds,
    "max_losses": partial(
        arguments.count, least=-1, hint="pass a whole number of connections; -1 is no limit"
    ),
    "backoff": partial(arguments.instance, kind=Backoff, hint="pass stomp.Backoff(...)"),
    "shuffle": arguments.flag,
    "on_unknown": _on_unknown,
    "window": arguments.count,
    "window_bytes": arguments.count,
    "timeout": _seconds_above_zero,
    "connect_timeout": _seconds_above_zero,
    "broker": partial(arguments.text, hint=f"use one of {', '.join(PROFILES)}"),
    "max_decompressed_size": arguments.count,
    "high_water": arguments.count,
    "limits": partial(arguments.instance, kind=Limits, hint="pass stomp.Limits(...)"),
    "lenient": _lenient,
    "hooks": _hooks,
    "options": partial(arguments.instance, kind=Options, hint="pass stomp.Options(...)"),
}


def with_hints(init: _F) -> _F:
    """Make a client's `__init__` accept other spellings, and explain unknown and positional arguments."""

    @functools.wraps(init)
    def checked(self: object, *by_place: object, **by_name: object) -> None:
        if len(by_place) > 1:
            raise UsageError(
                f"{type(self).__name__} takes one argument without a name, which is the URL",
                hint='as in "stomp://localhost:61613"; give the others by name',
            )
        by_name = common(by_name)
        for name in by_name:
            if name not in SETTINGS and name != "url":
                near = nearest(name, SETTINGS)
                hint = f" (did you mean {near!r}?)" if near else ""
                raise TypeError(f"unexpected argument {name!r} of {type(self).__name__}{hint}")
        init(self, *by_place, **by_name)

    return cast("_F", checked)


def url_of(value: object) -> str | None:
    """Check the URL of a client. Errors do not show it, as it may contain a password."""
    if value is None or isinstance(value, str):
        return value
    raise arguments.wrong("the URL", value, 'pass text, as in "stomp://localhost:61613"', secret=True)


def pairs_of(messages: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Check and return the (destination, body) pairs of `send_many`.

    Raises:
        UsageError: an item is not a pair.
    """
    hint = 'pass (destination, body) pairs, as in [("/queue/a", b"x")]'
    if isinstance(messages, str | bytes) or not isinstance(messages, Iterable):
        raise arguments.wrong("messages", messages, hint, secret=True)
    for number, pair in enumerate(messages, 1):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise UsageError(f"message {number} is not a pair", hint=hint)
        yield pair[0], pair[1]
