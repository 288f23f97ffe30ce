"""stomp.core.session.server"""

import pytest

from stomp.core.errors import FrameError, LimitExceeded, NotConnected, RemoteProtocolError, UsageError
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.limits import Limits
from stomp.core.session.events import (
    Closed,
    Connected,
    ConnectRequested,
    Event,
    HeartbeatReceived,
    InvalidRequest,
    Reason,
    Request,
)
from stomp.core.session.ledger import Ledger
from stomp.core.session.server import ServerSession
from stomp.core.session.state import State


def sent(session: ServerSession) -> bytes:
    return b"".join(session.data_to_send(0.0))


def receive(session: ServerSession, text: str, now: float = 0.0) -> list[Event]:
    session.receive_data(text.encode(), now)
    events: list[Event] = []
    while more := session.events():
        events += more
    return events


def connected(version: str = "1.2") -> ServerSession:
    """A server that has let a client in."""
    session = ServerSession()
    receive(session, f"CONNECT\naccept-version:{version}\nhost:/\n\n\0")
    session.accept(0.0)
    session.events()
    sent(session)
    return session


def connect_error_from(session: ServerSession, text: str) -> tuple[str, str]:
    """The message and the receipt-id of the ERROR by which a frame is answered; the session ends."""
    events = receive(session, text)
    assert isinstance(events[-1], Closed)
    assert events[-1] is session.closed
    assert events[-1].reason in (Reason.PROTOCOL, Reason.REFUSED)
    answer = sent(session)
    assert answer.startswith(b"ERROR\n")
    assert answer.count(b"\0") == 1
    headers = dict(line.split(":", 1) for line in answer.decode().split("\n\n")[0].split("\n")[1:])
    assert headers.get("receipt-id") != ""
    return headers["message"], headers.get("receipt-id", "")


# ------------------------------------------------------------------------------------- negotiation


@pytest.mark.parametrize(
    ("ours", "offered", "agreed"),
    [
        (("1.0", "1.1", "1.2"), "1.0,1.1,1.2", "1.2"),
        (("1.0", "1.1", "1.2"), "1.1", "1.1"),
        (("1.0", "1.1", "1.2"), "1.1,1.0", "1.1"),
        (("1.0", "1.1", "1.2"), " 1.1 , 9.9 ", "1.1"),
        (("1.0", "1.1", "1.2"), None, "1.0"),
        (("1.0", "1.1"), "1.0,1.1,1.2", "1.1"),
        (("1.2",), "1.2", "1.2"),
        (("1.2",), "1.0,1.1", None),
        (("1.2",), None, None),
        (("1.0", "1.1", "1.2"), "2.0", None),
        (("1.0", "1.1", "1.2"), "", None),
    ],
)
@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
def test_version_is_negotiated(
    ours: tuple[str, ...], offered: str | None, agreed: str | None, command: str
) -> None:
    session = ServerSession(versions=ours)
    header = "" if offered is None else f"accept-version:{offered}\n"
    text = f"{command}\n{header}\n\0"
    if agreed is None:
        message, _ = connect_error_from(session, text)
        assert message == f"Supported protocol versions are {','.join(ours)}"
        return
    (event,) = receive(session, text)
    assert isinstance(event, ConnectRequested)
    assert event.version.number == agreed
    assert event.frame.command == command
    session.accept(0.0, headers={"session": "s"})
    version = "" if agreed == "1.0" else f"version:{agreed}\nheart-beat:0,0\n"
    assert sorted(sent(session).decode().split("\n")) == sorted(
        f"CONNECTED\nsession:s\n{version}\n\0".split("\n")
    )
    (connected,) = session.events()
    assert isinstance(connected, Connected)
    assert (connected.version, connected.heartbeat) == (event.version, (0, 0))
    assert connected.frame.command == "CONNECTED"
    assert session.state is State.CONNECTED


@pytest.mark.parametrize("versions", [[], ["2.0"], ["1.2", "x"]])
def test_unknown_versions_are_refused(versions: list[str]) -> None:
    with pytest.raises(UsageError, match="versions") as caught:
        ServerSession(versions=versions)
    assert "take some of 1.0, 1.1 and 1.2" in caught.value.hint


def test_refusal_lists_the_supported_versions() -> None:
    session = ServerSession(versions=("1.1", "1.2"))
    receive(session, "CONNECT\n\n\0")
    assert b"\nversion:1.1,1.2\n" in sent(session)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_heartbeats_need_1_1(version: str) -> None:
    session = ServerSession(heartbeat=(1000, 1000))
    receive(session, f"CONNECT\naccept-version:{version}\nheart-beat:1000,1000\n\n\0")
    session.accept(0.0)
    assert session.heartbeat == ((0, 0) if version == "1.0" else (1000, 1000))
    assert (b"heart-beat" in sent(session)) is (version != "1.0")


@pytest.mark.parametrize(
    ("requested", "shortest", "agreed"),
    [
        ((0, 0), 100, (0, 0)),
        ((3000, 2000), 100, (2000, 3000)),
        ((10, 200), 100, (200, 100)),
        ((200, 10), 50, (50, 200)),
        ((10, 0), 100, (0, 100)),
        ((0, 10), 100, (100, 0)),
    ],
)
def test_server_without_intervals_takes_those_of_the_client(
    requested: tuple[int, int], shortest: int, agreed: tuple[int, int]
) -> None:
    session = ServerSession(heartbeat=None, min_interval=shortest, tolerance=3.0)
    receive(session, f"CONNECT\naccept-version:1.2\nheart-beat:{requested[0]},{requested[1]}\n\n\0")
    session.accept(0.0)
    assert session.heartbeat == agreed
    assert f"heart-beat:{agreed[0]},{agreed[1]}\n".encode() in sent(session)
    # The last bytes before the silence are not a heart-beat, so one more interval is allowed.
    assert session.is_timed_out(agreed[1] / 1000 * 4) is (agreed[1] > 0)
    assert not session.is_timed_out(agreed[1] / 1000 * 3.9)


def test_malformed_heartbeat_is_refused() -> None:
    message, _ = connect_error_from(ServerSession(), "CONNECT\naccept-version:1.2\nheart-beat:x\n\n\0")
    assert "heart-beat" in message


@pytest.mark.parametrize("command", ["SEND", "CONNECTED", "GET"])
def test_the_first_frame_must_be_connect(command: str) -> None:
    assert connect_error_from(ServerSession(), f"{command}\n\n\0") == (
        f"the first frame must be CONNECT, not {command}",
        "",
    )


def test_the_command_in_a_refusal_is_cut() -> None:
    long = "N" * 30
    text = f"the first frame must be CONNECT, not {'N' * 20}"
    assert connect_error_from(ServerSession(), f"{long}\n\n\0")[0] == text
    assert connect_error_from(connected(), f"{long}\n\n\0")[0] == f"{'N' * 20} is not a frame of a client"


def test_other_protocol_is_refused() -> None:
    message, _ = connect_error_from(ServerSession(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert "is not a STOMP command" in message


def test_crlf_and_eols_before_connect_are_ignored() -> None:
    session = ServerSession()
    events = receive(session, "\r\n\nCONNECT\r\naccept-version:1.1\r\n\r\n\0\n")
    assert [type(event) for event in events] == [HeartbeatReceived, HeartbeatReceived, ConnectRequested]
    assert session.counters.heartbeats_received == 2


def test_refuse_sends_an_error_and_ends() -> None:
    session = ServerSession()
    receive(session, "CONNECT\naccept-version:1.2\n\n\0")
    session.refuse("no: entry", detail="try\nagain", receipt_id="r", headers={"x": 1})
    assert sent(session) == (
        b"ERROR\nx:1\nmessage:no\\c entry\nreceipt-id:r\ncontent-type:text/plain\ncontent-length:9\n\ntry\nagain\0"
    )
    assert session.events() == [Closed(Reason.REFUSED, None, ())]
    with pytest.raises(NotConnected):
        session.refuse("again")


def test_refusal_may_have_a_message_only() -> None:
    session = ServerSession()
    session.refuse("no")
    assert sent(session) == b"ERROR\nmessage:no\n\n\0"


def test_a_line_feed_may_follow_each_frame() -> None:
    """RabbitMQ and ActiveMQ write one. It is in the last part of the frame, so that a WebSocket carries both in one."""
    session = ServerSession(newline_after_frame=True)
    receive(session, "CONNECT\naccept-version:1.0\n\n\0")
    session.accept(0.0)
    for size in (1, 100_000):
        session.deliver(Frame("MESSAGE", Headers(a="b"), b"x" * size))
    count = session.outgoing
    parts = session.data_to_send(0.0)
    assert count == sum(map(len, parts))
    assert b"".join(parts) == (
        b"CONNECTED\n\n\0\nMESSAGE\na:b\n\nx\0\nMESSAGE\na:b\n\n" + b"x" * 100_000 + b"\0\n"
    )
    assert len(parts) == 5


def test_each_written_frame_is_reported() -> None:
    frames: list[Frame] = []
    session = ServerSession()
    session.on_frame_sent = frames.append
    receive(session, "CONNECT\naccept-version:1.2\n\n\0")
    session.accept(0.0)
    session.receipt("1")
    session.refuse("no")
    assert [frame.command for frame in frames] == ["CONNECTED", "RECEIPT", "ERROR"]


def test_refused_frame_does_not_change_the_session() -> None:
    session = ServerSession()
    receive(session, "CONNECT\naccept-version:1.2\n\n\0")
    with pytest.raises(FrameError):
        session.accept(0.0, headers={"session": "a\nb"})
    with pytest.raises(FrameError):
        session.refuse("no", headers={"x": "\0"})
    assert session.state is State.CONNECTING
    assert session.events() == []
    assert sent(session) == b""
    session.accept(0.0)
    with pytest.raises(FrameError):
        session.deliver(Frame("MESSAGE", Headers(a="\0")))
    session.deliver(Frame("MESSAGE", Headers(a="b")))


def test_methods_need_a_client() -> None:
    for session in (ServerSession(), connected()):
        if session.state is State.CONNECTED:
            session.finish_disconnect()
        with pytest.raises(NotConnected):
            session.accept(0.0)
        with pytest.raises(NotConnected):
            session.deliver(Frame("MESSAGE", Headers()))
        with pytest.raises(NotConnected):
            session.receipt("r")


# ------------------------------------------------------------------------------------- early frames


def test_early_frames_are_queued_until_the_client_is_accepted() -> None:
    session = ServerSession()
    (event,) = receive(
        session,
        "CONNECT\naccept-version:1.2\n\n\0\nSUBSCRIBE\nid:1\ndestination:/a\\cb\n\n\0\nDISCONNECT\n\n\0",
    )
    assert isinstance(event, ConnectRequested)
    session.accept(0.0)
    connected, first, second = session.events()
    assert isinstance(connected, Connected)
    assert isinstance(first, Request)
    assert first.frame.headers["destination"] == "/a:b"
    assert isinstance(second, Request)
    assert session.state is State.DISCONNECTING


def test_too_many_early_frames_are_refused() -> None:
    session = ServerSession(limits=Limits(early_frames=2))
    receive(session, "CONNECT\naccept-version:1.2\n\n\0")
    assert receive(session, "BEGIN\ntransaction:1\n\n\0" * 2) == []
    message, _ = connect_error_from(session, "BEGIN\ntransaction:3\n\n\0")
    assert message == "more than 2 frames before CONNECTED"
    assert session.closed is not None
    assert isinstance(session.closed.error, LimitExceeded)
    assert session.closed.error.limit == "early_frames"


def test_invalid_early_frame_is_refused() -> None:
    session = ServerSession()
    receive(session, "CONNECT\naccept-version:1.2\n\n\0SEND\nreceipt:r\n\nx\0SEND\ndestination:/a\n\nx\0")
    session.accept(0.0)
    first, last = session.events()
    assert isinstance(first, Connected)
    assert isinstance(last, Closed)
    assert b"message:SEND needs the header destination\nreceipt-id:r\n" in sent(session)


def test_early_frames_of_a_refused_client_are_dropped() -> None:
    session = ServerSession()
    receive(session, "CONNECT\naccept-version:1.2\n\n\0SEND\ndestination:/a\n\nx\0")
    session.refuse("no")
    assert session.events() == [Closed(Reason.REFUSED, None, ())]


# ------------------------------------------------------------------------------------- requests

PREPARED = "BEGIN\ntransaction:t\n\n\0SUBSCRIBE\nid:1\ndestination:/a\n\n\0"


@pytest.mark.parametrize(
    ("version", "frame", "message"),
    [
        ("1.2", "SEND\n", "SEND needs the header destination"),
        ("1.2", "SUBSCRIBE\nid:2\n", "SUBSCRIBE needs the header destination"),
        ("1.2", "SUBSCRIBE\ndestination:/a\n", "SUBSCRIBE needs the header id"),
        ("1.1", "SUBSCRIBE\ndestination:/a\n", "SUBSCRIBE needs the header id"),
        ("1.2", "UNSUBSCRIBE\ndestination:/a\n", "UNSUBSCRIBE needs the header id"),
        ("1.0", "UNSUBSCRIBE\n", "there is no subscription ''"),
        ("1.0", "ACK\nid:1\n", "ACK needs the header message-id"),
        ("1.1", "ACK\nmessage-id:1\n", "ACK needs the header subscription"),
        ("1.1", "NACK\nsubscription:1\n", "NACK needs the header message-id"),
        ("1.2", "ACK\nmessage-id:1\n", "ACK needs the header id"),
        ("1.0", "NACK\nmessage-id:1\n", "STOMP 1.0 has no NACK"),
        ("1.2", "BEGIN\n", "BEGIN needs the header transaction"),
        ("1.2", "COMMIT\n", "COMMIT needs the header transaction"),
        ("1.2", "ABORT\n", "ABORT needs the header transaction"),
        ("1.2", "BEGIN\ntransaction:t\n", "transaction 't' has already begun"),
        ("1.2", "COMMIT\ntransaction:u\n", "there is no transaction 'u'"),
        ("1.2", "ABORT\ntransaction:u\n", "there is no transaction 'u'"),
        ("1.2", "SEND\ndestination:/a\ntransaction:u\n", "there is no transaction 'u'"),
        ("1.2", "ACK\nid:1\ntransaction:u\n", "there is no transaction 'u'"),
        ("1.2", "SUBSCRIBE\nid:1\ndestination:/b\n", "there is a subscription '1' already"),
        ("1.2", "SUBSCRIBE\nid:2\ndestination:/b\nack:no\n", "ack must be auto, client or client-individual"),
        ("1.2", "UNSUBSCRIBE\nid:2\n", "there is no subscription '2'"),
        ("1.2", "CONNECT\n", "already connected"),
        ("1.2", "STOMP\n", "already connected"),
        ("1.2", "MESSAGE\n", "MESSAGE is not a frame of a client"),
        ("1.2", "HELLO\n", "HELLO is not a frame of a client"),
        ("1.2", "send\ndestination:/a\n", "send is not a frame of a client"),
    ],
)
def test_frames_that_a_client_must_not_send_are_refused(version: str, frame: str, message: str) -> None:
    session = connected(version)
    assert len(receive(session, PREPARED)) == 2
    command, rest = frame.split("\n", 1)
    assert connect_error_from(session, f"{command}\nreceipt:r-7\n{rest}\n\0") == (message, "r-7")
    assert session.closed is not None
    assert isinstance(session.closed.error, RemoteProtocolError)


def test_frames_that_a_client_may_send_are_accepted() -> None:
    session = connected()
    frames = [
        "BEGIN\ntransaction:t\n",
        "SEND\ndestination:/a\ntransaction:t\n",
        "SUBSCRIBE\nid:1\ndestination:/a\nack:client\n",
        "ACK\nid:1\ntransaction:t\n",
        "NACK\nid:2\n",
        "COMMIT\ntransaction:t\n",
        "BEGIN\ntransaction:t\n",
        "ABORT\ntransaction:t\n",
        "UNSUBSCRIBE\nid:1\n",
        "DISCONNECT\nreceipt:bye\n",
    ]
    events = receive(session, "\n".join(f"{frame}\n\0" for frame in frames))
    assert [f"{event.frame.command}" for event in events if isinstance(event, Request)] == [
        frame.split("\n")[0] for frame in frames
    ]
    assert session.ledger.subscriptions == {}
    assert session.state is State.DISCONNECTING


@pytest.mark.parametrize("mode", ["auto", "client", "client-individual"])
def test_modes_of_acknowledgement_are_accepted(mode: str) -> None:
    session = connected()
    (event,) = receive(session, f"SUBSCRIBE\nid:1\ndestination:/a\nack:{mode}\n\n\0")
    assert isinstance(event, Request)
    assert session.ledger.subscriptions["1"].ack == mode


def test_a_request_that_the_server_refuses_can_be_forgotten() -> None:
    ledger = Ledger()
    session = ServerSession(ledger=ledger)
    receive(session, "CONNECT\naccept-version:1.2\n\n\0")
    session.accept(0.0)
    for event in receive(session, PREPARED):
        if isinstance(event, Request):
            session.forget(event.frame)
    assert (ledger.subscriptions, ledger.transactions) == ({}, set())
    requests = [event for event in receive(session, PREPARED) if isinstance(event, Request)]
    assert len(requests) == 2
    session.forget(Frame("SEND", Headers({"destination": "/a", "id": "1", "transaction": "t"})))
    assert (list(ledger.subscriptions), ledger.transactions) == (["1"], {"t"})


def test_invalid_requests_may_be_reported_instead_of_ending_the_session() -> None:
    session = ServerSession(report_invalid=True)
    receive(session, "CONNECT\naccept-version:1.2\n\n\0")
    session.accept(0.0)
    session.events()
    sent(session)
    bad, good = receive(session, "SEND\nreceipt:r\n\n\0SEND\ndestination:/a\n\n\0")
    assert isinstance(bad, InvalidRequest)
    assert bad.frame == Frame("SEND", Headers(receipt="r"))
    assert "needs the header destination" in str(bad.error)
    assert isinstance(good, Request)
    # The ERROR about data that is no frame does not name the receipt of the frame before it.
    receive(session, "SEND\nreceipt:r\n\n\0")
    assert connect_error_from(session, "no frame\n\n\0")[1] == ""


def test_1_0_requires_fewer_headers() -> None:
    session = connected("1.0")
    events = receive(session, "SUBSCRIBE\ndestination:/a\n\n\0UNSUBSCRIBE\ndestination:/a\n\n\0")
    assert [type(event) for event in events] == [Request, Request]


def test_frames_before_an_invalid_one_are_answered_before_the_error() -> None:
    session = connected()
    good = "SEND\ndestination:/a\nreceipt:1\n\nx\0"
    session.receive_data(f"{good}{good}SEND\nreceipt:3\n\n\0".encode(), 0.0)
    assert [type(event) for event in session.events()] == [Request, Request]
    assert session.has_pending_error
    assert session.state is State.CONNECTED
    session.receipt("1")
    session.receive_data(b"more that nobody looks at\n\n\0", 1.0)
    [closed] = session.events()
    assert isinstance(closed, Closed)
    assert not session.has_pending_error
    assert session.events() == []
    first, error, _ = sent(session).split(b"\0")
    assert first == b"RECEIPT\nreceipt-id:1\n\n"
    assert error.startswith(b"ERROR\nmessage:SEND needs the header destination\nreceipt-id:3\n")


def test_end_of_stream_before_the_error_is_a_clean_end() -> None:
    session = connected()
    session.receive_data(b"SEND\ndestination:/a\n\nx\0bad bad\n\n\0", 0.0)
    session.receive_eof()
    assert [type(event) for event in session.events()] == [Request, Closed]
    assert session.events() == []
    assert session.closed is not None
    assert session.closed.reason is Reason.EOF
    assert sent(session) == b""


def test_invalid_frame_ends_the_session_and_later_ones_are_ignored() -> None:
    session = connected()
    events = receive(session, "SEND\ndestination:/a\n\nx\0SEND\n\n\0SEND\ndestination:/b\n\nx\0bad bad\n\n\0")
    assert [type(event) for event in events] == [Request, Closed]


@pytest.mark.parametrize(
    "text", ["garbage!\n\n\0", "SEND\nbad\n\n\0", "SEND\ncontent-length:1000000000000\n\n"]
)
def test_invalid_data_is_answered_with_error(text: str) -> None:
    assert connect_error_from(connected(), text)[1] == ""


def test_an_error_about_one_frame_does_not_name_the_receipt_of_another() -> None:
    assert connect_error_from(connected(), "SEND\ndestination:/a\nreceipt:r\n\nx\0bad!\n\n\0")[1] == ""


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_receipt_id_that_cannot_be_encoded_is_refused(version: str) -> None:
    message, receipt = connect_error_from(connected(version), "SEND\nreceipt:a\rb\n\n\0")
    assert "receipt id" in message
    assert receipt == ""


def test_receipt_id_is_escaped_in_the_receipt() -> None:
    session = connected()
    receive(session, "SEND\ndestination:/a\nreceipt:a\\r\\n\\c\\\\b\n\nx\0")
    session.receipt("a\r\n:\\b")
    assert sent(session) == b"RECEIPT\nreceipt-id:a\\r\\n\\c\\\\b\n\n\0"
    assert connect_error_from(session, "SEND\nreceipt:x\\ny\n\n\0")[1] == "x\\ny"


def test_deliver_sends_a_message() -> None:
    session = connected()
    session.deliver(Frame("MESSAGE", Headers({"subscription": "1", "message-id": "a:b"}), b"x"))
    assert sent(session) == b"MESSAGE\nsubscription:1\nmessage-id:a\\cb\n\nx\0"


def test_disconnect_is_answered_and_ends() -> None:
    session = connected()
    receive(session, "DISCONNECT\nreceipt:bye\n\n\0")
    session.receipt("bye")
    session.finish_disconnect()
    assert session.events() == [Closed(Reason.CLEAN, None, ())]
    assert sent(session) == b"RECEIPT\nreceipt-id:bye\n\n\0"


def test_nothing_may_follow_disconnect() -> None:
    assert (
        connect_error_from(connected(), "DISCONNECT\n\n\0SEND\ndestination:/a\n\nx\0")[0]
        == "SEND after DISCONNECT"
    )


def test_client_that_closes_after_disconnect_is_clean() -> None:
    session = connected()
    receive(session, "DISCONNECT\n\n\0")
    session.receive_eof()
    assert session.events() == [Closed(Reason.CLEAN, None, ())]
