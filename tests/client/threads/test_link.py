"""The threaded driver over a socket pair; the test is the broker, through a `ServerSession`."""

import contextlib
import socket
import threading
import time

import pytest

from stomp.classic.frames import TextMessageFrame
from stomp.client.options import Options
from stomp.client.threads.link import Link
from stomp.core.errors import ConnectionLost, FrameError, NotConnected, SendStalled
from stomp.core.frames import commands
from stomp.core.frames.frame import Frame, Headers
from stomp.core.session.client import ClientSession
from stomp.core.session.events import (
    Closed,
    Connected,
    HeartbeatSent,
    MessageFrame,
    Reason,
    Receipt,
    ReceiptOverdue,
    Request,
)
from stomp.core.session.server import ServerSession
from stomp.net.dial import wait_ready
from stomp.testing import FakeClock
from tests.listening import PATIENCE, stomp_threads, wait_until


class Events:
    """A handler that notes events, and can be made to wait or fail."""

    def __init__(self):
        self.all = []
        self.batches = []
        self.hook = lambda event: None
        self._changed = threading.Condition()

    def __call__(self, batch):
        self.batches.append(list(batch))
        for event in batch:
            with self._changed:
                self.all.append(event)
                self._changed.notify_all()
            self.hook(event)

    def wait_for(self, kind, count=1):
        with self._changed:
            done = self._changed.wait_for(lambda: len(self.of(kind)) >= count, PATIENCE)
        assert done, f"{count} of {kind} expected, got {self.all[-20:]}"
        return self.of(kind)[-1]

    def of(self, kind):
        return [event for event in self.all if isinstance(event, kind)]


class Peer:
    """The broker's end of the socket pair."""

    def __init__(self, sock, heartbeat=(0, 0), clock=time.monotonic):
        self.sock = sock
        self.clock = clock
        self.sock.settimeout(PATIENCE)
        self.session = ServerSession(heartbeat=heartbeat)
        self.requests = []

    def read(self):
        """Read once; False at the end."""
        data = self.sock.recv(1 << 20)
        if not data:
            return False
        self.session.receive_data(data, self.clock())
        for event in self.session.events():
            if isinstance(event, Request):
                self.requests.append(event.frame)
            elif type(event).__name__ == "ConnectRequested":
                self.session.accept(self.clock())
        self.write()
        return True

    def write(self):
        data = b"".join(self.session.data_to_send(self.clock()))
        if data:
            self.sock.sendall(data)

    def read_requests(self, count):
        while len(self.requests) < count:
            assert self.read(), f"the client hung up after {len(self.requests)} frames"

    def deliver(self, count, body=b"x"):
        for number in range(count):
            headers = Headers({"subscription": "1", "message-id": str(number), "destination": "/queue/a"})
            self.session.deliver(
                Frame("MESSAGE", Headers({**headers, "content-length": str(len(body))}), body)
            )
        self.write()


@contextlib.contextmanager
def linked(session=None, heartbeat=(0, 0)):
    ours, theirs = socket.socketpair()
    events, peer = Events(), Peer(theirs, heartbeat)
    link = Link(ours, session or ClientSession(), events, Options(send_timeout=5.0))
    link.start()
    yield link, peer, events
    link.close()
    theirs.close()
    assert link.join(PATIENCE)


@pytest.fixture
def pair():
    with linked() as made:
        yield made


def log_in(link, peer, events):
    link.transmit(commands.connect(["1.2"], "/"))
    while peer.session.state.value != "connected":
        peer.read()
    events.wait_for(Connected)


@pytest.fixture
def connected(pair):
    log_in(*pair)
    return pair


def send(link, body=b"hello", **headers):
    link.transmit(commands.send("/queue/a", body, headers=headers))


def test_frames_go_out_in_order_and_events_come_in_order(connected):
    link, peer, events = connected
    for number in range(50):
        send(link, str(number).encode())
    peer.read_requests(50)
    assert [frame.body for frame in peer.requests] == [str(n).encode() for n in range(50)]
    peer.deliver(50)
    events.wait_for(MessageFrame, 50)
    assert [event.headers["message-id"] for event in events.of(MessageFrame)] == [str(n) for n in range(50)]


def test_large_bodies_are_read_straight_into_place(connected):
    link, peer, events = connected
    body = bytes(range(256)) * 4096 * 4
    peer.deliver(2, body)
    events.wait_for(MessageFrame, 2)
    assert [event.body == body for event in events.of(MessageFrame)] == [True, True]
    counters = link.session.counters
    assert counters.bytes_received == peer.session.counters.bytes_sent
    peer.deliver(1, body[:2_000_000])
    events.wait_for(MessageFrame, 3)
    # And one that is cut off.
    peer.sock.sendall(
        b"MESSAGE\nsubscription:1\nmessage-id:9\ndestination:/queue/a\ncontent-length:9000000\n\nxx"
    )
    peer.sock.close()
    closed = events.wait_for(Closed)
    assert "in the middle of a frame" in closed.error.message


def test_large_texts_arrive_as_text():
    with linked(ClientSession(message_class=TextMessageFrame)) as (link, peer, events):
        log_in(link, peer, events)
        peer.deliver(1, b"x" * 1_000_000)
        peer.deliver(50, b"x" * 500_000)
        events.wait_for(MessageFrame, 51)
        assert [len(event.body) for event in events.of(MessageFrame)] == [1_000_000] + [500_000] * 50
        assert all(isinstance(event.body, str) for event in events.of(MessageFrame))


def test_many_senders_at_once_lose_and_mix_nothing(connected):
    link, peer, _ = connected

    def run(name):
        for number in range(300):
            send(link, f"{name} {number}".encode())

    threads = [threading.Thread(target=run, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    peer.read_requests(1200)
    for thread in threads:
        thread.join(PATIENCE)
    bodies = [frame.body.decode().split() for frame in peer.requests]
    for name in "abcd":
        assert [int(number) for who, number in bodies if who == name] == list(range(300))


def test_message_sent_before_connected_is_queued(pair):
    link, peer, _ = pair
    link.transmit(commands.connect(["1.2"], "/"))
    send(link, b"x")
    while not peer.requests:
        assert peer.read()
    assert peer.requests[0].body == b"x"
    assert peer.session.state.value == "connected"


def test_closed_link_accepts_no_frame(connected):
    link, _, _ = connected
    link.close()
    with pytest.raises(NotConnected, match="connect again"):
        send(link, b"x")


def test_replies_of_a_batch_are_written_together(connected):
    link, peer, events = connected
    link.transmit(commands.subscribe(link.session.version, "/queue/a", "1", ack="client-individual"))
    peer.read_requests(1)

    def acknowledge(event):
        if isinstance(event, MessageFrame):
            link.transmit(commands.ack(link.session.version, event.headers["message-id"]))

    events.hook = acknowledge
    peer.deliver(200)
    peer.read_requests(201)
    assert [frame.command for frame in peer.requests[1:]] == ["ACK"] * 200
    assert max(map(len, events.batches)) > 50


@pytest.mark.parametrize("command", ["SEND", "ACK"])
def test_replies_of_a_slow_handler_are_written_meanwhile(connected, command):
    link, peer, events = connected
    go_on = threading.Event()

    def reply_and_work(event):
        if isinstance(event, MessageFrame):
            for number in ("1", "2"):
                if command == "SEND":
                    send(link, number.encode())
                else:
                    link.transmit(commands.ack(link.session.version, number))
            assert go_on.wait(PATIENCE)

    events.hook = reply_and_work
    peer.deliver(2)
    peer.read_requests(2)
    assert [frame.command for frame in peer.requests] == [command] * 2
    go_on.set()


def test_failing_handler_is_logged_and_the_connection_stays_open(connected, caplog):
    _link, peer, events = connected

    def fail(event):
        raise KeyError("a defect of the user's")

    events.hook = fail
    peer.deliver(1)
    events.wait_for(MessageFrame)
    events.hook = lambda event: None
    peer.deliver(1)
    events.wait_for(MessageFrame, 2)
    assert "a defect of the user's" in caplog.text


def test_closing_peer_ends_the_link(connected):
    link, peer, events = connected
    peer.sock.close()
    closed = events.wait_for(Closed)
    assert closed.reason is Reason.EOF
    assert link.join(PATIENCE)
    assert not link.alive
    assert len(events.of(Closed)) == 1
    with pytest.raises(NotConnected, match="closed the connection"):
        send(link)


def test_reset_by_the_peer_ends_the_link(connected):
    link, peer, events = connected
    peer.sock.shutdown(socket.SHUT_RD)
    with pytest.raises(NotConnected):
        for _ in range(1000):
            send(link)
    closed = events.wait_for(Closed)
    assert isinstance(closed.error, ConnectionLost)
    assert len(events.of(Closed)) == 1


def test_close_calls_the_handler_once_and_ends_the_thread(connected):
    link, _, events = connected
    link.close()
    link.close()
    assert link.join(PATIENCE)
    assert [event.reason for event in events.of(Closed)] == [Reason.ABORTED]
    assert link.sock.fileno() == -1
    wait_until(lambda: not stomp_threads())


def test_disconnect_with_receipt_ends_cleanly(connected):
    link, peer, events = connected
    link.transmit(commands.disconnect("bye"))
    peer.read_requests(1)
    peer.session.receipt("bye")
    peer.write()
    assert link.join(PATIENCE)
    assert [type(event) for event in events.all[-2:]] == [Receipt, Closed]
    assert events.all[-1].reason is Reason.CLEAN


def test_disconnect_without_receipt_is_written_before_the_socket_closes(connected):
    link, peer, _events = connected
    send(link, b"last words")
    link.transmit(commands.disconnect())
    peer.read_requests(2)
    assert [frame.command for frame in peer.requests] == ["SEND", "DISCONNECT"]
    assert not peer.read()
    assert link.join(PATIENCE)


def test_an_unanswered_disconnect_ends_at_its_deadline(connected):
    link, _, events = connected
    link.transmit(commands.disconnect("bye"), deadline=time.monotonic() + 0.05)
    assert events.wait_for(Closed).reason is Reason.TIMEOUT
    assert link.join(PATIENCE)


def test_an_unanswered_connect_ends_at_its_deadline(pair):
    link, _, events = pair
    link.transmit(commands.connect(["1.2"], "/"), deadline=time.monotonic() + 0.05)
    assert events.wait_for(Closed).reason is Reason.TIMEOUT


def test_overdue_receipt_is_dispatched_while_the_broker_is_silent(connected):
    link, _, events = connected
    link.transmit(commands.send("/queue/a", b"", receipt="r"), deadline=time.monotonic() + 0.05)
    assert events.wait_for(ReceiptOverdue).ticket.receipt == "r"


def test_sent_heartbeats_do_not_pile_up_while_the_broker_is_silent():
    with linked(heartbeat=(0, 20)) as (link, peer, events):
        link.transmit(commands.connect(["1.2"], "/", heartbeat=(20, 0)))
        while peer.session.counters.heartbeats_received < 30:
            peer.read()
        assert len(link._dispatcher.queue) < 15
        events.wait_for(HeartbeatSent)


def test_idle_connections_have_a_receiving_thread_each_and_share_the_timer_thread():
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            link, peer, events = stack.enter_context(linked(heartbeat=(60_000, 60_000)))
            link.transmit(commands.connect(["1.2"], "/", heartbeat=(60_000, 60_000)))
            while peer.session.state.value != "connected":
                peer.read()
            events.wait_for(Connected)
        names = [thread.name for thread in stomp_threads()]
        assert names.count("stomp-receiver") == 20
        assert names.count("stomp-timer") <= 1  # none if it was there before this test


def test_join_from_the_handler_does_not_wait_for_itself(connected):
    link, peer, events = connected
    answers = []
    events.hook = lambda event: answers.append(link.join(PATIENCE))
    peer.deliver(1)
    wait_until(lambda: answers)
    assert answers == [False]


def test_frame_that_cannot_be_encoded_leaves_no_trace(connected):
    link, peer, _ = connected
    with pytest.raises(FrameError):
        send(link, evil="a\0b", receipt="never")
    assert not link.session.ledger.expects("never")
    send(link, b"good")
    peer.read_requests(1)
    assert peer.requests[0].body == b"good"


def test_a_sender_is_stopped_when_the_peer_does_not_read(connected):
    link, peer, _ = connected
    link._writer._patience = 0.1
    with pytest.raises(SendStalled, match="has not read"):
        for _ in range(100):
            send(link, bytes(256 * 1024))
    # Nothing is lost: the queue goes out when the peer reads again.
    peer.read_requests(1)
    assert link.alive


def test_a_handler_may_send_more_than_the_peer_reads_at_once(connected):
    """The peer reads only after it has written everything: whoever waits for it must read meanwhile."""
    link, peer, events = connected
    body = bytes(64 * 1024)
    events.hook = lambda event: send(link, body) if isinstance(event, MessageFrame) else None
    writer = threading.Thread(target=peer.deliver, args=(40, body))
    writer.start()
    writer.join(PATIENCE)
    assert not writer.is_alive()
    peer.read_requests(40)
    assert sum(len(frame.body) for frame in peer.requests) == 40 * len(body)


@pytest.fixture
def busy():
    """A connection with beats, by a clock that the test moves, and a handler that is busy with the first message."""
    ours, theirs = socket.socketpair()
    clock = FakeClock()
    events, peer = Events(), Peer(theirs, heartbeat=(100, 50), clock=clock)
    link = Link(ours, ClientSession(tolerance=2.0), events, Options(clock=clock))
    link.start()
    started, go_on = threading.Event(), threading.Event()

    def work(event):
        if isinstance(event, MessageFrame):
            started.set()
            assert go_on.wait(PATIENCE)

    events.hook = work
    link.transmit(commands.connect(["1.2"], "/", heartbeat=(50, 100)))
    while peer.session.state.value != "connected":
        peer.read()
    peer.deliver(1)
    assert started.wait(PATIENCE)
    yield link, peer, events, clock, go_on
    go_on.set()
    link.close()
    theirs.close()
    assert link.join(PATIENCE)


def test_heartbeats_are_sent_and_silence_is_noticed_while_a_handler_runs(busy):
    link, peer, events, clock, go_on = busy
    # Our beats come all the same, and the peer's beats keep the link alive ...
    while peer.session.counters.heartbeats_received < 10:
        clock.advance(0.05)
        peer.session.tick(clock())
        peer.write()
        assert peer.read()
    assert link.alive

    # ... until they stop: that is noticed at once, and dispatched in order, after the handler has returned.
    def silence_is_seen():
        clock.advance(0.05)
        return not link.alive

    wait_until(silence_is_seen)
    assert not events.of(Closed)
    go_on.set()
    assert events.wait_for(Closed).reason is Reason.HEARTBEAT


def test_unread_bytes_count_as_activity(busy, monkeypatch):
    """A flood nobody takes in fills the inbox; the link stops reading, and must not call that silence."""
    monkeypatch.setattr("stomp.client.threads.link._READ_LIMIT", 64 * 1024)
    link, peer, events, clock, go_on = busy
    pulse = link.session._pulse
    assert pulse is not None
    writer = threading.Thread(target=peer.deliver, args=(400, bytes(64 * 1024)))
    writer.start()
    for silence_is_due in range(10):
        # Time passes only while bytes wait to be read.
        assert wait_ready(link.sock, read=True, write=False, seconds=PATIENCE)[0]
        now = clock.advance(1.0)
        wait_until(lambda now=now: not link.alive or pulse.last_read >= now)
        assert link.alive, silence_is_due
    assert link._over_read_limit
    assert link.session.counters.bytes_received < 2 * 1024 * 1024
    go_on.set()
    events.wait_for(MessageFrame, 401)
    writer.join(PATIENCE)


def test_frames_sent_before_a_close_are_written(connected):
    """Frames that wait for company are with us, not with the kernel: dropping the connection must not drop them."""
    link, peer, _ = connected
    for number in range(100):
        send(link, str(number).encode())
    link.close()
    peer.read_requests(100)
    assert [frame.body for frame in peer.requests] == [str(n).encode() for n in range(100)]


def test_frames_sent_during_a_close_are_written_or_refused():
    """There is no moment between what was sent before the close and what comes too late for it."""
    for round_ in range(20):
        with linked() as (link, peer, events):
            log_in(link, peer, events)
            sent: list[int] = []
            begun = threading.Event()

            def send_on(link=link, sent=sent, begun=begun, late=12 * round_):
                with contextlib.suppress(NotConnected):
                    for number in range(
                        250
                    ):  # the kernel has room for these, also if each is written by itself
                        send(link, b"%d" % number)
                        sent.append(number)
                        if number == late:
                            begun.set()

            sender = threading.Thread(target=send_on)
            sender.start()
            assert begun.wait(PATIENCE)
            link.close()
            sender.join(PATIENCE)
            while peer.read():
                pass
            # One more may have gone out, without a notification.
            assert len(peer.requests) in (len(sent), len(sent) + 1)


def test_queued_frames_are_written_before_a_close(connected):
    """Who closes cannot be let in while somebody writes; who writes finds what was left."""
    link, peer, _ = connected
    sock = link._writer._sock
    writing, go_on = threading.Event(), threading.Event()

    class Slow:
        """The socket, in the hands of a thread that is kept from running."""

        def send(self, data, flags):
            writing.set()
            assert go_on.wait(PATIENCE)
            return sock.send(data, flags)

        def __getattr__(self, name):
            return getattr(sock, name)

    link._writer._sock = Slow()
    sender = threading.Thread(target=lambda: send(link, b"1"))
    sender.start()
    assert writing.wait(PATIENCE)
    send(link, b"2")
    closer = threading.Thread(target=link.close)
    closer.start()
    wait_until(lambda: not link.alive)
    go_on.set()
    closer.join(PATIENCE)
    sender.join(PATIENCE)
    peer.read_requests(2)
    assert [frame.body for frame in peer.requests] == [b"1", b"2"]


def test_close_does_not_wait_for_a_peer_that_does_not_read(connected):
    link, _, events = connected
    link._writer._patience = 0.1
    with pytest.raises(SendStalled):
        for _ in range(100):
            send(link, bytes(256 * 1024))
    link._writer._patience = 3600.0
    link.close()
    assert link.join(PATIENCE)
    assert events.of(Closed)[0].reason is Reason.ABORTED


def test_forked_child_does_not_write_frames_of_its_parent(connected):
    import os

    link, peer, _ = connected
    with link._state:
        link.session.send_raw(b"the parent's\n")
    child = os.fork()
    if child == 0:
        from stomp.client.threads import open_links

        open_links._flush_all()
        os._exit(0)
    os.waitpid(child, 0)
    peer.sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        peer.sock.recv(100)
    with link._state:
        link.session.data_to_send(0.0)
