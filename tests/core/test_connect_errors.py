"""stomp.core.connect_errors"""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from stomp.core.connect_errors import login_failed, tls_hint
from stomp.core.errors import (
    AuthenticationFailed,
    BrokerError,
    ConnectionLost,
    RemoteProtocolError,
    StompError,
)
from stomp.core.frames.frame import Frame, Headers

QUESTIONS = (
    "check that this is the STOMP port, whether it requires TLS, and that the broker behind it is running"
)
QUESTIONS_TLS = QUESTIONS.replace("requires TLS", "requires a client certificate")


class Address(SimpleNamespace):
    """An address as the network layer has it."""

    transport: str
    port: int

    def __str__(self) -> str:
        return f"{self.transport}://mq:{self.port}"


def refused(why: StompError | None, transport: str = "tcp", port: int = 7000, *, tls: bool = False) -> str:
    """The text of the error, without where it was."""
    error = login_failed(Address(transport=transport, port=port), why, tls=tls)
    words = str(error).removeprefix(f"connecting to {transport}://mq:{port} failed: ")
    assert words != str(error)
    assert error.__cause__ is why
    assert error.phase == "stomp"
    assert error.address == f"{transport}://mq:{port}"
    assert error.failures == (() if why is None else (why,))
    return words


def lost(reason: str | None) -> ConnectionLost:
    """A connection that ended, with an error of OpenSSL if there is a reason."""
    error = ConnectionLost("the broker closed the connection")
    error.__cause__ = OSError("ssl")
    if reason is not None:
        error.__cause__.reason = reason  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("WRONG_VERSION_NUMBER", "the port does not speak TLS"),
        ("RECORD_LAYER_FAILURE", "the port does not speak TLS"),
        ("HTTP_REQUEST", "the port does not speak TLS"),
        ("UNSUPPORTED_PROTOCOL", "the broker's TLS is older than 1.2"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "the broker's TLS is older than 1.2"),
        (
            "TLSV13_ALERT_CERTIFICATE_REQUIRED",
            "the broker asks for a client certificate; give a client certificate",
        ),
        (
            "SSLV3_ALERT_BAD_CERTIFICATE",
            "the broker asks for a client certificate, or does not accept this one",
        ),
        ("SSLV3_ALERT_CERTIFICATE_UNKNOWN", "the broker does not accept the client certificate"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "the broker may require other ciphers or a client certificate"),
        ("TLSV1_ALERT_UNKNOWN_CA", "the broker does not trust the client certificate"),
    ],
)
def test_errors_of_tls_have_a_hint(reason: str, hint: str) -> None:
    assert tls_hint(reason).startswith(hint)


@pytest.mark.parametrize("reason", ["", "CERTIFICATE_VERIFY_FAILED", "UNEXPECTED_EOF_WHILE_READING"])
def test_other_errors_of_tls_have_none(reason: str) -> None:
    assert tls_hint(reason) == ""


def test_a_broker_that_does_not_answer() -> None:
    assert refused(None) == f"the broker did not answer CONNECT in time ({QUESTIONS})"
    assert str(login_failed("mq:1", None)) == f"connecting to mq:1 failed: {refused(None)}"
    assert refused(None, "ws") == f"the broker did not answer CONNECT in time ({QUESTIONS})"


@pytest.mark.parametrize(("transport", "tls"), [("tls", False), ("wss", False), ("tcp", True), ("ws", True)])
def test_with_tls_the_question_is_the_client_certificate(transport: str, tls: bool) -> None:
    assert refused(None, transport, tls=tls) == f"the broker did not answer CONNECT in time ({QUESTIONS_TLS})"
    assert refused(lost("OTHER"), transport, tls=tls) == f"the broker closed the connection ({QUESTIONS_TLS})"


@pytest.mark.parametrize(
    ("transport", "port", "hint"),
    [
        ("tcp", 61614, "port 61614 is usually STOMP with TLS"),
        ("tls", 61613, "port 61613 is usually STOMP without TLS"),
        ("ws", 61613, "port 61613 is usually STOMP without WebSocket"),
        ("wss", 61613, "port 61613 is usually STOMP without TLS"),
        ("tcp", 5672, "port 5672 is usually AMQP"),
        ("tls", 15673, "port 15673 is usually RabbitMQ's STOMP over WebSocket"),
        ("wss", 15673, QUESTIONS_TLS),
    ],
)
def test_a_port_of_another_protocol_is_named(transport: str, port: int, hint: str) -> None:
    assert refused(None, transport, port).startswith(f"the broker did not answer CONNECT in time ({hint}")


def test_the_reason_of_the_broker_stands_alone() -> None:
    frame = Frame("ERROR", Headers(message="Bad CONNECT"))
    for kind in (BrokerError, AuthenticationFailed):
        why = kind("Bad CONNECT", frame=frame)
        error = login_failed("mq:1", why)
        assert str(error) == "connecting to mq:1 failed: Bad CONNECT"
        assert error.frame is frame


def test_a_hint_of_the_session_is_kept() -> None:
    assert refused(StompError("it broke", hint="mend it"), port=5672) == "it broke (mend it)"


def test_an_alert_of_tls_is_the_reason() -> None:
    """In TLS 1.3 a certificate may be refused after the handshake."""
    text = refused(lost("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "tls")
    assert text.startswith(
        "the broker ended TLS: tlsv13 alert certificate required (the broker asks for a client certificate"
    )
    assert (
        refused(lost(""), "tls")
        == refused(lost(None), "tls")
        == f"the broker closed the connection ({QUESTIONS_TLS})"
    )


def test_another_protocol_is_named() -> None:
    why = RemoteProtocolError("'A' is not a STOMP command", received=b"AMQP\0\0\x09\x01")
    assert refused(why).startswith("this is AMQP 0-9-1, not STOMP (")


def test_an_alert_in_plain_text_means_tls() -> None:
    why = RemoteProtocolError("not STOMP", received=b"\x15\x03\x01\0\x02\x02\x46")
    assert refused(why).startswith("the port expects TLS (")
    assert refused(why, "tls").startswith("this is not STOMP: it began with b'\\x15")


def test_the_first_bytes_of_an_unknown_protocol_are_shown() -> None:
    why = RemoteProtocolError("'HELO' is not a STOMP command", received=b"HELO there" + b"x" * 54)
    shown = b"HELO there" + b"x" * 22
    assert refused(why) == f"this is not STOMP: it began with {shown!r} ({QUESTIONS})"
