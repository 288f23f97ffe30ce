"""Functions that build the frames of STOMP (STOMP 1.2, "Client Frames", "Server Frames").

Rules of this file: every function returns a new `Frame` and does not change its arguments. `headers` are additional
headers; the other parameters take precedence over them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stomp.core.errors import UsageError
from stomp.core.frames.frame import Frame, headers_of, text_of
from stomp.core.frames.versions import VERSIONS, Version

#: Additional headers: a dictionary from name to a value that `text_of` can convert. None as the value drops a header.
Extra = dict[str, Any] | None

#: The commands that a client may send.
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


def required(version: Version, command: str) -> tuple[str, ...]:
    """Return the required headers of a client frame other than CONNECT and STOMP.

    >>> from stomp.core.frames.versions import STOMP10, STOMP12
    >>> required(STOMP12, "SUBSCRIBE"), required(STOMP10, "SUBSCRIBE")
    (('destination', 'id'), ('destination',))
    """
    if command == "SEND":
        return ("destination",)
    if command == "SUBSCRIBE":
        return ("destination", "id") if version.subscription_id else ("destination",)
    if command == "UNSUBSCRIBE":
        return ("id",) if version.subscription_id else ()
    if command in ("ACK", "NACK"):
        return ("subscription", "message-id") if version.number == "1.1" else (version.ack_header,)
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
    """Build CONNECT or STOMP. `heartbeat` is in milliseconds: (we can send, we want to receive).

    Raises:
        UsageError: `versions` is empty, or has an unknown version.
    """
    offered = sorted(map(text_of, versions))
    for version in offered or [""]:
        if version not in VERSIONS:
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
    """Build SEND. With `content_length=False` the header is omitted: ActiveMQ and Artemis then make a text message."""
    # No entries with None, for speed: most messages have two headers.
    named = {"destination": destination}
    if content_type is not None:
        named["content-type"] = content_type
    if transaction is not None:
        named["transaction"] = transaction
    if receipt is not None:
        named["receipt"] = receipt
    if content_length:
        named["content-length"] = str(len(body))
    return Frame("SEND", headers_of(headers, named) if headers else headers_of(named), body)


def subscribe(
    version: Version,
    destination: str,
    id: str | None = None,
    *,
    ack: str = "auto",
    receipt: str | None = None,
    headers: Extra = None,
) -> Frame:
    """Build SUBSCRIBE. The id is optional in STOMP 1.0."""
    if ack not in ("auto", "client", "client-individual"):
        raise UsageError(f"ack is {ack!r}", hint="use auto, client or client-individual")
    if id is None and version.subscription_id:
        raise UsageError(f"SUBSCRIBE needs an id in STOMP {version.number}")
    named = {"destination": destination, "id": id, "ack": ack, "receipt": receipt}
    return Frame("SUBSCRIBE", headers_of(headers, named))


def unsubscribe(
    version: Version,
    id: str | None = None,
    *,
    destination: str | None = None,
    receipt: str | None = None,
    headers: Extra = None,
) -> Frame:
    """Build UNSUBSCRIBE by id, in STOMP 1.0 alternatively by destination."""
    if id is None and (version.subscription_id or destination is None):
        raise UsageError(f"UNSUBSCRIBE needs an id in STOMP {version.number}")
    named = {"id": id, "destination": destination, "receipt": receipt}
    return Frame("UNSUBSCRIBE", headers_of(headers, named))


def ack(
    version: Version,
    message: str,
    subscription: str | None = None,
    *,
    negative: bool = False,
    transaction: str | None = None,
    receipt: str | None = None,
    headers: Extra = None,
) -> Frame:
    """Build ACK, or NACK if `negative`.

    Args:
        version: the agreed version.
        message: the ``ack`` header of the MESSAGE in 1.2, its ``message-id`` in 1.0 and 1.1.
        subscription: the id of the subscription; required in 1.1, ignored in other versions.
        negative: reject the message.
        transaction: the transaction of which the frame is a part.
        receipt: request a receipt with this id.
        headers: additional headers.

    Raises:
        UsageError: the version has no NACK, or needs the subscription.
    """
    if negative and not version.nack:
        raise UsageError(f"STOMP {version.number} has no NACK")
    if subscription is None and version.number == "1.1":
        raise UsageError("ACK and NACK need the subscription in STOMP 1.1")
    named = {
        version.ack_header: message,
        "subscription": subscription if version.number == "1.1" else None,
        "transaction": transaction,
        "receipt": receipt,
    }
    return Frame("NACK" if negative else "ACK", headers_of(headers, named))


def transaction(command: str, id: str, *, receipt: str | None = None, headers: Extra = None) -> Frame:
    """Build BEGIN, COMMIT or ABORT."""
    return Frame(command, headers_of(headers, {"transaction": id, "receipt": receipt}))


def disconnect(receipt: str | None = None, *, headers: Extra = None) -> Frame:
    """Build DISCONNECT. A RECEIPT for it confirms that the broker has processed all earlier frames."""
    return Frame("DISCONNECT", headers_of(headers, {"receipt": receipt}))


def connected(version: Version, heartbeat: tuple[int, int], *, headers: Extra = None) -> Frame:
    """Build CONNECTED. `heartbeat` is in milliseconds: (the server can send, it wants to receive)."""
    if version.number == "1.0":
        return Frame("CONNECTED", headers_of(headers))
    named = {"version": version.number, "heart-beat": ",".join(map(text_of, heartbeat))}
    return Frame("CONNECTED", headers_of(headers, named))


def receipt(id: str) -> Frame:
    """Build RECEIPT."""
    return Frame("RECEIPT", headers_of({"receipt-id": id}))


def error(message: str, *, detail: str = "", receipt_id: str | None = None, headers: Extra = None) -> Frame:
    """Build ERROR: `message` is the header, `detail` the body as plain text."""
    body = detail.encode()
    # STOMP 1.0 cannot escape, so line ends and NULs are replaced by spaces.
    summary = " ".join(message.replace("\0", " ").split())
    named = {
        "message": summary,
        "receipt-id": receipt_id,
        "content-type": "text/plain" if body else None,
        "content-length": len(body) if body else None,
    }
    return Frame("ERROR", headers_of(headers, named), body)
