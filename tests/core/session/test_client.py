"""stomp.core.session.client"""

from typing import Any, NamedTuple

import pytest

from stomp.core.errors import (
    AuthenticationFailed,
    BrokerError,
    ConnectionLost,
    FrameError,
    NotConnected,
    ReceiptMissing,
    RemoteProtocolError,
    Unsupported,
    UsageError,
)
from stomp.core.frames import commands
from stomp.core.frames.encoder import encode
from stomp.core.frames.frame import Frame, Headers
from stomp.core.frames.versions import STOMP12, VERSIONS
from stomp.core.session.base import FrameCheck
from stomp.core.session.client import ClientSession
from stomp.core.session.error_frames import error_text
from stomp.core.session.events import (
    Closed,
    Connected,
    Error,
    Event,
    HeartbeatReceived,
    MessageFrame,
    Reason,
    Receipt,
    ReceiptOverdue,
    Unknown,
)
from stomp.core.session.ledger import Ledger
from stomp.core.session.state import State

pytestmark = pytest.mark.usefixtures("each_codec")


def connecting(
    *versions: str, deadline: float | None = None, heartbeat: tuple[int, int] = (0, 0)
) -> ClientSession:
    """A client that has said CONNECT."""
    session = ClientSession()
    session.connect(versions or ("1.0", "1.1", "1.2"), "/", deadline=deadline, heartbeat=heartbeat)
    sent(session)
    return session


def connected(version: str = "1.2", *, ledger: Ledger | None = None) -> ClientSession:
    """A client that is connected."""
    session = ClientSession(ledger=ledger)
    session.connect([version], "/")
    receive(session, f"CONNECTED\nversion:{version}\n\n\0")
    sent(session)
    return session


def sent(session: ClientSession) -> bytes:
    return b"".join(session.data_to_send(0.0))


def receive(session: ClientSession, text: str, now: float = 0.0) -> list[Event]:
    session.receive_data(text.encode(), now)
    return session.events()


def the_end(events: list[Event]) -> Closed:
    (end,) = (event for event in events if isinstance(event, Closed))
    assert events[-1] is end
    return end


# ------------------------------------------------------------------------------------- negotiation


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_version_of_connected_is_used(version: str) -> None:
    session = connecting()
    (event,) = receive(session, f"CONNECTED\nversion:{version}\nsession:x\n\n\0\n")
    assert isinstance(event, Connected)
    assert event.version is session.version
    assert event.version.number == version
    assert event.frame.headers["session"] == "x"
    assert session.state is State.CONNECTED


@pytest.mark.parametrize("offered", [("1.0",), ("1.0", "1.1", "1.2"), ("1.2",)])
def test_missing_version_means_1_0(offered: tuple[str, ...]) -> None:
    session = connecting(*offered)
    receive(session, "CONNECTED\nsession:wow\n\n\0")
    assert session.version is not None
    assert session.version.number == "1.0"


@pytest.mark.parametrize(
    ("offered", "expected"),
    [(("1.0", "1.1"), "1.2"), (("1.2",), "1.1"), (("1.1",), "1.0"), (("1.2",), "2.0"), (("1.2",), "")],
)
def test_version_that_was_not_offered_is_refused(offered: tuple[str, ...], expected: str) -> None:
    session = connecting(*offered)
    end = the_end(receive(session, f"CONNECTED\nversion:{expected}\n\n\0"))
    assert end.reason is Reason.PROTOCOL
    assert f"chose version {expected!r}, offered was {','.join(offered)}" in str(end.error)


def test_connect_frame_offers_the_versions() -> None:
    session = ClientSession()
    session.connect(["1.1", "1.2"], "vhost", login="u", passcode="p:q", heartbeat=(1, 2))
    assert sent(session) == (
        b"CONNECT\naccept-version:1.1,1.2\nhost:vhost\nlogin:u\npasscode:p:q\nheart-beat:1,2\n\n\0"
    )
    assert session.state is State.CONNECTING


def test_stomp_command_is_used_without_1_0() -> None:
    session = ClientSession()
    session.connect(["1.2"], command="STOMP")
    assert sent(session).startswith(b"STOMP\n")
    assert session.state is State.CONNECTING


@pytest.mark.parametrize("versions", [["2.0"], ["1.2", "1.3"], [], [""]])
def test_unknown_versions_are_refused(versions: list[str]) -> None:
    session = ClientSession()
    with pytest.raises(UsageError, match="STOMP has no version"):
        session.connect(versions)
    assert session.state is State.IDLE
    assert sent(session) == b""


@pytest.mark.parametrize("heartbeat", [(-1, 0), (0, -5)])
def test_invalid_heartbeat_argument_is_a_usage_error(heartbeat: tuple[int, int]) -> None:
    session = ClientSession()
    with pytest.raises(UsageError, match="heart-beat"):
        session.connect(heartbeat=heartbeat)
    assert session.state is State.IDLE
    assert sent(session) == b""


def test_refused_frame_does_not_change_the_session() -> None:
    session = ClientSession()
    with pytest.raises(FrameError):
        session.connect(passcode="a\nb")
    assert session.state is State.IDLE
    session.connect()
    with pytest.raises(NotConnected):
        session.connect()


def test_malformed_heartbeat_of_the_broker_is_refused() -> None:
    """It matters to those who want heart-beats, and to nobody else."""
    answer = "CONNECTED\nversion:1.2\nheart-beat:x\n\n\0"
    end = the_end(receive(connecting(heartbeat=(0, 1000)), answer))
    assert end.reason is Reason.PROTOCOL
    assert "heart-beat" in str(end.error)
    for session, text in (
        (connecting(), answer),
        (connecting(heartbeat=(5, 5)), "CONNECTED\nversion:1.2\n\n\0"),
    ):
        (event,) = receive(session, text)
        assert isinstance(event, Connected)
        assert event.heartbeat == (0, 0)


# ------------------------------------------------------------------------------------- ERROR frames that are broken

#: What a broker may get wrong in an ERROR, and what it says all the same.
BROKEN_ERRORS = [
    "ERROR\nmessage:not today\ncontent-length:3\n\ntoo late\0",
    "ERROR\nmessage:not today\ncontent-length:0\n\ntoo late\0",
    "ERROR\nmessage:not today\ncontent-length:-1\n\ntoo late\0",
    "ERROR\nmessage:not today\ncontent-length:many\n\ntoo late\0",
    "ERROR\nmessage:not today\ncontent-length:999999999999\n\ntoo late\0",
    "ERROR\nmessage:not today\ncontent-length:9\ncontent-length:8\n\ntoo late\0",
    "ERROR\nmessage:not today\ncontent-length:500\n\ntoo late\0",
    "ERROR\nmessage:not today\ncontent-length:9\n\ntoo late\0",
    "ERROR\nmessage:not today\n\ntoo late\0 and more",
    "ERROR\nmessage:not today: too late\0",
    "ERROR\r\nmessage:not today: too late\r\n\0",
    "ERROR\nmessage:not today\n\ntoo late",  # it closes before it has said all
]


@pytest.mark.parametrize("data", BROKEN_ERRORS)
@pytest.mark.parametrize("cut", [1, 10_000])
@pytest.mark.parametrize("learned", [True, False])
def test_text_of_a_malformed_error_is_in_the_events_and_the_reason(
    data: str, cut: int, learned: bool
) -> None:
    session = connected()
    for _ in range(3 * learned):
        receive(session, "ERROR\nmessage:not today\ncontent-length:5\n\nearly\0")
    events = [event for at in range(0, len(data), cut) for event in receive(session, data[at : at + cut])]
    session.receive_eof()
    events += session.events()
    (error,) = (event for event in events if isinstance(event, Error))
    assert error_text(error.frame).startswith("not today: too late")
    assert error_text(error.frame) in str(the_end(events).error)


@pytest.mark.parametrize("data", BROKEN_ERRORS)
def test_malformed_error_instead_of_connected_refuses_the_connection(data: str) -> None:
    session = connecting()
    events = [*receive(session, data)]
    session.receive_eof()
    end = the_end(events + session.events())
    assert end.reason is Reason.REFUSED
    assert isinstance(end.error, BrokerError)
    assert "not today: too late" in str(end.error)


def test_malformed_error_of_a_silent_broker_is_shown() -> None:
    waiting = connecting(deadline=5.0)
    assert receive(waiting, "ERROR\nmessage:not today\ncontent-length:500\n\ntoo late\0") == []
    waiting.tick(5.0)
    end = the_end(waiting.events())
    assert end.reason is Reason.REFUSED
    assert "not today: too late" in str(end.error)


def test_only_an_error_is_accepted_unfinished() -> None:
    for data in ("MESSAGE\nsubscription:1\n\nhel", "RECEIPT\nreceipt-id:1\n\n", "ERROR\nmess", ""):
        session = connected()
        receive(session, data)
        session.receive_eof()
        (end,) = session.events()
        assert isinstance(end, Closed)


def test_strict_client_refuses_a_malformed_error() -> None:
    session = ClientSession(lenient=False)
    session.connect(["1.2"], "/")
    end = the_end(receive(session, BROKEN_ERRORS[0]))
    assert end.reason is Reason.PROTOCOL


def test_missing_connected_times_out() -> None:
    session = connecting(deadline=5.0)
    assert session.next_deadline() == 5.0
    session.tick(4.9)
    assert session.events() == []
    session.tick(5.0)
    end = the_end(session.events())
    assert end.reason is Reason.TIMEOUT
    assert isinstance(end.error, ConnectionLost)
    assert "did not answer CONNECT" in str(end.error)


def test_connected_ends_the_deadline() -> None:
    session = connecting("1.2", deadline=5.0)
    receive(session, "CONNECTED\nversion:1.2\n\n\0")
    assert session.next_deadline() is None


@pytest.mark.parametrize("command", ["MESSAGE", "RECEIPT", "WHATEVER"])
def test_frames_before_connected_are_refused(command: str) -> None:
    end = the_end(receive(connecting(), f"{command}\n\n\0"))
    assert end.reason is Reason.PROTOCOL
    assert f"{command} while connecting" in str(end.error)


def test_frames_before_connect_are_refused() -> None:
    end = the_end(receive(ClientSession(), "CONNECTED\n\n\0"))
    assert end.reason is Reason.PROTOCOL
    assert str(end.error) == "the broker sent CONNECTED while idle"
    assert the_end(receive(ClientSession(), "ERROR\n\n\0")).reason is Reason.REFUSED


def test_second_connected_is_refused() -> None:
    end = the_end(receive(connected(), "CONNECTED\nversion:1.2\n\n\0"))
    assert end.reason is Reason.PROTOCOL
    assert str(end.error) == "the broker sent CONNECTED while connected"


def test_the_command_in_a_refusal_is_cut() -> None:
    end = the_end(receive(connecting(), "N" * 30 + "\n\n\0"))
    assert str(end.error) == f"the broker sent {'N' * 20} while connecting"


def test_eols_before_connected_are_harmless() -> None:
    session = connecting("1.2")
    events = receive(session, "\n\nCONNECTED\nversion:1.2\n\n\0\n\n\n")
    assert [type(event) for event in events] == [HeartbeatReceived, HeartbeatReceived, Connected]
    assert session.counters.heartbeats_received == 2


def test_frames_and_heartbeats_of_each_read_are_counted() -> None:
    session = connected()
    for n in (1, 3, 2):
        receive(session, "\n" * n + MESSAGE.format(1) * n + "RECEIPT\nreceipt-id:1\n\n\0\n")
    assert session.counters.frames_received == 1 + 6 + 3
    assert session.counters.heartbeats_received == 6


# ------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("frame", "kind", "hint"),
    [
        ("ERROR\nmessage:Bad CONNECT\n\nAccess refused for user 'guest'\n", AuthenticationFailed, "passcode"),
        ("ERROR\nmessage:User name [x] or password is invalid.\n\n", AuthenticationFailed, "passcode"),
        ("ERROR\nmessage:Bad CONNECT\n\nVirtual host 'x' access denied", BrokerError, "virtual host"),
        ("ERROR\nmessage:Version mismatch\n\nSupported versions are 1.0,1.1,1.2", BrokerError, ""),
        ("ERROR\n\n", BrokerError, ""),
    ],
)
def test_error_before_connected_refuses_the_connection(
    frame: str, kind: type[BrokerError], hint: str
) -> None:
    session = connecting()
    first, last = receive(session, frame + "\0")
    assert isinstance(first, Error)
    assert first.ticket is None
    assert isinstance(last, Closed)
    assert last.reason is Reason.REFUSED
    assert type(last.error) is kind
    assert isinstance(last.error, BrokerError)
    assert last.error.frame is first.frame
    assert hint in last.error.hint
    assert session.state is State.CLOSED


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({"message": "no"}, b"", "no"),
        ({}, b"why\nnot", "why"),
        ({}, b"", "no reason given"),
        ({"message": "no such queue"}, b"no such queue '/a'\n\tat java.lang", "no such queue '/a'"),
        ({"message": "x" * 400}, b"y" * 400, "x" * 400 + ": " + "y" * 95 + "..."),
        ({"message": "a"}, b"\xff\0", "a: \ufffd\\x00"),
    ],
)
def test_text_of_an_error_is_found(headers: dict[str, str], body: bytes, words: str) -> None:
    assert error_text(Frame("ERROR", Headers(headers), body)) == words


# ------------------------------------------------------------------------------------- methods for the frames


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_methods_send_the_frames_of_their_arguments(version: str) -> None:
    more: dict[str, Any] = {"receipt": "r", "headers": {"x": "y"}, "deadline": 7.0}
    within = {**more, "transaction": "t"}
    frames = [
        (lambda s: s.send("/a", b"x", content_type="text/plain", **within),
         commands.send("/a", b"x", content_type="text/plain", transaction="t", receipt="r", headers={"x": "y"})),
        (lambda s: s.send("/a", b"x", content_length=False), commands.send("/a", b"x", content_length=False)),
        (lambda s: s.subscribe("/a", "1", ack="client", **more),
         commands.subscribe(VERSIONS[version], "/a", "1", ack="client", receipt="r", headers={"x": "y"})),
        (lambda s: s.unsubscribe("1", destination="/a", **more),
         commands.unsubscribe(VERSIONS[version], "1", destination="/a", receipt="r", headers={"x": "y"})),
        (lambda s: s.ack("m", "1", **within),
         commands.ack(VERSIONS[version], "m", "1", transaction="t", receipt="r", headers={"x": "y"})),
    ]  # fmt: skip
    if version != "1.0":
        frames.append(
            (
                lambda s: s.ack("m", "1", negative=True),
                commands.ack(VERSIONS[version], "m", "1", negative=True),
            )
        )
    for method, frame in frames:
        session = connected(version)
        ticket = method(session)
        assert sent(session) == encode(frame, VERSIONS[version])
        assert (ticket is not None) is ("receipt" in frame.headers)
        assert session.next_deadline() == (7.0 if ticket else None)


def test_unsubscribe_needs_what_the_version_needs() -> None:
    with pytest.raises(UsageError, match=r"UNSUBSCRIBE needs an id in STOMP 1.1"):
        connected("1.1").unsubscribe(destination="/a")
    session = connected("1.0")
    session.unsubscribe(destination="/a")
    assert sent(session) == b"UNSUBSCRIBE\ndestination:/a\n\n\0"


@pytest.mark.parametrize("escaped", [False, True])
def test_what_looks_like_an_escape_is_escaped_once(escaped: bool) -> None:
    session = connected()
    session.transmit(Frame("SEND", Headers({"a": "b\\nc"})), escaped=escaped)
    assert sent(session) == (b"SEND\na:b\\nc\n\n\0" if escaped else b"SEND\na:b\\\\nc\n\n\0")


def test_connect_may_have_headers_of_its_own() -> None:
    session = ClientSession()
    assert session.next_deadline() is None
    session.connect(["1.2"], headers={"client-id": "me"})
    assert b"\nclient-id:me\n" in sent(session)


def test_connect_frame_with_invalid_heartbeat_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        ClientSession().transmit(Frame("CONNECT", Headers({"accept-version": "1.2", "heart-beat": "x"})))
    assert "heart-beat" in str(caught.value)
    assert "two numbers of milliseconds" in str(caught.value.hint)


def test_refusal_names_the_frame_and_what_to_do() -> None:
    session = connecting("1.1", "1.2")
    with pytest.raises(UsageError, match="SEND before a version was negotiated") as early:
        session.send("/queue/a", b"x")
    assert "wait for CONNECTED" in str(early.value.hint)
    with pytest.raises(UsageError, match="no version was negotiated yet") as early:
        session.subscribe("/queue/a", "1")
    assert "wait for CONNECTED" in str(early.value.hint)
    session = connecting("1.2")
    session.disconnect()
    with pytest.raises(NotConnected, match="SEND after DISCONNECT") as late:
        session.send("/queue/a", b"x")
    assert "connect again" in str(late.value.hint)


# ------------------------------------------------------------------------------------- frames held back


def test_early_frames_are_queued_if_the_version_is_certain() -> None:
    session = connecting("1.2")
    ticket = session.send("/queue/a", b"x", receipt="r")
    session.subscribe("/queue/a", "1")
    assert sent(session) == b""
    receive(session, "CONNECTED\nversion:1.2\n\n\0")
    assert sent(session) == (
        b"SEND\ndestination:/queue/a\nreceipt:r\ncontent-length:1\n\nx\0"
        b"SUBSCRIBE\ndestination:/queue/a\nid:1\nack:auto\n\n\0"
    )
    (event,) = receive(session, "RECEIPT\nreceipt-id:r\n\n\0")
    assert isinstance(event, Receipt)
    assert event.ticket is ticket
    assert event == event.frame == Frame("RECEIPT", Headers({"receipt-id": "r"}))


def test_frames_given_early_need_a_certain_version() -> None:
    session = connecting("1.1", "1.2")
    with pytest.raises(UsageError, match="wait for CONNECTED"):
        session.send("/queue/a", b"x")
    with pytest.raises(UsageError, match="wait for CONNECTED"):
        session.subscribe("/queue/a", "1")


def test_queued_frames_are_dropped_on_refusal() -> None:
    session = connecting("1.2")
    ticket = session.send("/queue/a", b"x", receipt="r")
    end = the_end(receive(session, "ERROR\n\n\0"))
    assert end.unanswered == (ticket,)
    assert sent(session) == b""


def checked(refused: bytes, servers: list[str | None], frames: list[bytes]) -> ClientSession:
    """A client that has said CONNECT over a transport that cannot carry `refused`. It records what is asked."""

    def check(frame: bytes) -> None:
        frames.append(frame)
        if refused in frame:
            raise Unsupported("not over this transport")

    def check_for(server: str | None) -> FrameCheck:
        servers.append(server)
        return check

    session = connecting("1.2")
    session.frame_check_for = check_for
    return session


def test_frames_are_checked_once_the_broker_is_known() -> None:
    servers: list[str | None] = []
    frames: list[bytes] = []
    session = checked(b"bad", servers, frames)
    session.send("/queue/a", b"first")
    session.send("/queue/a", b"x" * 100_000)
    assert servers == []
    assert frames == []
    receive(session, "CONNECTED\nversion:1.2\nserver:some/1.0\n\n\0")
    assert servers == ["some/1.0"]
    assert b"".join(frames) == sent(session)
    for body in (b"good", b"x" * 100_000):
        session.send("/queue/a", body)
        assert frames[-1] == sent(session)
    with pytest.raises(Unsupported):
        session.send("/queue/a", b"bad")
    assert sent(session) == b""
    assert session.state is State.CONNECTED


def test_early_frame_that_the_transport_cannot_carry_ends_the_session() -> None:
    session = checked(b"bad", [], [])
    for body in (b"good", b"bad", b"also good"):
        session.send("/queue/a", body)
    session.disconnect()
    end = the_end(receive(session, "CONNECTED\nversion:1.2\n\n\0"))
    assert end.reason is Reason.FAILED
    assert isinstance(end.error, Unsupported)


# ------------------------------------------------------------------------------------- receipts


def test_receipt_resolves_its_pending_receipt() -> None:
    session = connected()
    tickets = [session.send("/queue/a", b"x", receipt=str(n), deadline=10.0 + n) for n in range(3)]
    assert session.next_deadline() == 10.0
    events = receive(session, "RECEIPT\nreceipt-id:1\n\n\0RECEIPT\nreceipt-id:0\n\n\0")
    assert [event.ticket for event in events if isinstance(event, Receipt)] == [tickets[1], tickets[0]]
    assert session.next_deadline() == 12.0
    assert session.send("/queue/a", b"x") is None


@pytest.mark.parametrize("header", ["receipt-id:unknown\n", ""])
def test_unexpected_receipt_is_an_event(header: str) -> None:
    (event,) = receive(connected(), f"RECEIPT\n{header}\n\0")
    assert isinstance(event, Receipt)
    assert event.ticket is None


def test_missing_receipts_are_overdue() -> None:
    session = connected()
    tickets = [session.send("/queue/a", b"x", receipt=str(n), deadline=float(5 - n)) for n in range(3)]
    session.tick(2.9)
    assert session.events() == []
    session.tick(4.0)
    assert session.events() == [ReceiptOverdue(ticket) for ticket in (tickets[2], tickets[1]) if ticket]
    session.tick(4.5)
    assert session.events() == []
    (late,) = receive(session, "RECEIPT\nreceipt-id:2\n\n\0")
    assert isinstance(late, Receipt)
    assert late.ticket is None
    session.receive_eof()
    assert the_end(session.events()).unanswered == (tickets[0],)


def test_an_error_may_answer_a_receipt() -> None:
    session = connected()
    ticket = session.send("/queue/a", b"x", receipt="r")
    (event,) = receive(session, "ERROR\nreceipt-id:r\nmessage:no\n\n\0")
    assert isinstance(event, Error)
    assert event.ticket is ticket
    assert session.state is State.CONNECTED
    (again,) = receive(session, "RECEIPT\nreceipt-id:r\n\n\0")
    assert isinstance(again, Receipt)
    assert again.ticket is None


def test_an_error_without_receipt_id_resolves_nothing() -> None:
    session = connected()
    ticket = session.send("/queue/a", b"x", receipt="r")
    (event,) = receive(session, "ERROR\nmessage:Server cancelled subscription\n\n\0")
    assert isinstance(event, Error)
    assert event.ticket is None
    session.receive_eof()
    assert the_end(session.events()).unanswered == (ticket,)


# ------------------------------------------------------------------------------------- disconnecting


def test_disconnect_without_a_receipt_ends_at_once() -> None:
    session = connected()
    session.send("/queue/a", b"x")
    assert session.disconnect() is None
    end = the_end(session.events())
    assert (end.reason, end.error) == (Reason.CLEAN, None)
    assert sent(session).endswith(b"\0DISCONNECT\n\n\0")


def test_disconnect_with_a_receipt_waits_for_it() -> None:
    session = connected()
    ticket = session.disconnect("bye", deadline=5.0)
    assert session.state is State.DISCONNECTING
    assert sent(session) == b"DISCONNECT\nreceipt:bye\n\n\0"
    # What was on its way still arrives.
    message, first = receive(session, "MESSAGE\nmessage-id:1\n\nx\0RECEIPT\nreceipt-id:other\n\n\0")
    assert isinstance(message, MessageFrame)
    assert isinstance(first, Receipt)
    receipt, end = receive(session, "RECEIPT\nreceipt-id:bye\n\n\0")
    assert isinstance(receipt, Receipt)
    assert receipt.ticket is ticket
    assert end == Closed(Reason.CLEAN, None, ())


def test_nothing_may_follow_disconnect() -> None:
    for session in (connected(), connecting("1.2")):
        session.disconnect("bye")
        with pytest.raises(NotConnected):
            session.send("/queue/a", b"x")
        with pytest.raises(NotConnected):
            session.disconnect("bye")


def test_missing_answer_to_disconnect_ends_the_session() -> None:
    session = connected()
    other = session.send("/queue/a", b"x", receipt="r", deadline=5.0)
    ticket = session.disconnect("bye", deadline=5.0)
    later = session.ledger.expect_receipt("later", "SEND", 6.0)
    session.tick(5.0)
    events = session.events()
    assert [event.ticket for event in events if isinstance(event, ReceiptOverdue)] == [other, ticket]
    end = the_end(events)
    assert end.reason is Reason.TIMEOUT
    assert isinstance(end.error, ReceiptMissing)
    assert end.error.receipt == "bye"
    assert end.unanswered == (later,)


def test_overdue_disconnect_ends_the_session_with_later_receipts() -> None:
    session = connected()
    tickets = [
        session.send("/queue/a", b"x", receipt="r", deadline=6.0),
        session.disconnect("bye", deadline=5.0),
    ]
    session.tick(7.0)
    events = session.events()
    overdue = [event.ticket for event in events if isinstance(event, ReceiptOverdue)]
    assert overdue == tickets[::-1]
    assert the_end(events).unanswered == ()


def test_error_for_disconnect_ends_the_session() -> None:
    session = connected()
    ticket = session.disconnect("bye")
    error, end = receive(session, "ERROR\nreceipt-id:bye\nmessage:no way\n\n\0")
    assert isinstance(error, Error)
    assert error.ticket is ticket
    assert isinstance(end, Closed)
    assert end.reason is Reason.REFUSED
    assert "refused DISCONNECT: no way" in str(end.error)
    assert isinstance(end.error, BrokerError)
    assert end.error.frame is error.frame


def test_refused_session_refuses_disconnect() -> None:
    session = connecting("1.2")
    session.disconnect("bye")
    assert the_end(receive(session, "ERROR\nreceipt-id:bye\n\n\0")).reason is Reason.REFUSED


def test_another_error_does_not_end_a_disconnect() -> None:
    session = connected()
    session.disconnect("bye")
    receive(session, "ERROR\nmessage:no\n\n\0")
    assert session.state is State.DISCONNECTING
    assert the_end(receive(session, "RECEIPT\nreceipt-id:bye\n\n\0")).reason is Reason.CLEAN


def test_disconnect_before_connected_waits_for_it() -> None:
    session = connecting("1.2")
    session.send("/queue/a", b"x")
    session.disconnect("bye")
    assert session.state is State.CONNECTING
    receive(session, "CONNECTED\nversion:1.2\n\n\0")
    assert sent(session).endswith(b"DISCONNECT\nreceipt:bye\n\n\0")
    assert the_end(receive(session, "RECEIPT\nreceipt-id:bye\n\n\0")).reason is Reason.CLEAN


def test_disconnect_before_connected_without_receipt_ends_after_connected() -> None:
    session = connecting("1.2")
    session.disconnect()
    assert the_end(receive(session, "CONNECTED\nversion:1.2\n\n\0")).reason is Reason.CLEAN
    assert sent(session) == b"DISCONNECT\n\n\0"


def test_overdue_receipt_of_another_frame_does_not_end_a_disconnect() -> None:
    session = connected()
    ticket = session.send("/queue/a", b"x", receipt="r", deadline=3.0)
    session.disconnect("bye", deadline=5.0)
    session.tick(3.0)
    assert [event.ticket for event in session.events() if isinstance(event, ReceiptOverdue)] == [ticket]
    assert session.state is State.DISCONNECTING
    session.tick(5.0)
    end = the_end(session.events())
    assert isinstance(end.error, ReceiptMissing)
    assert "did not answer DISCONNECT" in str(end.error)


def test_disconnect_before_connected_has_a_deadline() -> None:
    session = connecting("1.2")
    session.disconnect("bye", deadline=5.0)
    session.tick(5.0)
    assert the_end(session.events()).reason is Reason.TIMEOUT


# ------------------------------------------------------------------------------------- messages

MESSAGE = "MESSAGE\nsubscription:1\nmessage-id:m{0}\nack:a{0}\ndestination:/queue/a\n\nx\0\n"


def test_message_has_its_subscription() -> None:
    session = connected()
    session.subscribe("/queue/a", "1")
    first, second = receive(session, MESSAGE.format(1) + "MESSAGE\nsubscription:9\nmessage-id:2\n\nx\0")
    assert isinstance(first, MessageFrame)
    assert isinstance(second, MessageFrame)
    assert first.subscription is session.ledger.subscriptions["1"]
    assert first.subscription.unacked == {}
    assert second.subscription is None


def test_in_1_0_the_destination_may_name_the_subscription() -> None:
    session = connected("1.0")
    session.subscribe("/queue/a", ack="client")
    (message,) = receive(session, "MESSAGE\nmessage-id:7\ndestination:/queue/a\n\nx\0")
    assert isinstance(message, MessageFrame)
    assert message.subscription is not None
    assert list(message.subscription.unacked) == ["7"]
    session.ack("7")
    assert message.subscription.unacked == {}


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
def test_a_subscription_without_id_gets_the_messages_that_name_none(version: str) -> None:
    session = connected(version)
    session.transmit(Frame("SUBSCRIBE", Headers({"destination": "/queue/a", "ack": "client"})))
    ours, stray = receive(
        session, "".join(f"MESSAGE\nmessage-id:7\ndestination:/queue/{x}\n\nx\0" for x in "ab")
    )
    assert isinstance(ours, MessageFrame)
    assert isinstance(stray, MessageFrame)
    assert ours.subscription is session.ledger.subscriptions["/queue/a"]
    assert list(ours.subscription.unacked) == ["7"]
    assert stray.subscription is None


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_only_in_1_0_the_header_of_a_subscription_with_an_id_may_be_missing(version: str) -> None:
    session = connected(version)
    session.transmit(Frame("SUBSCRIBE", Headers({"destination": "/queue/a", "id": "1", "ack": "client"})))
    text = "MESSAGE\nmessage-id:7\ndestination:/queue/{}\n\nx\0"
    ours, stray = receive(session, text.format("a") + text.format("b"))
    assert isinstance(ours, MessageFrame)
    assert isinstance(stray, MessageFrame)
    subscription = session.ledger.subscriptions["1"]
    assert ours.subscription is (subscription if version == "1.0" else None)
    assert list(subscription.unacked) == (["7"] if version == "1.0" else [])
    assert stray.subscription is None


@pytest.mark.parametrize(("version", "names"), [("1.1", ["m1", "m2", "m3"]), ("1.2", ["a1", "a2", "a3"])])
@pytest.mark.parametrize("mode", ["client", "client-individual"])
def test_deliveries_are_kept_until_acknowledged(version: str, names: list[str], mode: str) -> None:
    session = connected(version)
    session.subscribe("/queue/a", "1", ack=mode)
    unacked = session.ledger.subscriptions["1"].unacked
    receive(session, "".join(MESSAGE.format(n) for n in (1, 2, 3)))
    assert list(unacked) == names
    session.ack(names[1], "1")
    assert list(unacked) == (names[2:] if mode == "client" else [names[0], names[2]])
    session.ack(names[2], "1", negative=True)
    assert list(unacked) == ([] if mode == "client" else names[:1])


def test_without_an_ack_header_the_message_id_counts() -> None:
    session = connected("1.2")
    session.subscribe("/queue/a", "1", ack="client")
    receive(session, "MESSAGE\nsubscription:1\nmessage-id:m\n\nx\0")
    assert list(session.ledger.subscriptions["1"].unacked) == ["m"]


def test_unknown_frame_is_an_event() -> None:
    session = connected()
    first, second = receive(session, "NEWS\na:b\n\n\0" + MESSAGE.format(1))
    assert isinstance(first, Unknown)
    assert first.frame == Frame("NEWS", Headers(a="b"))
    assert isinstance(second, MessageFrame)


def test_ledger_follows_the_sent_frames() -> None:
    session = connected()
    session.begin("t", receipt="b")
    session.begin("u")
    session.send("/queue/a", b"x", transaction="t")
    session.commit("t", receipt="c")
    session.rollback("u", receipt="d")
    assert session.ledger.transactions == set()
    assert all(session.ledger.expects(receipt) for receipt in "bcd")
    session.subscribe("/queue/a", "1", receipt="s")
    session.unsubscribe("1", receipt="u")
    assert session.ledger.subscriptions == {}
    assert sent(session).startswith(b"BEGIN\ntransaction:t\nreceipt:b\n\n\0BEGIN\ntransaction:u\n\n\0SEND\n")


def test_refused_frame_is_not_recorded() -> None:
    session = connected()
    with pytest.raises(FrameError):
        session.subscribe("/queue/a\0", "1", receipt="r")
    with pytest.raises(FrameError):
        session.transmit(Frame("BEGIN", Headers(transaction="C:\\temp", receipt="r")), escaped=True)
    assert session.ledger.subscriptions == {}
    assert session.ledger.transactions == set()
    assert not session.ledger.expects("r")
    assert sent(session) == b""
    assert session.counters.frames_sent == 1


def test_subscriptions_outlive_the_connection() -> None:
    ledger = Ledger()
    first = connected(ledger=ledger)
    first.subscribe("/queue/a", "1", ack="client")
    first.begin("t")
    receive(first, MESSAGE.format(1))
    first.receive_eof()
    second = connected(ledger=ledger)
    assert (first.generation, second.generation) == (1, 2)
    assert ledger.subscriptions["1"].headers["destination"] == "/queue/a"
    assert ledger.subscriptions["1"].unacked == {}
    assert ledger.transactions == set()


# ------------------------------------------------------------------------------------- escaped headers


def test_escaped_headers_are_sent_unchanged() -> None:
    session = connected()
    ticket = session.transmit(
        Frame("SEND", Headers({"destination": "/queue/a\\cb", "receipt": "r\\c1"}), b"x"), escaped=True
    )
    session.transmit(Frame("SUBSCRIBE", Headers({"destination": "/a\\cb", "id": "i\\c1"})), escaped=True)
    assert sent(session).startswith(b"SEND\ndestination:/queue/a\\cb\nreceipt:r\\c1\n\nx\0")
    assert ticket is not None
    assert ticket.receipt == "r:1"
    assert session.ledger.subscriptions["i:1"].destination == "/a:b"
    (event,) = receive(session, "RECEIPT\nreceipt-id:r\\c1\n\n\0")
    assert isinstance(event, Receipt)
    assert event.ticket is ticket


@pytest.mark.parametrize("said", [False, True])
def test_invalid_frame_of_the_broker_is_a_protocol_error(said: bool) -> None:
    session = connected()
    if said:
        receive(session, "ERROR\nmessage:no\n\n\0")
    end = the_end(receive(session, "MESSAGE\ncontent-length:x\n\n\0"))
    assert isinstance(end.error, RemoteProtocolError)
    assert "content-length" in str(end.error)
    assert ("; its last ERROR said: no" in str(end.error)) is said


# ------------------------------------------------------------------------------------- frames of the listener API


class ListenerFrame(NamedTuple):
    """Headers and body of other types than in a `Frame`."""

    command: str
    headers: dict[str, Any]
    body: str | bytes = ""


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
@pytest.mark.parametrize("content_type", [None, "text/plain"])
def test_a_listener_frame_is_sent_like_a_session_frame(version: str, content_type: str | None) -> None:
    one, other = connected(version), connected(version)
    for body in (b"x", b"", b"y" * 100_000, b"z" * 10_000):
        for length in (True, False):
            other.send("/queue/a", body, content_type=content_type, content_length=length)
            named = {"destination": "/queue/a", "content-type": content_type}
            headers: dict[str, Any] = {name: value for name, value in named.items() if value}
            if length:
                headers["content-length"] = len(body)
            one.transmit(ListenerFrame("SEND", headers, body.decode()), escaped=True)
    assert one.outgoing == sum(map(len, one._out))
    assert sent(one) == sent(other)
    assert one.outgoing == 0
    assert one.counters == other.counters


@pytest.mark.parametrize("receipt", ["r", "r:1", "r\\c", 5, b"r", b"r\\c", ("r", "s")])
@pytest.mark.parametrize("escaped", [True, False])
def test_a_receipt_is_expected_under_its_text(receipt: Any, escaped: bool) -> None:
    session = connected("1.2")
    header = receipt
    if escaped and isinstance(receipt, str):
        header = STOMP12.escape(receipt)
    ticket = session.transmit(
        ListenerFrame("SEND", {"destination": "/queue/a", "receipt": header}), escaped=escaped
    )
    texts = {5: "5", b"r": "r", b"r\\c": "r:" if escaped else "r\\c", ("r", "s"): "r"}
    assert session.ledger.expects(texts.get(receipt, receipt))
    assert ticket is not None
    assert ticket.command == "SEND"


def test_frame_that_cannot_be_encoded_is_not_recorded() -> None:
    session = connected("1.0")
    before = session.counters.frames_sent
    for headers in ({"destination": "a\n\n\0"}, {"receipt": "r\n"}, {"": "x"}):
        with pytest.raises(FrameError):
            session.transmit(Frame("SEND", Headers(headers)))
        with pytest.raises(FrameError):
            session.transmit(ListenerFrame("SEND", headers), escaped=True)
    with pytest.raises(FrameError, match="holds a NUL byte"):
        session.send("/queue/a", b"a\0b", content_length=False)
    assert (session.outgoing, session.counters.frames_sent) == (0, before)
    assert session.ledger.end_generation() == ()


def test_frames_need_a_connection() -> None:
    session = connected("1.2")
    session.disconnect("bye")
    sent(session)
    for frame in (ListenerFrame("SEND", {"destination": "/queue/a"}), ListenerFrame("ACK", {"id": "1"})):
        with pytest.raises(NotConnected, match="frame is not possible while disconnecting"):
            session.transmit(frame, escaped=True)
    assert sent(session) == b""


def deliver(session: ClientSession, subscription: str, name: str = "m") -> MessageFrame:
    """A message arrives. `name` is its ``ack`` header, in escaped form."""
    head = f"subscription:{subscription}\nmessage-id:{name}\nack:{name}\ndestination:/queue/a"
    (event,) = receive(session, f"MESSAGE\n{head}\n\nx\0")
    assert isinstance(event, MessageFrame)
    return event


@pytest.mark.parametrize("command", ["ACK", "NACK"])
@pytest.mark.parametrize("mode", ["client", "client-individual"])
@pytest.mark.parametrize("name", ["5", "a:b\\c\nd", "unknown", "", 7])
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_acknowledgements_settle_deliveries(command: str, mode: str, name: Any, version: str) -> None:
    """In both forms: escaped, and not escaped yet."""
    agreed = VERSIONS[version]
    for escaped in (True, False):
        session = connected(version)
        session.subscribe("/queue/b", "0", ack="client-individual")
        session.subscribe("/queue/a", "1", ack=mode)
        sent(session)
        deliver(session, "1", "4")
        deliver(session, "1", "5" if name == "unknown" else agreed.escape(str(name)))
        written = agreed.escape(name) if escaped and isinstance(name, str) else name
        headers = {"message-id": written, "subscription": "1"} if version == "1.1" else {"id": written}
        session.transmit(ListenerFrame(command, headers), escaped=escaped)
        left = {("client", True): [], ("client-individual", True): ["4"]}.get(
            (mode, name != "unknown"), ["4", "5"]
        )
        assert list(session.ledger.subscriptions["1"].unacked) == left
        assert session.has_acked is (command == "ACK")
        lines = [f"{key}:{agreed.escape(str(name))}" for key in headers if key != "subscription"]
        assert "\n".join(lines).encode() in sent(session)


def test_a_subscription_keeps_its_headers_as_they_were_sent() -> None:
    session = connected("1.2")
    headers = {"destination": "/queue/a\\cb", "id": 1, "ack": "client"}
    session.transmit(ListenerFrame("SUBSCRIBE", headers), escaped=True)
    headers.clear()
    kept = session.ledger.subscriptions["1"]
    assert kept.headers == {"destination": "/queue/a:b", "id": "1", "ack": "client"}
    session.transmit(ListenerFrame("BEGIN", {"transaction": 5}))
    assert session.ledger.transactions == {"5"}


# ------------------------------------------------------------------------------------- an ERROR that is the end


def connected_to(server: str | None) -> ClientSession:
    """A client of a broker that ends connections by an ERROR, if it is called Apollo."""
    session = ClientSession(error_ends=lambda name: name is not None and name.startswith("apache-apollo"))
    session.connect(["1.2"], "/")
    named = f"server:{server}\n" if server else ""
    receive(session, f"CONNECTED\nversion:1.2\n{named}\n\0")
    sent(session)
    return session


def test_error_of_a_broker_that_closes_ends_the_session() -> None:
    session = connected_to("apache-apollo/1.7.1")
    session.send("/queue/a", b"x", receipt="1")
    session.send("/queue/a", b"y", receipt="2")
    events = receive(session, "ERROR\nmessage:no\nreceipt-id:1\n\n\0MESSAGE\nmessage-id:1\n\n\0")
    error, end = events
    assert isinstance(error, Error)
    assert error.ticket is not None
    assert isinstance(end, Closed)
    assert end.reason is Reason.ERROR
    assert isinstance(end.error, ConnectionLost)
    assert str(end.error) == "the broker ended the connection by an ERROR: no"
    assert isinstance(end.error.__cause__, BrokerError)
    assert end.error.__cause__.frame is error.frame
    assert end.error.__cause__.message == "no"
    assert [ticket.receipt for ticket in end.unanswered] == ["2"]
    with pytest.raises(NotConnected):
        session.send("/queue/a", b"vanishes")


def test_an_error_after_disconnect_ends_the_session_of_such_a_broker_too() -> None:
    session = connected_to("apache-apollo/1.7.1")
    session.disconnect("bye")
    assert the_end(receive(session, "ERROR\nmessage:no\n\n\0")).reason is Reason.ERROR


@pytest.mark.parametrize("server", ["RabbitMQ/3.10.8", None])
def test_an_error_of_any_other_broker_does_not_end_it(server: str | None) -> None:
    session = connected_to(server)
    assert [type(event) for event in receive(session, "ERROR\nmessage:no\n\n\0")] == [Error]
    session.send("/queue/a", b"x")
    assert b"SEND" in sent(session)
