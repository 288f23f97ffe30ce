"""stomp.core.session.error_frames"""

import pytest

from stomp.core.errors import AuthenticationFailed, BrokerError, ConnectionLost
from stomp.core.frames.frame import Frame, Headers
from stomp.core.session.client import ClientSession
from stomp.core.session.error_frames import ConnectRequest, connect_error_from, error_text, lost, request_of


def error(message="", body=b""):
    headers = Headers(message=message) if message else Headers()
    return Frame("ERROR", headers, body)


def hint_of(session):
    assert session.closed is not None
    assert session.closed.error is not None
    return session.closed.error.hint


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
        ("a\\cb", b"", "a\\cb"),
        ("", b" " * 1999 + b"xyz", "x"),
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


def test_before_connected_the_text_is_unescaped():
    """Most brokers escape it, although no version is agreed on then."""
    found = connect_error_from(error("User name\\c x \\\\ y \\t"))
    assert found.message == "the broker refused the connection: User name: x \\ y \\t"


@pytest.mark.parametrize(
    ("host", "hint"),
    [
        (None, "no host header was sent; set the virtual host: RabbitMQ's default one is '/'"),
        ("a", "the host header was 'a'; set the virtual host: RabbitMQ's default one is '/'"),
        ("/", "the host header was '/'; set the virtual host to one that the broker has: vhost="),
        ("h" * 99, f"the host header was '{'h' * 80}'; set the virtual host: RabbitMQ's default one is '/'"),
    ],
)
@pytest.mark.parametrize("message", ["Virtual host 'x' unknown", "no such VHOST"])
def test_hint_about_the_virtual_host_names_the_one_that_was_sent(message, host, hint):
    session = ClientSession()
    session.connect(["1.2"], host)
    session.receive_data(f"ERROR\nmessage:{message}\n\n\0".encode(), 0.0)
    assert hint_of(session) == hint


@pytest.mark.parametrize(
    ("offered", "spoken", "hint"),
    [
        (("1.2",), "1.0, 1.1", "offered was 1.2, and the broker speaks 1.0,1.1: offer one of these"),
        (("1.1", "1.2"), "1.0", "offered was 1.1,1.2, and the broker speaks 1.0: offer one of these"),
        (("1.0", "1.2"), "1.0,1.1", ""),
        (("1.2",), "9,8", ""),
        (
            ("1.2",),
            "1.0," + "x" * 99,
            f"offered was 1.2, and the broker speaks 1.0,{'x' * 76}: offer one of these",
        ),
        (("1.2",), None, ""),
        ((), "1.0", ""),
    ],
)
def test_hint_about_versions_names_those_of_the_broker(offered, spoken, hint):
    frame = error("no")
    if spoken is not None:
        frame.headers["version"] = spoken
    assert connect_error_from(frame, ConnectRequest(offered)).hint == hint


def test_connect_frame_is_remembered_for_hints():
    assert request_of({"host": "/", "login": "a", "passcode": "b"}, ("1.2",)) == (("1.2",), "/", False)
    assert request_of({"login": "a\\b"}, ()) == ((), None, True)
    assert request_of({"passcode": "a\\b"}, ()) == ((), None, True)
    assert request_of({"client-id": "a\\b"}, ()) == ((), None, False)


BACKSLASH = "write two for each"


def test_refused_login_with_a_backslash_has_a_hint():
    for backslash in (True, False):
        found = connect_error_from(error("bad password"), ConnectRequest(backslash=backslash))
        assert found.hint.startswith("check login and passcode")
        assert (BACKSLASH in found.hint) is backslash


@pytest.mark.parametrize(
    ("connected", "backslash", "quiet", "hint"),
    [
        (False, True, 99.0, BACKSLASH),
        (True, True, 0.0, ""),
        (True, True, 30.0, "request heart-beats"),
        (True, False, 29.9, ""),
        (False, False, 99.0, ""),
    ],
)
def test_lost_connection_has_a_hint(connected, backslash, quiet, hint):
    found = lost("why", None, ConnectRequest(backslash=backslash), connected, quiet)
    assert type(found) is ConnectionLost
    assert found.message == "why"
    assert hint in found.hint
    assert bool(found.hint) is bool(hint)
    assert (
        lost("why", error("no"), ConnectRequest(), connected, 0.0).message == "why; its last ERROR said: no"
    )


def test_a_client_knows_whether_it_was_connected():
    for answer, expected in ((b"", True), (b"CONNECTED\nversion:1.2\n\n\0", False)):
        session = ClientSession()
        session.connect(["1.2"], login="a\\b")
        session.receive_data(answer, 0.0)
        session.receive_eof()
        assert (BACKSLASH in hint_of(session)) is expected
