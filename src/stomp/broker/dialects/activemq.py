"""The dialect "activemq": what ActiveMQ Classic 5.17 to 6.3 does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from stomp.broker.dialects.dialect import Dialect
from stomp.broker.dialects.headers import ACTIVEMQ_SEND, ACTIVEMQ_SUBSCRIBE
from stomp.broker.request_headers import expiry_of, is_true
from stomp.broker.store import RequestRefused
from stomp.core.frames.frame import Headers
from stomp.core.frames.versions import STOMP11

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.broker.store import Policy, StoredMessage
    from stomp.core.frames.versions import Version

_DEAD_LETTERS = "/queue/ActiveMQ.DLQ"


class ActiveMQ(Dialect):
    """ActiveMQ Classic."""

    name: ClassVar[str] = "activemq"
    server: ClassVar[str | None] = "ActiveMQ/6.3.1"
    min_heartbeat: ClassVar[int] = 1
    keeps_open: ClassVar[bool] = True
    subscribe_headers: ClassVar[frozenset[str]] = ACTIVEMQ_SUBSCRIBE
    send_headers: ClassVar[frozenset[str]] = ACTIVEMQ_SEND
    named_queues: ClassVar[bool] = False
    many_words: ClassVar[str] = ">"
    advisories: ClassVar[Literal["", "named", "all"]] = "all"
    nacks_in_transactions: ClassVar[bool] = False
    detects_duplicates: ClassVar[bool] = False
    adds_length: ClassVar[bool] = False
    alters_old: ClassVar[bool] = True

    def adapt(self, policy: Policy) -> Policy:
        if policy.dead_letter_queue != type(policy).dead_letter_queue:
            return policy
        return replace(policy, dead_letter_queue=_DEAD_LETTERS)

    def login_refused(self, login: str | None) -> RequestRefused:
        return RequestRefused(f"User name [{login or '':.200}] or password is invalid.")

    def without_options(self, destination: str) -> str:
        # "/queue/a?consumer.exclusive=true" is "/queue/a", and no option changes what STOMP headers say.
        return destination.partition("?")[0]

    def decode_old(self, headers: Headers) -> Headers:
        # It reads the escape sequences of 1.1 in frames of 1.0 and writes none: a line feed ends the value.
        return Headers(
            (name, STOMP11.unescape(value.strip(" \t"), keep_undefined=True).partition("\n")[0])
            for name, value in headers.items()
        )

    def add_headers(self, headers: dict[str, str], destination: str, now: float) -> None:
        headers.setdefault("expires", "0")
        headers.setdefault("priority", "4")
        headers["timestamp"] = str(int(now * 1000))

    def after_refusal(
        self, message: StoredMessage, policy: Policy, *, requeue: bool
    ) -> Literal["redeliver", "dead-letter", "drop"]:
        return "dead-letter" if is_true(message.headers, "persistent") else "drop"

    def keeps_expired(self, message: StoredMessage) -> bool:
        return is_true(message.headers, "persistent")

    def expiry(self, headers: Mapping[str, str], now: float) -> float | None:
        text = headers.get("expires")
        return None if text is None else expiry_of({"expires": text}, now)

    def has_length(self, version: Version, body: bytes, *, given: bool) -> bool:
        return given
