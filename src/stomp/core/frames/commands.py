"""The frames of the protocol, built for a version (STOMP 1.2, "Client Frames", "Server Frames").

Every function returns a new `Frame` and changes nothing it was given. Further headers come in `headers`;
the named parameters win over them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stomp.core.errors import UsageError
from stomp.core.frames.frame import Frame, Headers, headers_of, text_of
from stomp.core.frames.versions import DIALECTS, Dialect

#: Additional headers: any mapping from name to something with a plain text form; None drops the header.
Extra = dict[str, Any] | None

#: The frames a client may send.
CLIENT_COMMANDS = frozenset(
    [
        "CONNECT",
        "STOMP",
        "SEND",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "ACK",
        "NACK",
        "BEGIN",
        "COMMIT",
        "ABORT",
        "DISCONNECT",
    ]
)


def required(dialect: Dialect, command: str) -> tuple[str, ...]:
    """The headers that a frame of a client must have, beyond those of CONNECT.

    >>> from stomp.core.frames.versions import STOMP10, STOMP12
    >>> required(STOMP12, "SUBSCRIBE"), required(STOMP10, "SUBSCRIBE")
    (('destination', 'id'), ('destination',))
    """
    if command == "SEND":
        return ("destination",)
    if command == "SUBSCRIBE":
        return ("destination", "id") if dialect.subscription_id else ("destination",)
    if command == "UNSUBSCRIBE":
        return ("id",) if dialect.subscription_id else ()
    if command in ("ACK", "NACK"):
        return ("subscription", "message-id") if dialect.version == "1.1" else (dialect.ack_header,)
    if command in ("BEGIN", "COMMIT", "ABORT"):
        return ("transaction",)
    return ()


def connect(
    versions: Iterable[str],
    host: str | None = None,
    *,
    login: str | None = None,
    passcode: str | None = None,
    heartbeat: tuple[int, int] = (0, 0),
    headers: Extra = None,
    command: str = "CONNECT",
) -> Frame:
    """CONNECT, or STOMP. `heartbeat` is in milliseconds: (what we can send, what we want to get).

    Raises:
        UsageError: STOMP has no such version.
    """
    offered = sorted(map(text_of, versions))
    for version in offered or [""]:
        if version not in DIALECTS:
            raise UsageError(f"STOMP has no version {version!r}", hint="offer 1.0, 1.1 or 1.2")
    only_10 = offered == ["1.0"]
    named = {
        "accept-version": None if only_10 else ",".join(offered),
        "host": host,
        "login": login,
        "passcode": passcode,
        "heart-beat": None if only_10 or heartbeat == (0, 0) else ",".join(map(text_of, heartbeat)),
    }
    return Frame(command, headers_of(headers, named))


def send(
    destination: str,
    body: bytes,
    *,
    content_type: str | None = None,
    content_length: bool = True,
    transaction: str | None = None,
    receipt: str | None = None,
    headers: Extra = None,
) -> Frame:
    """SEND. `content_length=False` leaves the header out: ActiveMQ and Artemis then make a text message."""
    if not headers and content_length and content_type is transaction is None:
        # By far the most frequent, and a third of the work.
        plain = Headers()
        plain["destination"] = text_of(destination)
        if receipt is not None:
            plain["receipt"] = text_of(receipt)
        plain["content-length"] = str(len(body))
        return Frame("SEND", plain, body)
    named = {
        "destination": destination,
        "content-type": content_type,
        "transaction": transaction,
        "receipt": receipt,
        "content-length": len(body) if content_length else None,
    }
    return Frame("SEND", headers_of(headers, named), body)


def subscribe(
    dialect: Dialect,
    destination: str,
    id: str | None = None,
    *,
    ack: str = "auto",
    receipt: str | None = None,
    headers: Extra = None,
) -> Frame:
    """SUBSCRIBE. STOMP 1.0 may leave the id out."""
    if ack not in ("auto", "client", "client-individual"):
        raise UsageError(f"ack is {ack!r}", hint="use auto, client or client-individual")
    if id is None and dialect.subscription_id:
        raise UsageError(f"SUBSCRIBE needs an id in STOMP {dialect.version}")
    named = {"destination": destination, "id": id, "ack": ack, "receipt": receipt}
    return Frame("SUBSCRIBE", headers_of(headers, named))


def unsubscribe(
    dialect: Dialect,
    id: str | None = None,
    *,
    destination: str | None = None,
    receipt: str | None = None,
    headers: Extra = None,
) -> Frame:
    """UNSUBSCRIBE, by id; in STOMP 1.0 by destination, too."""
    if id is None and (dialect.subscription_id or destination is None):
        raise UsageError(f"UNSUBSCRIBE needs an id in STOMP {dialect.version}")
    named = {"id": id, "destination": destination, "receipt": receipt}
    return Frame("UNSUBSCRIBE", headers_of(headers, named))


def ack(
    dialect: Dialect,
    message: str,
    subscription: str | None = None,
    *,
    negative: bool = False,
    transaction: str | None = None,
    receipt: str | None = None,
    headers: Extra = None,
) -> Frame:
    """ACK, or NACK if `negative`.

    Args:
        dialect: the agreed version.
        message: the ``ack`` header of the MESSAGE in 1.2, its ``message-id`` before.
        subscription: the id of the subscription; needed in 1.1.
        negative: refuse the message.
        transaction: make it part of this transaction.
        receipt: ask for a receipt under this id.
        headers: further headers.
    """
    if negative and not dialect.nack:
        raise UsageError(f"STOMP {dialect.version} has no NACK")
    if subscription is None and dialect.version == "1.1":
        raise UsageError("ACK and NACK need the subscription in STOMP 1.1")
    named = {
        dialect.ack_header: message,
        "subscription": subscription if dialect.version == "1.1" else None,
        "transaction": transaction,
        "receipt": receipt,
    }
    return Frame("NACK" if negative else "ACK", headers_of(headers, named))


def transaction(command: str, id: str, *, receipt: str | None = None, headers: Extra = None) -> Frame:
    """BEGIN, COMMIT or ABORT."""
    return Frame(command, headers_of(headers, {"transaction": id, "receipt": receipt}))


def disconnect(receipt: str | None = None, *, headers: Extra = None) -> Frame:
    """DISCONNECT; with a receipt its answer tells that the broker has read all that came before."""
    return Frame("DISCONNECT", headers_of(headers, {"receipt": receipt}))


def connected(dialect: Dialect, heartbeat: tuple[int, int], *, headers: Extra = None) -> Frame:
    """CONNECTED. `heartbeat` is in milliseconds: (what the server can send, what it wants to get)."""
    if dialect.version == "1.0":
        return Frame("CONNECTED", headers_of(headers))
    named = {"version": dialect.version, "heart-beat": ",".join(map(text_of, heartbeat))}
    return Frame("CONNECTED", headers_of(headers, named))


def receipt(id: str) -> Frame:
    """RECEIPT."""
    return Frame("RECEIPT", headers_of({"receipt-id": id}))


def error(message: str, *, detail: str = "", receipt_id: str | None = None, headers: Extra = None) -> Frame:
    """ERROR: a short `message`, and if there is more to say, `detail` as a plain text body."""
    body = detail.encode()
    # In 1.0 no character can be escaped, so the message is made harmless here.
    summary = " ".join(message.replace("\0", " ").split())
    named = {
        "message": summary,
        "receipt-id": receipt_id,
        "content-type": "text/plain" if body else None,
        "content-length": len(body) if body else None,
    }
    return Frame("ERROR", headers_of(headers, named), body)
