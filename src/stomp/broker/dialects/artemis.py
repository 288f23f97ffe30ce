"""The dialect "artemis": what ActiveMQ Artemis 2.44 to 2.55 does, with the prefixes /queue/ and /topic/."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from stomp.broker.destinations import is_topic
from stomp.broker.dialects.dialect import Dialect
from stomp.broker.dialects.headers import ARTEMIS_SEND, ARTEMIS_SUBSCRIBE
from stomp.broker.request_headers import expiry_of
from stomp.broker.store import RequestRefused
from stomp.broker.wildcards import words_of
from stomp.core.frames.frame import Headers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stomp.broker.store import Policy, StoredMessage
    from stomp.core.frames.frame import Frame
    from stomp.core.frames.versions import Version


class Artemis(Dialect):
    """ActiveMQ Artemis."""

    name: ClassVar[str] = "artemis"
    server: ClassVar[str | None] = "ActiveMQ-Artemis/2.44.0 ActiveMQ Artemis Messaging Engine"
    min_heartbeat: ClassVar[int] = 500
    keeps_open: ClassVar[bool] = True
    subscribe_headers: ClassVar[frozenset[str]] = ARTEMIS_SUBSCRIBE
    send_headers: ClassVar[frozenset[str]] = ARTEMIS_SEND
    acks_in_transactions: ClassVar[bool] = False
    accepts_late_acks: ClassVar[bool] = False
    max_deliveries: ClassVar[int] = 10
    orders_by_priority: ClassVar[bool] = True
    composite: ClassVar[bool] = False
    many_words: ClassVar[str] = "#"
    advisories: ClassVar[Literal["", "named", "all"]] = ""
    queue_wildcards: ClassVar[bool] = False
    virtual_topics: ClassVar[bool] = False
    ack_is_message_id: ClassVar[bool] = True
    adds_length: ClassVar[bool] = False
    alters_old: ClassVar[bool] = True

    def stays_open(self, frame: Frame, refusal: RequestRefused, version: Version) -> bool:
        # Every ERROR ends the connection, but not with STOMP 1.0.
        return version.number == "1.0" and not refusal.fatal

    def error_for(self, frame: Frame, refusal: RequestRefused) -> RequestRefused:
        if frame.command != "COMMIT":
            return refusal
        name = frame.headers.get("transaction", "")
        return RequestRefused(f"Error committing {name!r:.80}", refusal.message)

    def receipt_id(self, frame: Frame) -> str | None:
        return None if frame.command == "SUBSCRIBE" else frame.headers.get("receipt")

    def connected_headers(self, version: Version, server: str, session: str) -> dict[str, str]:
        if version.number == "1.0":
            return {"session": session}
        return super().connected_headers(version, server, session)

    def decode_old(self, headers: Headers) -> Headers:
        return Headers((name, value.lstrip(" \t")) for name, value in headers.items())

    def unsupported_in(self, destination: str) -> str | None:
        # It gives such a subscription a copy of each message to the queues that match.
        if destination.startswith("/queue/") and words_of(destination, self.many_words) is not None:
            return "wildcards of queues"
        return None

    def add_headers(self, headers: dict[str, str], destination: str, now: float) -> None:
        headers.setdefault("expires", "0")
        headers.setdefault("priority", "4")
        headers.setdefault("persistent", "false")
        headers["timestamp"] = str(int(now * 1000))
        headers["destination-type"] = "MULTICAST" if is_topic(destination) else "ANYCAST"

    def add_origin(self, headers: dict[str, str], destination: str) -> None:
        address = destination.removeprefix("/queue/").removeprefix("/topic/")
        headers["_AMQ_ORIG_ADDRESS"] = headers["_AMQ_ORIG_QUEUE"] = address

    def after_refusal(
        self, message: StoredMessage, policy: Policy, *, requeue: bool
    ) -> Literal["redeliver", "dead-letter", "drop"]:
        return "drop"  # a NACK has the effect of an ACK

    def expiry(self, headers: Mapping[str, str], now: float) -> float | None:
        text = headers.get("expires")
        return None if text is None else expiry_of({"expires": text}, now)

    def has_length(self, version: Version, body: bytes, *, given: bool) -> bool:
        return given if version.number == "1.0" else bool(body)
