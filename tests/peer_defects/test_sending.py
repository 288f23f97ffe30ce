"""Sent frames: no injected data, and no unreported failure."""

import contextlib
import logging
import threading

import pytest

import stomp
from stomp.core.errors import FrameError, NotConnected
from stomp.testing.servers import ScriptedServer, greet, greet_back, read_frame, say_nothing
from tests.listening import PATIENCE, wait_until
from tests.peer_defects.scenes import answer_receipts, connection, message, welcome

CLASSES = {"1.0": stomp.Connection10, "1.1": stomp.Connection11, "1.2": stomp.Connection12}


class Noting:
    """A script that lets the client in and notes all its frames."""

    def __init__(self, version="1.1"):
        self.version = version
        self.frames = []

    def __call__(self, sock):
        self.frames.append(read_frame(sock))
        greet_back(sock, version=self.version)
        while True:
            self.frames.append(read_frame(sock))


@pytest.mark.parametrize("version", CLASSES)
@pytest.mark.parametrize(
    "value", ["1\nforged:yes", "1\n\n\0SEND\ndestination:/queue/other\n\nsmuggled\0", b"1\0"]
)
def test_header_value_cannot_inject_a_header_or_frame(version, value):
    """B16: line ends and NULs in headers became headers and whole frames."""
    noting = Noting(version)
    with ScriptedServer(noting) as server:
        conn, _ = connection(server.address, CLASSES[version])
        conn.connect(wait=True)
        for headers in ({"x": value}, {"x": ("harmless", value)}):
            # Versions that can escape it do; the others refuse.
            with contextlib.suppress(FrameError):
                conn.send("/queue/a", "x", headers=headers)
        if isinstance(value, str):
            with pytest.raises(FrameError):
                conn.send(
                    "/queue/a", "x", headers={"a\nforged": "yes"} if version == "1.0" else {value: "yes\0"}
                )
        conn.send("/queue/a", "the last")
        wait_until(lambda: noting.frames[-1].endswith(b"the last\0"))
        conn.transport.disconnect_socket()
    assert all(frame.startswith(b"SEND\n") for frame in noting.frames[1:])
    for frame in noting.frames[1:]:
        assert not any(
            line.startswith((b"forged:", b"destination:/queue/other")) for line in frame.split(b"\n")
        )


@pytest.mark.parametrize("version", CLASSES)
@pytest.mark.parametrize("secret", ["x\nforged:yes", "x\0"])
def test_login_and_passcode_cannot_inject_headers(version, secret):
    """B16: nor do login and passcode, which are not escaped."""
    noting = Noting(version)
    with ScriptedServer(noting) as server:
        conn, _ = connection(server.address, CLASSES[version])
        for login, passcode in (("admin", secret), (secret, "x")):
            with pytest.raises(FrameError):
                conn.connect(login, passcode, wait=True)
            conn.transport.disconnect_socket()
    assert noting.frames == []


@pytest.mark.parametrize("version", CLASSES)
def test_the_passcode_is_in_no_log(version, caplog):
    """B18: the passcode was in the DEBUG log."""
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(Noting(version)) as server:
        conn, _ = connection(server.address, CLASSES[version])
        conn.connect("admin", "swordfish", wait=True)
        conn.transport.disconnect_socket()
    assert "swordfish" not in caplog.text


def test_attribute_error_in_on_send_is_raised():
    """B40: an AttributeError inside a user's on_send was swallowed."""

    class Broken:
        def on_send(self, frame):
            if frame.cmd == "SEND":
                frame.no_such_thing  # noqa: B018

    with ScriptedServer(greet) as server:
        conn, _ = connection(server.address, stomp.Connection12)
        conn.set_listener("broken", Broken())
        conn.connect(wait=True)
        with pytest.raises(AttributeError, match="no_such_thing"):
            conn.send("/queue/a", "x")
        conn.transport.disconnect_socket()


@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_sending_while_disconnecting_raises_not_connected_only(tls, server_tls, ca_file):
    """B41: send() racing with disconnect() raised AttributeError, EBADF, EPIPE ..."""

    def script(sock):
        welcome(sock)
        answer_receipts(sock)

    errors: list[Exception] = []

    def send_until_it_fails(started):
        try:
            while True:
                conn.send("/queue/a", "x" * 100)
                started.set()
        except Exception as err:
            errors.append(err)
            started.set()

    with ScriptedServer(script, tls=server_tls if tls else None) as server:
        for end in ("disconnect", "disconnect_socket", "stop") * 5:
            conn, _ = connection(("127.0.0.1", server.port))
            if tls:
                conn.set_ssl(ca_certs=ca_file)
            conn.connect(wait=True)
            started = [threading.Event() for _ in range(3)]
            threads = [threading.Thread(target=send_until_it_fails, args=(event,)) for event in started]
            for thread in threads:
                thread.start()
            for event in started:
                assert event.wait(PATIENCE)
            conn.disconnect() if end == "disconnect" else getattr(conn.transport, end)()
            for thread in threads:
                thread.join(PATIENCE)
    assert len(errors) == 45
    assert {type(err) for err in errors if not isinstance(err, NotConnected)} == set()


def test_server_with_version_1_0_is_refused_by_a_1_2_client():
    """B53: the version that the server answers was ignored, and a 1.2 client went on in 1.2 on a 1.0 session.

    It is either spoken or refused; never ignored.
    """

    def script(sock):
        read_frame(sock)
        greet_back(sock, version="1.0")
        say_nothing(sock)

    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address, stomp.Connection12)
        with pytest.raises(stomp.exception.ConnectFailedException, match=r"1\.0"):
            conn.connect(wait=True)
        recorder.wait_for_method("on_disconnected")


def test_listener_names_may_have_several_types():
    """B57: listener names of mixed types were a TypeError in every send and callback."""

    def script(sock):
        welcome(sock)
        sock.sendall(message(b"x"))
        answer_receipts(sock)

    class Ear:
        def on_message(self, frame):
            called.append(self)

    called: list[Ear] = []
    with ScriptedServer(script) as server:
        conn, recorder = connection(server.address)
        ears = {name: Ear() for name in (1, "1", None, ("a", 2), "z")}
        for name, ear in ears.items():
            conn.set_listener(name, ear)
        conn.connect(wait=True)
        recorder.wait_for_bodies(1)
        wait_until(lambda: len(called) == 5)
        assert set(map(id, called)) == set(map(id, ears.values()))
        conn.send("/queue/a", "x", receipt="r")
        recorder.wait_for_method("on_receipt")
        conn.disconnect()


@pytest.mark.parametrize("version", CLASSES)
def test_header_value_of_bytes_is_decoded(version):
    """B68: a bytes header value went out as b'v:1', unescaped."""
    noting = Noting(version)
    with ScriptedServer(noting) as server:
        conn, _ = connection(server.address, CLASSES[version])
        conn.connect(wait=True)
        conn.send("/queue/a", "x", headers={"h": b"v:1"})
        wait_until(lambda: len(noting.frames) == 2)
        conn.transport.disconnect_socket()
    assert (b"\nh:v:1\n" if version == "1.0" else b"\nh:v\\c1\n") in noting.frames[1]


def test_a_subscription_of_1_0_may_be_number_0():
    """S3: 1.0 dropped id=0 of SUBSCRIBE and UNSUBSCRIBE."""
    noting = Noting("1.0")
    with ScriptedServer(noting) as server:
        conn, _ = connection(server.address, stomp.Connection10)
        conn.connect(wait=True)
        conn.subscribe("/queue/a", id=0)
        conn.unsubscribe(id=0)
        wait_until(lambda: len(noting.frames) == 3)
        conn.transport.disconnect_socket()
    assert all(b"\nid:0\n" in frame for frame in noting.frames[1:])
