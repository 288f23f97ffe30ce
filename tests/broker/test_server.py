"""The broker over TCP and TLS, with clients that follow the protocol and clients that break it."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import time
from collections.abc import Iterator

import pytest

from stomp.broker import Broker, Policy
from stomp.broker.engine import Engine
from stomp.core.frames.limits import Limits
from tests.broker.rawclient import PATIENCE, Ended, RawClient, eventually, still_serves

# ---------------------------------------------------------------------------------------------- the main job


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_session_with_all_frames_works(
    version: str, secure: bool, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    with (
        Broker(ssl_context=server_tls if secure else None) as broker,
        RawClient(broker, version=version, tls=client_tls if secure else None) as client,
    ):
        connected = client.connect()
        assert connected.headers["version"] == version
        assert connected.headers["server"].startswith("stompkit-embedded/")
        client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client", receipt="s")
        client.expect("RECEIPT", receipt_id="s")
        client.send("SEND", "hällo\0", destination="/queue/a", colour="red", receipt="m")
        client.expect("RECEIPT", receipt_id="m")
        message = client.expect("MESSAGE", destination="/queue/a", subscription="1", colour="red")
        assert message.body == "hällo\0".encode()
        if version == "1.2":
            client.send("ACK", id=message.headers["ack"], receipt="a")
        else:
            client.send("ACK", message_id=message.headers["message-id"], subscription="1", receipt="a")
        client.expect("RECEIPT", receipt_id="a")
        assert broker.depth("/queue/a") == 0
        client.send("UNSUBSCRIBE", id="1", receipt="u")
        client.expect("RECEIPT", receipt_id="u")
        client.send("DISCONNECT", receipt="d")
        client.expect("RECEIPT", receipt_id="d")
        client.expect_end()


def test_frames_in_one_write_are_handled(broker: Broker) -> None:
    with RawClient(broker) as client:
        client.write(
            b"\n\r\nSTOMP\r\naccept-version:1.0,1.1,1.2\r\nhost:/\r\n\r\n\0\n"
            b"SUBSCRIBE\nid:1\ndestination:/topic/t\n\n\0\n\n"
            + b"SEND\ndestination:/topic/t\n\nx\0" * 100
            + b"DISCONNECT\nreceipt:bye\n\n\0"
        )
        assert client.expect("CONNECTED").headers["version"] == "1.2"
        for _ in range(100):
            assert client.expect("MESSAGE").body == b"x"
        client.expect("RECEIPT", receipt_id="bye")
        client.expect_end()


def test_frames_in_single_bytes_are_handled(broker: Broker) -> None:
    with RawClient(broker) as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"CONNECT\naccept-version:1.2\n\n\0BEGIN\ntransaction:t\nreceipt:r\n\n\0":
            client.write(bytes([byte]))
        client.expect("CONNECTED")
        client.expect("RECEIPT", receipt_id="r")


def test_transaction_is_committed(broker: Broker, client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/a")
    client.send("BEGIN", transaction="t")
    client.send("SEND", "in", destination="/queue/a", transaction="t", receipt="now")
    client.expect("RECEIPT", receipt_id="now")  # immediately, not at COMMIT: a client may wait for it
    client.send("SEND", "out", destination="/queue/a")
    assert client.expect("MESSAGE").body == b"out"
    client.send("COMMIT", transaction="t")
    assert client.expect("MESSAGE").body == b"in"
    client.send("BEGIN", transaction="u")
    client.send("SEND", "never", destination="/queue/a", transaction="u")
    client.send("ABORT", transaction="u")
    assert client.sync() == []


def test_a_transaction_ends_with_its_connection(broker: Broker, client: RawClient) -> None:
    with RawClient(broker) as other:
        other.connect()
        other.send("BEGIN", transaction="t")
        other.send("SEND", "never", destination="/queue/a", transaction="t")
        other.sync()
    eventually(lambda: len(broker.connections) == 1)
    assert broker.depth("/queue/a") == 0


def test_messages_of_a_lost_connection_go_to_the_next(broker: Broker, client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client-individual")
    for body in ("1", "2", "3"):
        client.send("SEND", body, destination="/queue/a")
    second = [client.expect("MESSAGE") for _ in range(3)][1]
    client.send("ACK", id=second.headers["ack"])
    client.sync()
    client.close()
    with RawClient(broker) as other:
        other.connect()
        other.send("SUBSCRIBE", id="1", destination="/queue/a")
        assert [other.expect("MESSAGE", redelivered="true").body for _ in range(2)] == [b"1", b"3"]


def test_rejected_message_ends_in_the_dead_letter_queue(broker: Broker, client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client-individual")
    client.send("SEND", "poison", destination="/queue/a")
    for _ in range(5):
        message = client.expect("MESSAGE")
        client.send("NACK", id=message.headers["ack"])
    assert client.sync() == []
    assert broker.destinations() == {"/queue/a": 0, "/queue/DLQ": 1}


def test_headers_that_a_version_cannot_encode_are_omitted(broker: Broker, client: RawClient) -> None:
    with RawClient(broker, version="1.0") as old:
        old.connect()
        old.send("SUBSCRIBE", destination="/queue/a")
        old.sync()
        client.write(b"SEND\ndestination:/queue/a\nevil:x\\nforged\\cyes\nna\\cme:x\nkind:a\\cb\n\nbody\0")
        message = old.expect("MESSAGE")
        assert message.body == b"body"
        assert message.headers["kind"] == "a:b"
        assert set(message.headers) == {"message-id", "destination", "content-length", "redelivered", "kind"}


# ---------------------------------------------------------------------------------------------- login, versions


def test_login_is_checked() -> None:
    with Broker(users={"alice": "sécret"}) as broker:
        with RawClient(broker) as client:
            client.connect(login="alice", passcode="sécret")
            assert [info.login for info in broker.connections] == ["alice"]
        wrong: list[dict[str, str]] = [
            {"login": "alice", "passcode": "secret"},
            {"login": "alice"},
            {"login": "bob", "passcode": "sécret"},
            {"login": "bob"},
            {"passcode": "sécret"},
            {},
        ]
        for headers in wrong:
            with RawClient(broker) as client:
                client.send("CONNECT", accept_version="1.2", host="/", **headers)
                error = client.expect("ERROR", message="Bad CONNECT")
                assert error.body.decode() == f"Access refused for user '{headers.get('login', '')}'"
                client.expect_end()


def test_frames_of_a_refused_client_are_ignored() -> None:
    with Broker(users={}) as broker, RawClient(broker) as client:
        client.write(b"CONNECT\naccept-version:1.2\n\n\0SEND\ndestination:/queue/a\n\nx\0")
        client.expect("ERROR")
        client.expect_end()
        assert broker.destinations() == {}


def test_no_secret_or_body_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "stomp.broker")
    with Broker(users={"alice": "Zauberwort"}) as broker:
        with RawClient(broker) as client:
            client.send("CONNECT", accept_version="1.2", login="alice", passcode="Falschwort")
            client.expect("ERROR")
        with RawClient(broker) as client:
            client.connect(login="alice", passcode="Zauberwort")
            client.send("ACK", "Geheimtext", id="nonsense")
            client.expect("ERROR")
    assert "alice" in caplog.text
    assert "ACK" in caplog.text
    for secret in ("Zauberwort", "Falschwort", "Geheimtext"):
        assert secret not in caplog.text


@pytest.mark.parametrize(("offered", "agreed"), [("1.0", "1.0"), ("1.0,1.1,1.2", "1.1"), ("1.1,9.9", "1.1")])
def test_versions_are_negotiated(offered: str, agreed: str) -> None:
    with Broker(versions=["1.0", "1.1"]) as broker, RawClient(broker) as client:
        client.send("CONNECT", accept_version=offered)
        client.expect("CONNECTED")
        assert [info.version for info in broker.connections] == [agreed]


def test_no_common_version_is_refused(broker: Broker) -> None:
    with RawClient(broker) as client:
        client.send("CONNECT", accept_version="2.0")
        client.expect("ERROR", version="1.0,1.1,1.2")
        client.expect_end()


# ---------------------------------------------------------------------------------------------- malformed input

_LIMITS = Limits(frame=200_000, body=100_000, head=50_000, header_line=10_000, headers=100)

# data sent after CONNECTED -> part of the ERROR message
MALFORMED = {
    "garbage": (b"\x00\x01\x02\xff" * 100 + b"\n\n", "is not a STOMP command"),
    "http": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "is not a STOMP command"),
    "no number": (b"SEND\ndestination:/queue/a\ncontent-length:ten\n\nx\0", "is not a number"),
    "negative": (b"SEND\ndestination:/queue/a\ncontent-length:-1\n\nx\0", "is not a number"),
    "short": (b"SEND\ndestination:/queue/a\ncontent-length:1\n\nlonger\0", "content-length says"),
    "twice": (b"SEND\ndestination:/queue/a\ncontent-length:1\ncontent-length:2\n\nx\0", "more than once"),
    "endless": (b"SEND\ndestination:/queue/a\ncontent-length:%s\n\n" % (b"9" * 30), "18 digits"),
    "huge body announced": (b"SEND\ndestination:/queue/a\ncontent-length:100001\n\n", "100000 bytes"),
    "huge body": (b"SEND\ndestination:/queue/a\n\n" + b"x" * 100_001, "100000 bytes"),
    "huge header": (b"SEND\ndestination:" + b"x" * 200_000, "longer than"),
    "huge header line": (b"SEND\ndestination:" + b"x" * 10_001 + b"\n\n\0", "longer than 10000"),
    "many headers": (b"SEND\n" + b"a:b\n" * 101 + b"\n\0", "more than 100 headers"),
    "no colon": (b"SEND\ndestination\n\n\0", "no colon"),
    "empty name": (b"SEND\n:x\n\n\0", "empty name"),
    "NUL in a header": (b"SEND\ndestination:/queue/\0a\n\nx\0", "NUL byte"),
    "bad escape": (b"SEND\ndestination:/queue/\\ta\n\nx\0", "undefined escape"),
    "not UTF-8": (b"SEND\ndestination:/queue/\xff\n\nx\0", "not UTF-8"),
    "no destination": (b"SEND\nreceipt:r\n\nx\0", "SEND needs the header destination"),
    "no id": (b"SUBSCRIBE\ndestination:/queue/a\n\n\0", "SUBSCRIBE needs the header id"),
    "no transaction": (b"BEGIN\n\n\0", "BEGIN needs the header transaction"),
    "unknown command": (b"JUMP\nreceipt:r\n\n\0", "JUMP"),
    "a server's frame": (b"MESSAGE\n\n\0", "MESSAGE is not a frame of a client"),
    "second CONNECT": (b"CONNECT\naccept-version:1.2\n\n\0", "already connected"),
    "frame after DISCONNECT": (b"DISCONNECT\n\n\0BEGIN\ntransaction:t\n\n\0", "after DISCONNECT"),
    "unknown ack": (b"ACK\nid:nonsense\nreceipt:r\n\n\0", "no unacknowledged message"),
    "unknown transaction": (b"COMMIT\ntransaction:t\n\n\0", "no transaction"),
    "bad prefetch": (b"SUBSCRIBE\nid:1\ndestination:/queue/a\nprefetch-count:x\n\n\0", "must be a number"),
}


@pytest.fixture(scope="module")
def small_broker() -> Iterator[Broker]:
    with Broker(limits=_LIMITS) as broker:
        yield broker


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_input_gets_an_error_and_others_are_served(small_broker: Broker, case: str) -> None:
    data, words = MALFORMED[case]
    with RawClient(small_broker) as client, RawClient(small_broker) as bystander:
        bystander.connect()
        client.connect()
        client.write(data)
        error = client.expect("ERROR")
        assert words in error.headers["message"]
        if b"receipt:r" in data:
            assert error.headers["receipt-id"] == "r"
        client.expect_end()
        assert bystander.sync() == []
    assert still_serves(small_broker)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n\0", "is not a STOMP command"),
        (b"SEND\ndestination:/queue/a\n\nx\0", "first frame must be CONNECT"),
        (b"CONNECT\naccept-version:1.2\nheart-beat:often\n\n\0", "heart-beat"),
        (b"CONNECT\naccept-version:1.2\nheart-beat:-1,0\n\n\0", "heart-beat"),
        (b"CONNECT\n" + b"x" * 60_000, "longer than 50000"),
    ],
)
def test_malformed_first_frames_are_refused(small_broker: Broker, data: bytes, words: str) -> None:
    with RawClient(small_broker) as client:
        client.write(data)
        assert words in client.expect("ERROR").headers["message"]
        client.expect_end()
    assert still_serves(small_broker)


def test_frames_before_the_malformed_one_count(small_broker: Broker) -> None:
    with RawClient(small_broker) as client:
        client.connect()
        client.write(b"SEND\ndestination:/queue/before\n\nx\0JUMP\n\n\0SEND\ndestination:/queue/after\n\nx\0")
        client.expect("ERROR")
        client.expect_end()
    assert (small_broker.depth("/queue/before"), small_broker.depth("/queue/after")) == (1, 0)


def test_frames_after_a_refused_one_do_not_count(small_broker: Broker) -> None:
    with RawClient(small_broker) as client:
        client.connect()
        client.write(b"ACK\nid:nonsense\n\n\0SEND\ndestination:/queue/late\n\nx\0DISCONNECT\nreceipt:r\n\n\0")
        client.expect("ERROR")
        client.expect_end()
    assert small_broker.depth("/queue/late") == 0


def test_error_reaches_a_client_that_continues_writing(small_broker: Broker) -> None:
    """Closing at once would send a TCP reset, and the ERROR could be lost."""
    with RawClient(small_broker) as client:
        client.connect()
        client.write(b"JUMP\n\n\0" + b"x" * 10_000_000)
        client.expect("ERROR")
        with pytest.raises(Ended):  # and not ConnectionResetError
            client.frame()


@pytest.mark.parametrize("said", [b"", b"\n", b"CONN", b"CONNECT\naccept-version:1.2\n"])
def test_connection_without_connect_frame_is_closed(said: bytes) -> None:
    with Broker(connect_timeout=0.15) as broker, RawClient(broker) as client:
        client.write(said)
        assert "no CONNECT" in client.expect("ERROR").headers["message"]
        client.expect_end()
        assert still_serves(broker)


def test_slow_connect_frame_is_closed_at_the_deadline() -> None:
    with Broker(connect_timeout=0.3) as broker, RawClient(broker) as client:
        client.write(b"CONNECT\nheader:")
        deadline = time.monotonic() + PATIENCE
        with contextlib.suppress(ConnectionError):
            while client.silent_for(0.01):
                assert time.monotonic() < deadline, "it was never sent away"
                client.write(b"x")
        assert "no CONNECT" in client.expect("ERROR").headers["message"]


def test_connection_without_tls_handshake_is_closed(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    with Broker(ssl_context=server_tls, connect_timeout=0.15) as broker:
        with RawClient(broker) as client:
            client.expect_end()
        with RawClient(broker) as client:
            client.write(b"CONNECT\naccept-version:1.2\n\n\0" * 10)
            with contextlib.suppress(ConnectionResetError):
                while client.sock.recv(1000):  # possibly a TLS alert
                    pass
        assert still_serves(broker, client_tls)


def test_full_broker_sends_an_error() -> None:
    with Broker(policy=Policy(max_messages=2)) as broker, RawClient(broker) as client:
        client.connect()
        for receipt in ("1", "2"):
            client.send("SEND", "x", destination="/queue/a", receipt=receipt)
            client.expect("RECEIPT", receipt_id=receipt)
        client.send("SEND", "x", destination="/queue/a", receipt="3")
        client.expect("ERROR", message="the broker is full", receipt_id="3")
        client.expect_end()
        assert broker.depth("/queue/a") == 2


# ---------------------------------------------------------------------------------------------- time


def test_heart_beats_are_sent_and_expected() -> None:
    with Broker(heartbeat=(50, 0)) as broker, RawClient(broker) as client:
        connected = client.connect(heart_beat="0,50")
        assert connected.headers["heart-beat"] == "50,0"
        begun = time.monotonic()
        while client.beats < 5:
            assert time.monotonic() - begun < PATIENCE
            with pytest.raises(TimeoutError):
                client.frame(patience=0.1)


def test_a_silent_client_is_dropped_and_one_that_beats_is_not() -> None:
    # A timeout of two seconds: longer than a busy machine delays the sender of the heart-beats.
    with (
        Broker(heartbeat=(0, 100), tolerance=20) as broker,
        RawClient(broker) as silent,
        RawClient(broker) as beating,
    ):
        beating.connect(heart_beat="100,0")
        silent.connect(heart_beat="100,0")
        silent.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client")
        silent.send("SEND", "x", destination="/queue/a")
        silent.expect("MESSAGE")
        begun = time.monotonic()
        silent.sock.setblocking(False)
        while time.monotonic() < begun + PATIENCE:
            beating.write(b"\n")
            if not silent.silent_for(0.02):
                break
        assert 1.0 < time.monotonic() - begun < PATIENCE
        silent.expect_end()
        beating.send("SUBSCRIBE", id="1", destination="/queue/a")
        assert beating.expect("MESSAGE", redelivered="true").body == b"x"


def test_no_heart_beats_in_1_0_or_without_request(broker: Broker) -> None:
    for version in ("1.0", "1.2"):
        with RawClient(broker, version=version) as client:
            client.connect()
            assert client.silent_for(0.05)


# ---------------------------------------------------------------------------------------------- beyond the protocol


def test_frames_before_a_malformed_one_get_receipts_before_the_error(
    broker: Broker, client: RawClient
) -> None:
    good = b"SEND\ndestination:/queue/a\nreceipt:%d\n\nx\0"
    client.write(good % 1 + good % 2 + b"SEND\nno colon\n\n\0" + good % 3)
    client.expect("RECEIPT", receipt_id="1")
    client.expect("RECEIPT", receipt_id="2")
    client.expect("ERROR")
    client.expect_end()
    assert broker.depth("/queue/a") == 2


def test_frame_after_disconnect_is_an_error_after_the_receipt(client: RawClient) -> None:
    client.write(b"DISCONNECT\nreceipt:bye\n\n\0SEND\ndestination:/queue/a\n\nx\0")
    client.expect("RECEIPT", receipt_id="bye")
    client.expect("ERROR", message="SEND after DISCONNECT")
    client.expect_end()


def test_message_expires_by_the_system_clock(broker: Broker, client: RawClient) -> None:
    client.send("SEND", "x", destination="/queue/a", expiration="20")
    client.send("SEND", "y", destination="/queue/a", expires=round(time.time() * 1000) + 20)
    client.send("SEND", "z", destination="/queue/a", expires=round(time.time() * 1000) + 100_000)
    client.sync()
    eventually(lambda: broker.depth("/queue/a") == 1)


def test_invalid_selector_is_an_error(client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/a", selector="a = ", receipt="r")
    error = client.expect("ERROR", message="the selector cannot be read", receipt_id="r")
    assert b"the end" in error.body
    client.expect_end()


def test_durable_subscription_of_activemq_works(broker: Broker, client: RawClient) -> None:
    durable_key = {"activemq.subscriptionName": "news"}
    for end in (False, True):
        with RawClient(broker) as durable:
            durable.connect(client_id="me")
            durable.send("SUBSCRIBE", id="1", destination="/topic/a", **durable_key)
            if end:
                durable.expect("MESSAGE")
                durable.send("UNSUBSCRIBE", id="1")
                durable.send("UNSUBSCRIBE", id="1", **durable_key)
            durable.sync()
        eventually(lambda: len(broker.connections) == 1)
        client.send("SEND", "x", destination="/topic/a")
        client.sync()
        assert broker.destinations() == ({} if end else {"/topic/a": 1})


# ---------------------------------------------------------------------------------------------- its own mistakes


def test_internal_error_ends_one_connection_only(
    broker: Broker, client: RawClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: object) -> None:
        raise RuntimeError("a mistake")

    with RawClient(broker) as victim:
        victim.connect()
        with monkeypatch.context() as patch:
            patch.setattr(Engine, "handle", mistaken)
            victim.send("SEND", "x", destination="/queue/a")
            victim.expect_end()
    assert client.sync() == []
    assert "gave up" in caplog.text


def test_client_that_does_not_close_is_closed(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stomp.broker.connection.CLOSE_TIMEOUT", 0.05)
    with RawClient(broker) as client:
        client.connect()
        client.send("DISCONNECT", receipt="bye")
        client.expect("RECEIPT")
        client.expect_end()
        assert broker.connections == []
        eventually(lambda: "0 connections" in repr(broker))  # while the client's side is still open
