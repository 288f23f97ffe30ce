"""stomp.core.session.base: what both ends have in common."""

import pytest

from stomp.core.errors import (
    ConnectionLost,
    HeartbeatLost,
    LimitExceeded,
    NotConnected,
    RemoteProtocolError,
    UsageError,
)
from stomp.core.frames.commands import send
from stomp.core.frames.encoder import encode
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.limits import Limits
from stomp.core.frames.versions import STOMP12
from stomp.core.session.base import Session
from stomp.core.session.client import ClientSession
from stomp.core.session.events import Closed, HeartbeatReceived, HeartbeatSent, MessageFrame, Reason, Request
from stomp.core.session.ledger import Ledger
from stomp.core.session.server import ServerSession
from stomp.core.session.state import State
from stomp.testing import SessionPair

pytestmark = pytest.mark.usefixtures("each_codec")


def closed(session: Session) -> Closed:
    """The only `Closed` of a session, which is its last event."""
    events = session.events()
    assert [type(event) is Closed for event in events].count(True) == 1
    assert events[-1] is session.closed
    assert session.closed is not None
    return session.closed


# ------------------------------------------------------------------------------------- heart-beats


def test_heartbeats_are_negotiated() -> None:
    server = ServerSession(heartbeat=(500, 4000))
    client = ClientSession()
    pair = SessionPair(client, server)
    client.connect(heartbeat=(1000, 2000))
    pair.run()
    server.accept(0.0)
    pair.run()
    assert client.heartbeat == (4000, 2000)
    assert server.heartbeat == (2000, 4000)
    # The server's beat is due at 0.8 x 2 s, the client's at 0.8 x 4 s; silence ends twice as late as agreed.
    assert server.next_deadline() == 1.6
    assert client.next_deadline() == 3.2


def test_directly_read_bytes_count_as_activity() -> None:
    pair = SessionPair.connected("1.2", heartbeat=(1000, 1000))
    client = pair.client
    before = client.counters.bytes_received
    head = b"MESSAGE\nsubscription:1\ncontent-length:900000\n\n"
    client.receive_data(head, pair.clock.now)
    assert client.wants_direct_read
    assert client.read_into(lambda room: room.nbytes) == 900_000
    client.add_direct_bytes(900_000, pair.clock.now + 1.5)
    assert client.last_read == pair.clock.now + 1.5
    assert not client.wants_direct_read
    assert client.counters.bytes_received == before + len(head) + 900_000
    client.receive_data(b"\0", pair.clock.now + 1.6)
    assert [type(event) for event in client.events()][-1] is MessageFrame


def test_both_sides_send_heartbeats_and_stay_connected() -> None:
    pair = SessionPair.connected("1.2", heartbeat=(1000, 1000))
    pair.advance(60.0)
    assert pair.client.state is pair.server.state is State.CONNECTED
    assert pair.client.counters.heartbeats_sent == pair.server.counters.heartbeats_received == 75
    assert pair.client.counters.heartbeats_received == 75
    assert set(map(type, pair.client_end.pop_events())) == {HeartbeatSent, HeartbeatReceived}


def test_frames_count_as_heartbeats() -> None:
    pair = SessionPair.connected("1.2", heartbeat=(1000, 1000))
    for _ in range(20):
        pair.client.send("/queue/a", b"x")
        pair.advance(0.5)
    assert pair.client.counters.heartbeats_sent == 0
    assert pair.server.state is State.CONNECTED


def test_timeout_is_two_intervals() -> None:
    pair = SessionPair.connected("1.2", heartbeat=(1000, 1000))
    client = pair.client
    client.receive_data(b"\n", 0.0)
    client.events()
    client.tick(1.9)
    assert client.state is State.CONNECTED
    assert client.next_deadline() == 2.0
    assert not client.is_timed_out(1.9)
    assert client.is_timed_out(2.0)
    client.tick(2.0)
    end = closed(client)
    assert end.reason is Reason.HEARTBEAT
    assert isinstance(end.error, HeartbeatLost)
    assert end.error.silence == 2.0
    assert "sent nothing for 2.0 s" in str(end.error)
    assert client.next_deadline() is None
    client.tick(100.0)
    assert client.events() == []


def test_tolerance_is_configurable() -> None:
    client = ClientSession(tolerance=1.5)
    pair = SessionPair(client, ServerSession(heartbeat=(1000, 1000)))
    client.connect(heartbeat=(1000, 1000))
    pair.run()
    pair.server.accept(0.0)
    pair.run()
    client.receive_data(b"\n", 0.0)
    client.tick(1.4)
    assert client.state is State.CONNECTED
    client.tick(1.5)
    assert closed(client).reason is Reason.HEARTBEAT


def test_broker_that_polls_once_per_interval_stays_connected() -> None:
    """ActiveMQ: a frame counts for the interval it was sent in, so the next beat may be two intervals away."""
    client = ClientSession(tolerance=1.5)
    pair = SessionPair(client, ServerSession(heartbeat=(1000, 1000)))
    client.connect(heartbeat=(0, 1000))
    pair.run()
    pair.server.accept(0.0)
    pair.run()
    beat, frame = b"\n", b"RECEIPT\nreceipt-id:1\n\n\0\n"
    for at, data in [
        (2.0, beat),
        (3.0, beat),
        (3.01, frame),
        (5.0, beat),
        (6.0, beat),
        (6.9, frame),
        (8.0, beat),
    ]:
        client.tick(at)
        client.receive_data(data, at)
    assert client.state is State.CONNECTED


def test_silence_counts_bytes_not_frames() -> None:
    pair = SessionPair.connected("1.2", heartbeat=(1000, 1000))
    client = pair.client
    message = b"MESSAGE\nsubscription:1\nmessage-id:1\ndestination:/queue/a\n\n" + b"x" * 10
    now = 0.0
    for at in range(len(message)):
        now += 1.9
        client.receive_data(message[at : at + 1], now)
        client.tick(now)
    assert client.state is State.CONNECTED
    assert client.events().count(HeartbeatSent()) == len(message)


def test_unread_bytes_count_as_activity() -> None:
    pair = SessionPair.connected("1.2", heartbeat=(1000, 1000))
    pair.client.note_activity(1.9)
    pair.client.tick(4.8)
    assert pair.client.state is State.CONNECTED
    pair.client.tick(4.9)
    assert closed(pair.client).reason is Reason.HEARTBEAT


def test_written_frames_delay_the_next_heartbeat() -> None:
    pair = SessionPair.connected("1.2", heartbeat=(1000, 1000))
    client = pair.client
    assert client.next_deadline() == 0.8
    client.send("/queue/a", b"x")
    client.data_to_send(0.5)
    assert client.next_deadline() == 1.3
    client.tick(1.3)
    assert client.data_to_send(1.3) == [b"\n"]
    client.receive_data(b"\n", 1.3)
    assert client.next_deadline() == 2.1


def test_without_heartbeats_there_is_no_deadline() -> None:
    pair = SessionPair.connected("1.2")
    assert pair.client.heartbeat == (0, 0)
    assert pair.client.next_deadline() is None
    pair.advance(1e6)
    assert pair.client.state is State.CONNECTED


def test_heartbeats_are_negotiated_for_each_connection() -> None:
    ledger = Ledger()
    for theirs, agreed in [((0, 0), (0, 0)), ((1000, 1000), (1000, 1000)), ((5000, 0), (0, 5000))]:
        client = ClientSession(ledger=ledger)
        pair = SessionPair(client, ServerSession(heartbeat=theirs))
        client.connect(heartbeat=(1000, 1000))
        pair.run()
        pair.server.accept(0.0)
        pair.run()
        assert client.heartbeat == agreed
        pair.cut()


def test_the_loss_is_measured_from_the_last_byte() -> None:
    pair = SessionPair.connected("1.2", heartbeat=(1000, 1000))
    pair.client.receive_data(b"\n", 10.0)
    pair.client.tick(12.5)
    error = closed(pair.client).error
    assert isinstance(error, HeartbeatLost)
    assert error.silence == 2.5


def test_a_driver_is_told_when_a_deadline_may_be_earlier() -> None:
    pair = SessionPair.connected("1.2")
    assert pair.client.deadline_moved_up is False  # there is none
    session = SessionPair.connected("1.2", heartbeat=(1000, 1000)).client
    assert session.deadline_moved_up is True
    session.deadline_moved_up = False
    before = session.next_deadline()
    # After a heart-beat the peer may be silent for two intervals, after other bytes for three.
    for data, moved in [
        (b"RECEIPT\n\n\0", False),
        (b"\n", True),
        (b"\n", False),
        (b"X\n\n\0", False),
        (b"\n", True),
    ]:
        session.receive_data(data, 0.0)
        assert session.deadline_moved_up is moved
        session.deadline_moved_up = False
    assert session.next_deadline() == before


def test_without_heartbeats_nobody_times_out() -> None:
    session = SessionPair.connected("1.2").client
    assert session.last_read is None
    assert not session.is_timed_out(1e9)


# ------------------------------------------------------------------------------------- the end


@pytest.mark.parametrize(
    ("heartbeat", "written", "now", "idle"),
    [
        ((0, 0), 100.0, 130.0, True),
        ((0, 1000), 100.0, 130.0, True),
        ((1000, 0), 100.0, 130.0, False),
        ((0, 0), 100.0, 129.0, False),
        ((0, 0), 100.0, None, False),
    ],
)
def test_a_connection_that_was_idle_ends_with_a_hint(
    heartbeat: tuple[int, int], written: float, now: float | None, idle: bool
) -> None:
    """Brokers close the connection of a client that has sent nothing for some time."""
    pair = SessionPair(None, ServerSession(heartbeat=None))
    pair.client.connect(heartbeat=heartbeat)
    pair.run()
    pair.server.accept(0.0)
    pair.run()
    pair.client.send("/queue/a", b"x")
    pair.client.data_to_send(written)
    pair.client.receive_eof(None, now)
    error = closed(pair.client).error
    assert isinstance(error, ConnectionLost)
    assert ("request heart-beats" in error.hint) is idle


@pytest.mark.parametrize("session", [ClientSession, ServerSession])
def test_eof_before_connect_ends_the_session(session: type[Session]) -> None:
    subject = session()
    subject.receive_eof()
    end = closed(subject)
    assert end.reason is Reason.EOF
    assert str(end.error) == "the peer closed the connection"


def test_eof_while_connecting_ends_the_session() -> None:
    pair = SessionPair()
    pair.client.connect()
    pair.run()
    pair.cut()
    for end in (pair.client_end, pair.server_end):
        last = end.pop_events()[-1]
        assert isinstance(last, Closed)
        assert last.reason is Reason.EOF
        assert isinstance(last.error, ConnectionLost)


def test_eof_while_connected_lists_pending_receipts() -> None:
    pair = SessionPair.connected("1.2")
    ticket = pair.client.send("/queue/a", b"x", receipt="r")
    pair.client.receive_eof()
    end = closed(pair.client)
    assert (end.reason, end.unanswered) == (Reason.EOF, (ticket,))
    assert str(end.error) == "the peer closed the connection"


def test_eof_within_a_frame_is_reported() -> None:
    pair = SessionPair.connected("1.2")
    pair.client.receive_data(b"MESS", 0.0)
    pair.client.receive_eof()
    assert "in the middle of a frame" in str(closed(pair.client).error)


def test_last_error_is_in_the_reason_of_the_end() -> None:
    pair = SessionPair.connected("1.2")
    pair.client.receive_data(b"ERROR\nmessage:Server cancelled subscription\n\n\0", 0.0)
    pair.client.receive_eof()
    assert "its last ERROR said: Server cancelled subscription" in str(closed(pair.client).error)


def test_a_broken_connection_keeps_its_cause() -> None:
    pair = SessionPair.connected("1.2")
    cause = ConnectionResetError(104, "reset")
    pair.client.receive_eof(cause)
    end = closed(pair.client)
    assert end.reason is Reason.FAILED
    assert end.error is not None
    assert end.error.__cause__ is cause
    assert "reset" in str(end.error)


@pytest.mark.parametrize("cause", [None, OSError("reset")])
def test_eof_after_disconnect_is_clean(cause: OSError | None) -> None:
    pair = SessionPair.connected("1.2")
    ticket = pair.client.disconnect("bye")
    pair.client.receive_eof(cause)
    end = closed(pair.client)
    assert (end.reason, end.error, end.unanswered) == (Reason.CLEAN, None, (ticket,))


def test_abort_ends_the_session() -> None:
    pair = SessionPair.connected("1.2")
    ticket = pair.client.send("/queue/a", b"x", receipt="r")
    error = UsageError("enough")
    assert pair.client.outgoing > 0
    pair.client.abort(error)
    pair.client.abort()
    assert pair.client.outgoing == 0
    assert pair.client.data_to_send(0.0) == []
    end = closed(pair.client)
    assert (end.reason, end.error, end.unanswered) == (Reason.ABORTED, error, (ticket,))


@pytest.mark.parametrize("side", ["client", "server"])
def test_closed_session_ignores_everything(side: str) -> None:
    pair = SessionPair.connected("1.2", heartbeat=(1000, 1000))
    session: Session = getattr(pair, side)
    session.abort()
    closed(session)
    session.receive_data(b"garbage\n\n\0\n\n", 1.0)
    session.receive_eof()
    session.receive_eof(OSError("x"))
    session.tick(100.0)
    session.abort()
    assert session.events() == []
    assert session.data_to_send(100.0) == []
    assert session.next_deadline() is None
    assert session.heartbeat == (0, 0)


def test_garbage_ends_the_client_at_once() -> None:
    pair = SessionPair.connected("1.2")
    pair.client.receive_data(b"MESSAGE\nmessage-id:1\n\nx\0garbage!\n\n\0MESSAGE\n\n\0", 0.0)
    events = pair.client.events()
    assert [type(event) for event in events] == [MessageFrame, Closed]
    assert pair.client.closed is events[-1]
    assert pair.client.closed.reason is Reason.PROTOCOL
    assert isinstance(pair.client.closed.error, RemoteProtocolError)
    assert pair.client.data_to_send(0.0) == []


@pytest.mark.parametrize(
    "end",
    [
        b"RECEIPT\nreceipt-id:bye\n\n\0",
        b"ERROR\nreceipt-id:bye\n\n\0",
    ],
)
@pytest.mark.parametrize("rest", [b"", b"\n\n", b"garbage\n\n\0", b"MESSAGE\n\n\0", b"RECEIPT\n", b"\0"])
@pytest.mark.parametrize("gap", [b"", b"\n"])
def test_data_after_the_end_is_ignored(end: bytes, rest: bytes, gap: bytes) -> None:
    pair = SessionPair.connected("1.2")
    pair.client.disconnect("bye")
    pair.client.receive_data(end + gap + rest, 0.0)
    closed(pair.client)


@pytest.mark.parametrize("rest", [b"", b"\n\n", b"garbage\n\n\0", b"CONNECTED\n\n\0", b"\0"])
def test_data_after_a_refusal_is_ignored(rest: bytes) -> None:
    client = ClientSession()
    client.connect()
    client.receive_data(b"ERROR\nmessage:no\n\n\0" + rest, 0.0)
    assert closed(client).reason is Reason.REFUSED
    server = ServerSession()
    server.receive_data(b"CONNECT\naccept-version:9\n\n\0" + rest, 0.0)
    assert closed(server).reason is Reason.REFUSED


# ------------------------------------------------------------------------------------- the rest


def test_counters_count_frames_and_bytes() -> None:
    pair = SessionPair.connected("1.2", heartbeat=(1000, 1000))
    pair.client.send("/queue/a", b"x")
    pair.server.receipt("1")
    pair.server.receipt("2")
    pair.advance(0.8)
    for one, other in [(pair.client, pair.server), (pair.server, pair.client)]:
        sent, received = one.counters, other.counters
        assert sent.frames_sent == received.frames_received
        assert sent.bytes_sent == received.bytes_received > 0
        assert sent.heartbeats_sent == received.heartbeats_received
    assert pair.client.counters.frames_sent == 2
    assert pair.server.counters.frames_sent == 3


@pytest.mark.parametrize("side", ["client", "server"])
def test_outgoing_is_what_will_be_written(side: str) -> None:
    pair = SessionPair.connected("1.2")
    session: Session = getattr(pair, side)
    for size in (0, 100, 1_000_000, 1):
        frame = Frame("MESSAGE" if side == "server" else "SEND", Headers(destination="/queue/a"), bytes(size))
        frame.headers["content-length"] = str(size)
        if isinstance(session, ServerSession):
            session.deliver(frame)
        else:
            pair.client.transmit(frame)
        session.send_raw(b"\r\n")
    written = session.outgoing
    assert written == sum(map(len, session.data_to_send(0.0))) > 1_000_101
    assert session.outgoing == 0


def test_raw_bytes_are_sent_unchanged_until_the_end() -> None:
    session = ClientSession()
    session.send_raw(b"\0 anything")
    assert session.data_to_send(0.0) == [b"\0 anything"]
    session.abort()
    session.send_raw(b"x")
    assert session.data_to_send(0.0) == []


def test_limits_are_those_of_the_session() -> None:
    limits = Limits(body=10)
    pair = SessionPair(ClientSession(limits=limits), ServerSession(limits=limits))
    pair.client.connect()
    pair.run()
    pair.server.accept(0.0)
    pair.run()
    for session, command in ((pair.client, "MESSAGE"), (pair.server, "SEND")):
        session.receive_data(f"{command}\ndestination:/queue/a\ncontent-length:11\n\n".encode(), 0.0)
        session.events()
        assert session.closed is not None
        assert isinstance(session.closed.error, LimitExceeded)


def test_each_session_is_a_generation_of_its_ledger() -> None:
    ledger = Ledger()
    sessions = []
    for _ in range(3):
        session = ClientSession(ledger=ledger)
        session.abort()
        sessions.append(session)
    assert [session.generation for session in sessions] == [1, 2, 3]


def test_large_body_is_sent_without_a_copy() -> None:
    pair = SessionPair.connected("1.2")
    body = b"x" * 1_000_000
    pair.client.transmit(send("/queue/a", body))
    assert any(part is body for part in pair.client.data_to_send(0.0))


def test_methods_need_a_connection() -> None:
    session = ClientSession()
    for verb in (
        lambda: session.send("/queue/a", b""),
        lambda: session.subscribe("/queue/a", "1"),
        lambda: session.unsubscribe("1"),
        lambda: session.ack("1"),
        lambda: session.begin("t"),
        lambda: session.commit("t"),
        lambda: session.rollback("t"),
        lambda: session.disconnect(),
    ):
        with pytest.raises(NotConnected, match="connect first"):
            verb()
    session.abort()
    with pytest.raises(NotConnected, match="connect again"):
        session.send("/queue/a", b"")
    with pytest.raises(NotConnected, match="connect again"):
        session.connect()


def test_frame_is_received_as_sent() -> None:
    pair = SessionPair.connected("1.2")
    pair.client.send("/queue/a:\n\\", b"a\0b", headers={"x:y": "1\r\n2"})
    pair.run()
    (request,) = pair.server_end.pop_events()
    assert isinstance(request, Request)
    assert encode(request.frame, STOMP12).startswith(
        b"SEND\nx\\cy:1\\r\\n2\ndestination:/queue/a\\c\\n\\\\\n"
    )
    assert request.frame.body == b"a\0b"
