import pytest

from stomp.core.errors import AuthenticationFailed, BrokerError
from stomp.core.frames.frame import Frame, Headers
from stomp.core.session.error_frames import connect_error_from, error_text


def error(message="", body=b""):
    headers = Headers(message=message) if message else Headers()
    return Frame("ERROR", headers, body)


@pytest.mark.parametrize(
    ("message", "body", "words"),
    [
        ("", b"", "no reason given"),
        ("", b"why\nat java.lang", "why"),
        ("Bad CONNECT", b"", "Bad CONNECT"),
        ("Bad CONNECT", b"no such user\r\n", "Bad CONNECT: no such user"),
        ("refused", b"it was refused by the broker", "it was refused by the broker"),
        ("x" * 600, b"", "x" * 497 + "..."),
        ("", b"\xff", "\ufffd"),
    ],
)
def test_error_text_is_found_in_header_and_body(message, body, words):
    assert error_text(error(message, body)) == words


@pytest.mark.parametrize(
    ("message", "kind", "hint"),
    [
        (
            "Virtual host 'a' unknown",
            BrokerError,
            "no host header was sent; set the virtual host: RabbitMQ's default one is '/'",
        ),
        ("User name or password is invalid", AuthenticationFailed, "check login and passcode"),
        ("Authentication failed", AuthenticationFailed, "check login and passcode"),
        ("too many connections", BrokerError, ""),
    ],
)
def test_error_class_depends_on_the_text(message, kind, hint):
    found = connect_error_from(error(message))
    assert type(found) is kind
    assert found.hint == hint
    assert message in found.message
    assert found.frame is not None
