"""Detection of protocols other than STOMP, by the first bytes of a peer or by its port.

Rules of this file: it does no I/O. Only `EXAMINED_BYTES` bytes are examined, and no text contains any of them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

#: The number of bytes that are examined. They are enough to recognise each protocol.
EXAMINED_BYTES = 64

_ON_61613 = "STOMP is usually on port 61613"
_TLS = "TLS"
_HTTP = "HTTP"
_STOMP = "STOMP"
_MAIL = "SMTP or FTP"
#: Hints for a port with TLS that was used without it, and for the opposite.
USE_TLS = "use stomp+ssl://, set_ssl() or --ssl"
USE_STOMP = "use stomp://, without set_ssl() and --ssl"

#: Pattern of the first bytes -> protocol. They are compiled on first use, because they are rarely needed.
_FIRST_BYTES = (
    # RFC 8446, section 5.1: an alert, of any version.
    (rb"\x15\x03[\0-\x04]", _TLS),
    (rb"HTTP/", _HTTP),
    # STOMP 1.2, "Augmented BNF": a server answers the first frame with one of these.
    (rb"(?:ERROR|CONNECTED)\r?\n", _STOMP),
    # WIREFORMATINFO with or without its length: a lenient decoder skips NULs before a frame.
    (rb".{0,4}\x01ActiveMQ", "ActiveMQ's OpenWire"),
    (rb"AMQP\0\0\x09\x01", "AMQP 0-9-1"),
    (rb"AMQP[\0\x02\x03]\x01\0\0", "AMQP 1.0"),
    (rb"AMQP", "AMQP"),
    # CONNACK, or the DISCONNECT of MQTT 5.
    (rb"\x20[\x02-\x7f][\0\x01]|\xe0[\0-\x7f]", "MQTT"),
    (rb"-(?:ERR|NOAUTH|DENIED|LOADING|MISCONF)\b", "Redis"),
    (rb"SSH-", "SSH"),
    (rb"INFO \{", "NATS"),
    (rb"\+OK", "POP3"),
    (rb"\* OK", "IMAP"),
    (rb".\0\0[\0\x01][\x0a\xff]", "MySQL"),
    (rb"E\0\0", "PostgreSQL"),
    (rb"101 imqbroker", "OpenMQ's port mapper"),
    (rb"(?:220|421|500|501|502|530|554)[ -]", _MAIL),
)

#: The usual protocols of ports other than those of STOMP.
_PORTS = {
    **dict.fromkeys((80, 8080), "HTTP"),
    **dict.fromkeys((443, 8443), "HTTP with TLS"),
    **dict.fromkeys((15671, 15672), "RabbitMQ's management, which is HTTP"),
    21: "FTP",
    22: "SSH",
    25: "SMTP",
    1883: "MQTT",
    3306: "MySQL",
    4222: "NATS",
    4369: "Erlang's port mapper",
    5432: "PostgreSQL",
    5671: "AMQP with TLS",
    5672: "AMQP",
    6379: "Redis",
    8161: "ActiveMQ's web console, which is HTTP",
    8883: "MQTT with TLS",
    9092: "Kafka",
    15675: "RabbitMQ's MQTT over WebSocket",
    25672: "for RabbitMQ's nodes among each other",
    61616: "ActiveMQ's OpenWire",
    61617: "ActiveMQ's OpenWire with TLS",
}


class Finding(NamedTuple):
    """The protocol of a peer and the hint for it, as texts."""

    words: str
    hint: str


def identify(
    first: bytes | bytearray, *, tls: bool = False, websocket: bool = False, handshake: bool = False
) -> Finding | None:
    """Identify the protocol of a peer that does not speak STOMP as expected.

    Args:
        first: the first bytes from it; `EXAMINED_BYTES` bytes are enough.
        tls: we use TLS, or try to.
        websocket: we try to open a WebSocket.
        handshake: the bytes are the raw answer to our TLS handshake, not decrypted data.

    Returns:
        None if the bytes match no known protocol, or the one that was expected.

    >>> identify(b"AMQP\\0\\0\\x09\\x01").words
    'this is AMQP 0-9-1, not STOMP'
    """
    name = _name(first)
    if name == _TLS:
        return None if tls else Finding("the port expects TLS", "use wss://" if websocket else USE_TLS)
    if name == _STOMP:
        if handshake:
            return Finding("the port speaks STOMP without TLS", USE_STOMP)
        # Without a WebSocket STOMP is the expected protocol.
        return (
            Finding("the port speaks STOMP without WebSocket", "use stomp+ssl://" if tls else "use stomp://")
            if websocket
            else None
        )
    if name == _HTTP:
        return _http(tls=tls, websocket=websocket, handshake=handshake)
    if name == _MAIL:
        name = next((kind for kind in ("SMTP", "FTP") if kind.encode() in first[:EXAMINED_BYTES]), _MAIL)
    if not name:
        return None
    hint = _ON_61613
    if name.startswith("AMQP"):
        hint = f"{_ON_61613}; in RabbitMQ its plugin rabbitmq_stomp must be enabled"
    elif not name.startswith("ActiveMQ"):
        hint = f"check the host and the port; {_ON_61613}"
    return Finding(f"this is {name}, not STOMP", hint)


def _name(first: bytes | bytearray) -> str:
    first = first[:EXAMINED_BYTES]
    return next((name for pattern, name in _FIRST_BYTES if re.match(pattern, first, re.DOTALL)), "")


def _http(*, tls: bool, websocket: bool, handshake: bool) -> Finding | None:
    if websocket and not handshake:
        return None  # HTTP is expected here, and the status code gives a better error
    scheme = "wss" if tls and not handshake else "ws"
    words = "this is HTTP without TLS" if handshake else "this is HTTP, not STOMP"
    if websocket:
        return Finding(words, f"use {scheme}://")
    return Finding(words, f"for STOMP over WebSocket use {scheme}:// and its path; plain {_ON_61613}")


def expected(port: int, *, tls: bool = False, websocket: bool = False) -> str:
    """Return a hint by the usual protocol of a port, for a peer that sent nothing; empty if that may be STOMP.

    >>> expected(61616)
    "port 61616 is usually ActiveMQ's OpenWire; STOMP is usually on port 61613"
    """
    if port == 61613 and (tls or websocket):
        without, use = (_TLS, USE_STOMP) if tls else ("WebSocket", "use stomp://")
        return f"port {port} is usually STOMP without {without}; {use}"
    if port in (61612, 61614) and not tls and not websocket:
        return f"port {port} is usually STOMP with TLS; {USE_TLS}"
    if port in (15673, 15674) and not websocket:
        scheme = "ws" if port == 15674 else "wss"
        return f"port {port} is usually RabbitMQ's STOMP over WebSocket; use {scheme}:// and the path /ws"
    if port in (15671, 15672) and websocket:
        other = 15674 if port == 15672 else 15673
        return f"port {port} is usually {_PORTS[port]}; its STOMP over WebSocket is usually on port {other}"
    name = _PORTS.get(port, "")
    if websocket and name.startswith(_HTTP):
        return ""  # a WebSocket server may well be on this port
    return f"port {port} is usually {name}; {_ON_61613}" if name else ""
