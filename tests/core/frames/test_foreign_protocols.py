"""Protocols that are not STOMP, by their first bytes and by their ports."""

from __future__ import annotations

import pytest

from stomp.core.frames.foreign_protocols import EXAMINED_BYTES, expected, identify

#: What peers sent first, as recorded; the comment says to what.
RECORDED = {
    # ActiveMQ 5.17.2, on its own
    "ActiveMQ's OpenWire": b"\x00\x00\x01R\x01ActiveMQ\x00\x00\x00\x0c\x01\x00\x00\x01@\x00\x00\x00\r\x00\x11Stack",
    # RabbitMQ 3.10.8, to CONNECT
    "AMQP 0-9-1": b"AMQP\x00\x00\x09\x01",
    # OASIS AMQP 1.0, section 2.2
    "AMQP 1.0": b"AMQP\x00\x01\x00\x00",
    # MQTT 3.1.1, section 3.2
    "MQTT": b"\x20\x02\x00\x01",
    # Redis 7.0.15, to CONNECT
    "Redis": b"-ERR unknown command 'CONNECT', with args beginning with: \r\n-ERR unknown command ",
    # OpenSSH 9.2p1, on its own
    "SSH": b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n",
    # OpenMQ 6.5.1, on its own
    "OpenMQ's port mapper": b"101 imqbroker 301\ncluster_discovery tcp CLUSTER_DISCOVERY 0\n",
    "SMTP": b"220 mail.example.com ESMTP Postfix\r\n",
    "FTP": b"220 (vsFTPd 3.0.3)\r\n",
    "SMTP or FTP": b"220-welcome\r\n",
    "NATS": b'INFO {"server_id":"N","version":"2.10.0"}\r\n',
    "POP3": b"+OK ready\r\n",
    "IMAP": b"* OK ready\r\n",
    "MySQL": b"J\x00\x00\x00\x0a8.0.36\x00",
    "PostgreSQL": b"E\x00\x00\x00\x8cSFATAL\x00",
}
#: RabbitMQ 3.10.8, Web-STOMP, to CONNECT.
HTTP = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
#: RabbitMQ, ActiveMQ and Apollo with TLS, to CONNECT.
ALERTS = (b"\x15\x03\x01\x00\x02\x02\x0a", b"\x15\x03\x03\x00\x02\x02\x0a", b"\x15\x03\x03\x00\x02\x02P")
#: Vert.x STOMP 5.1.6 without TLS, to a ClientHello.
ANSWER = b"ERROR\ncontent-length:79\ncontent-type:text/plain\nmessage:Invalid frame received\n\nInvalid"


@pytest.mark.parametrize("name", RECORDED)
def test_a_protocol_is_named_by_its_first_bytes(name: str) -> None:
    for tls, handshake in ((False, False), (True, True), (True, False)):
        found = identify(RECORDED[name], tls=tls, handshake=handshake)
        assert found is not None
        assert found.words == f"this is {name}, not STOMP"
        assert "STOMP is usually on port 61613" in found.hint


@pytest.mark.parametrize(
    ("how", "words", "hint"),
    [
        ({}, "this is HTTP, not STOMP", "use ws:// and its path"),
        ({"tls": True}, "this is HTTP, not STOMP", "use wss:// and its path"),
        ({"tls": True, "handshake": True}, "this is HTTP without TLS", "use ws:// and its path"),
        ({"tls": True, "handshake": True, "websocket": True}, "this is HTTP without TLS", "use ws://"),
    ],
)
def test_http_is_named_with_the_scheme_to_use(how: dict[str, bool], words: str, hint: str) -> None:
    found = identify(HTTP, **how)
    assert found is not None
    assert found.words == words
    assert hint in found.hint


ON_61613 = "STOMP is usually on port 61613"


@pytest.mark.parametrize(
    ("first", "how", "finding"),
    [
        (
            b"AMQP",
            {},
            ("this is AMQP, not STOMP", f"{ON_61613}; in RabbitMQ its plugin rabbitmq_stomp must be enabled"),
        ),
        (b"\x01ActiveMQ", {}, ("this is ActiveMQ's OpenWire, not STOMP", ON_61613)),
        (b"SSH-2.0", {}, ("this is SSH, not STOMP", f"check the host and the port; {ON_61613}")),
        (
            b"\xe0\0",
            {"websocket": True},
            ("this is MQTT, not STOMP", f"check the host and the port; {ON_61613}"),
        ),
        (
            HTTP,
            {},
            ("this is HTTP, not STOMP", f"for STOMP over WebSocket use ws:// and its path; plain {ON_61613}"),
        ),
        (
            HTTP,
            {"tls": True, "handshake": True, "websocket": True},
            ("this is HTTP without TLS", "use ws://"),
        ),
        (
            HTTP,
            {"handshake": True},
            (
                "this is HTTP without TLS",
                f"for STOMP over WebSocket use ws:// and its path; plain {ON_61613}",
            ),
        ),
        (
            ANSWER,
            {"handshake": True, "websocket": True, "tls": True},
            ("the port speaks STOMP without TLS", "use stomp://, without set_ssl() and --ssl"),
        ),
        (
            ANSWER,
            {"websocket": True, "tls": True},
            ("the port speaks STOMP without WebSocket", "use stomp+ssl://"),
        ),
        (ANSWER, {"tls": True}, None),
    ],
)
def test_a_finding_says_what_to_use(
    first: bytes, how: dict[str, bool], finding: tuple[str, str] | None
) -> None:
    assert identify(first, **how) == finding


@pytest.mark.parametrize("alert", ALERTS)
def test_a_tls_alert_in_plain_text_means_tls(alert: bytes) -> None:
    found = identify(alert)
    assert found == ("the port expects TLS", "use stomp+ssl://, set_ssl() or --ssl")
    assert identify(alert, websocket=True) == ("the port expects TLS", "use wss://")
    assert identify(alert, tls=True, handshake=True) is None  # there it says what OpenSSL says


def test_stomp_answer_to_a_tls_handshake_means_no_tls() -> None:
    for answer in (ANSWER, b"CONNECTED\r\nversion:1.2\r\n"):
        found = identify(answer, tls=True, handshake=True)
        assert found == ("the port speaks STOMP without TLS", "use stomp://, without set_ssl() and --ssl")
        found = identify(answer, websocket=True)
        assert found == ("the port speaks STOMP without WebSocket", "use stomp://")


@pytest.mark.parametrize(
    "first", [b"", b"CONNECTED\n", b"ERROR\n", b"X", b"\xff\xfd", b"SEND", b"HTTP", b"A" * 100]
)
def test_stomp_and_unknown_protocols_are_not_named(first: bytes) -> None:
    assert identify(first) is None


def test_an_http_answer_is_what_a_websocket_expects() -> None:
    assert identify(HTTP, websocket=True) is None
    assert identify(HTTP, websocket=True, tls=True) is None


def test_openwire_is_named_without_the_nuls_before_it() -> None:
    for length in (b"", b"\0\0\1\x52", b"\0\0\1\n"):
        found = identify(length + b"\1ActiveMQ")
        assert found is not None
        assert "OpenWire" in found.words


def test_only_the_first_bytes_are_examined() -> None:
    assert EXAMINED_BYTES == 64
    found = identify(b"220 " + b"x" * 55 + b" SMTP")
    assert found is not None
    assert found.words == "this is SMTP, not STOMP"
    late = b"220 " + b"x" * EXAMINED_BYTES + b" ESMTP"
    assert identify(late) == identify(late[:EXAMINED_BYTES])


@pytest.mark.parametrize(
    ("port", "how", "words"),
    [
        (61616, {}, "port 61616 is usually ActiveMQ's OpenWire; STOMP is usually on port 61613"),
        (5672, {}, "port 5672 is usually AMQP;"),
        (1883, {}, "port 1883 is usually MQTT;"),
        (6379, {}, "port 6379 is usually Redis;"),
        (22, {}, "port 22 is usually SSH;"),
        (80, {}, "port 80 is usually HTTP;"),
        (443, {}, "port 443 is usually HTTP with TLS;"),
        (15672, {}, "port 15672 is usually RabbitMQ's management, which is HTTP;"),
        (15674, {}, "port 15674 is usually RabbitMQ's STOMP over WebSocket; use ws:// and the path /ws"),
        (15673, {}, "port 15673 is usually RabbitMQ's STOMP over WebSocket; use wss:// and the path /ws"),
        (61614, {}, "port 61614 is usually STOMP with TLS; use stomp+ssl://"),
        (61613, {"tls": True}, "port 61613 is usually STOMP without TLS; use stomp://, without set_ssl()"),
        (61613, {"websocket": True}, "port 61613 is usually STOMP without WebSocket; use stomp://"),
        (
            15672,
            {"websocket": True},
            "port 15672 is usually RabbitMQ's management, which is HTTP; its STOMP over WebSocket is usually on",
        ),
        (5672, {"websocket": True}, "port 5672 is usually AMQP;"),
        (5672, {}, "port 5672 is usually AMQP; STOMP is usually on port 61613"),
        (61612, {}, "port 61612 is usually STOMP with TLS; use stomp+ssl://, set_ssl() or --ssl"),
        (61614, {}, "port 61614 is usually STOMP with TLS; use stomp+ssl://, set_ssl() or --ssl"),
        (
            61613,
            {"tls": True, "websocket": True},
            "port 61613 is usually STOMP without TLS; use stomp://, without set_ssl() and --ssl",
        ),
        (
            15671,
            {"websocket": True},
            "port 15671 is usually RabbitMQ's management, which is HTTP; its STOMP over WebSocket is usually on "
            "port 15673",
        ),
        (
            15672,
            {"websocket": True},
            "port 15672 is usually RabbitMQ's management, which is HTTP; its STOMP over WebSocket is usually on "
            "port 15674",
        ),
        (
            15671,
            {},
            "port 15671 is usually RabbitMQ's management, which is HTTP; STOMP is usually on port 61613",
        ),
        (
            15673,
            {"tls": True},
            "port 15673 is usually RabbitMQ's STOMP over WebSocket; use wss:// and the path /ws",
        ),
    ],
)
def test_usual_protocol_of_a_port_is_named(port: int, how: dict[str, bool], words: str) -> None:
    assert expected(port, **how).startswith(words)


@pytest.mark.parametrize(
    ("port", "how"),
    [
        (61613, {}),
        (61614, {"tls": True}),
        (15674, {"websocket": True}),
        (443, {"websocket": True}),
        (61614, {"websocket": True}),
        (61612, {"tls": True}),
        (61612, {"websocket": True}),
        (15673, {"websocket": True}),
        (80, {"websocket": True}),
        (12345, {}),
        (0, {"tls": True}),
    ],
)
def test_stomp_and_unknown_ports_have_no_hint(port: int, how: dict[str, bool]) -> None:
    assert expected(port, **how) == ""
