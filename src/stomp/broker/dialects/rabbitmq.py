"""The dialect "rabbitmq": what the STOMP plugin of RabbitMQ 3.10 to 4.0 does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from stomp.broker.dialects.dialect import Dialect
from stomp.broker.dialects.headers import RABBITMQ_SEND, RABBITMQ_SUBSCRIBE
from stomp.broker.request_headers import expiry_of
from stomp.broker.store import RequestRefused
from stomp.core.frames.frame import Headers
from stomp.core.frames.versions import STOMP11

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.broker.store import Policy, StoredMessage
    from stomp.core.frames.frame import Frame
    from stomp.core.frames.versions import Version

_VHOST = "/"
_TYPES = "/temp-queue, /exchange, /topic, /queue, /amq/queue, /reply-queue/"
_EXCHANGES = frozenset(["amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.topic"])
#: Kinds of destinations whose name has no slash.
_FLAT = ("/queue/", "/topic/", "/amq/queue/", "/temp-queue/")


class RabbitMQ(Dialect):
    """RabbitMQ."""

    name: ClassVar[str] = "rabbitmq"
    server: ClassVar[str | None] = "RabbitMQ/4.0.5"
    min_heartbeat: ClassVar[int] = 1000
    keeps_open: ClassVar[bool] = True
    names_receipt: ClassVar[bool] = False
    subscribe_headers: ClassVar[frozenset[str]] = RABBITMQ_SUBSCRIBE
    send_headers: ClassVar[frozenset[str]] = RABBITMQ_SEND
    unlimited_prefetch: ClassVar[bool] = True
    receipts_at_commit: ClassVar[bool] = True
    holds_after_unsubscribe: ClassVar[bool] = True
    detects_duplicates: ClassVar[bool] = False
    checks_arguments: ClassVar[bool] = True
    checks_existence: ClassVar[bool] = True
    named_queues: ClassVar[bool] = False
    many_words: ClassVar[str] = "#"
    advisories: ClassVar[Literal["", "named", "all"]] = ""
    has_groups: ClassVar[bool] = False
    composite: ClassVar[bool] = False
    queue_wildcards: ClassVar[bool] = False
    virtual_topics: ClassVar[bool] = False
    ack_is_message_id: ClassVar[bool] = True
    adds_length: ClassVar[bool] = False
    ignores_selectors: ClassVar[bool] = True
    alters_old: ClassVar[bool] = True

    def adapt(self, policy: Policy) -> Policy:
        return replace(policy, window=policy.max_window) if policy.window == type(policy).window else policy

    def check_connect(self, headers: Mapping[str, str]) -> None:
        host = headers.get("host", _VHOST)
        if host != _VHOST:
            raise RequestRefused("Bad CONNECT", f"Virtual host '{host:.200}' access denied")

    def stays_open(self, frame: Frame, refusal: RequestRefused, version: Version) -> bool:
        if frame.command in ("CONNECT", "STOMP"):
            return False
        # A duplicate id ends the connection, and so do the errors of the broker behind the plugin.
        duplicate = frame.command == "SUBSCRIBE" and "already" in refusal.message
        return not refusal.fatal and not duplicate

    def decode_old(self, headers: Headers) -> Headers:
        # It reads the escape sequences of 1.1 in frames of 1.0, and removes blanks before a value.
        return Headers((name, STOMP11.unescape(value.lstrip(" "))) for name, value in headers.items())

    def encode_old(self, headers: Headers) -> Headers:
        return Headers((name, STOMP11.escape(value)) for name, value in headers.items())

    def check_destination(self, destination: str) -> None:
        for prefix in _FLAT:
            if destination.startswith(prefix):
                name = destination.removeprefix(prefix)
                if not name or "/" in name:
                    kind = prefix.strip("/").replace("amq/", "")
                    raise RequestRefused(
                        "Invalid destination", f"'/{name:.200}' is not a valid {kind} destination\n"
                    )
                return
        if destination.startswith("/exchange/"):
            exchange = destination.removeprefix("/exchange/").partition("/")[0]
            if exchange not in _EXCHANGES:
                raise RequestRefused(
                    "not_found", f"NOT_FOUND - no exchange '{exchange:.200}' in vhost '/'", fatal=True
                )
        elif not destination.startswith("/reply-queue/"):
            raise RequestRefused(
                "Unknown destination",
                f"'{destination:.200}' is not a valid destination.\nValid destination types are: {_TYPES}.\n",
            )

    def after_refusal(
        self, message: StoredMessage, policy: Policy, *, requeue: bool
    ) -> Literal["redeliver", "dead-letter", "drop"]:
        return "redeliver" if requeue else "drop"

    def expiry(self, headers: Mapping[str, str], now: float) -> float | None:
        text = headers.get("expiration")
        return None if text is None else expiry_of({"expiration": text}, now)

    def message_id(self, default: str, subscription: str | None, client: int, number: int) -> str:
        return f"T_{subscription or ''}@@session-{default.partition('-')[0]}-{client}@@{number}"

    def has_length(self, version: Version, body: bytes, *, given: bool) -> bool:
        return bool(body)
