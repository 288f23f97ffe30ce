"""When what is sent is written: a link without its threads, whose keeper and clock are the test's."""

import socket
import threading

import pytest

from stomp.client.options import Options
from stomp.client.threads.link import Link
from stomp.client.threads.write_scheduler import FLUSH_DELAY
from stomp.client.threads.writer import BATCH
from stomp.core.session.client import ClientSession
from stomp.testing import FakeClock
from tests.listening import PATIENCE


class TimerThread:
    """Notes in how many seconds it is asked to come, and comes when the test wants it to."""

    def __init__(self):
        self.asked = []

    def call_within(self, charge, seconds):
        self.asked.append(seconds)

    def remove(self, charge):
        pass


class Sender:
    """A link that is logged in, and the other end of its socket."""

    def __init__(self):
        ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(PATIENCE)
        self.clock = FakeClock()
        self.timer = TimerThread()
        self.link = Link(ours, ClientSession(), lambda events: None, Options(clock=self.clock))
        self.link._timer = self.timer  # type: ignore[assignment]
        self.link.session.connect(["1.2"], "/")
        self.link.session.receive_data(b"CONNECTED\nversion:1.2\n\n\0", self.clock())
        self.link.session.data_to_send(self.clock())
        self.clock.advance(1.0)

    def send(self, *bodies):
        for body in bodies:
            self.link.send("/queue/a", body)

    def on_timer(self):
        """The keeper comes; what it was asked for before is done then."""
        self.timer.asked.clear()
        self.link.on_timer()

    def written(self):
        self.theirs.setblocking(False)
        try:
            return self.theirs.recv(1 << 20)
        except BlockingIOError:
            return b""

    def count(self):
        return self.written().count(b"SEND\n")


@pytest.fixture
def sender():
    made = Sender()
    yield made
    made.link.sock.close()
    made.theirs.close()


def test_a_frame_on_its_own_is_written_at_once_and_wakes_nobody(sender):
    for _ in range(3):
        sender.send(b"x")
        assert sender.count() == 1
        sender.clock.advance(1.0)
    assert sender.timer.asked == []


def test_what_follows_fast_waits_for_the_keeper_who_is_asked_once(sender):
    sender.send(b"1", b"2", b"3", b"4")
    assert sender.count() == 1
    assert sender.timer.asked == [0.0]
    sender.on_timer()
    assert sender.count() == 3
    assert sender.timer.asked == []


def test_who_is_going_to_wait_need_not_wait_for_the_keeper(sender):
    sender.send(b"1", b"2")
    sender.link.flush()
    assert sender.count() == 2


def test_batches_leave_without_the_keeper(sender):
    body = b"x" * 4096
    batch = BATCH // 4096 + 1
    sender.send(*[body] * 2)
    sent = sender.written()
    assert sender.timer.asked == [0.0]
    for _ in range(3):
        sender.send(*[body] * batch)
        sent += sender.written()
    assert len(sent) >= 3 * BATCH
    assert sender.timer.asked == [0.0]
    # It was about to come, but who sends did not let it; it comes again as long as that goes on.
    sender.on_timer()
    assert sender.timer.asked == [FLUSH_DELAY]
    sender.send(b"1", b"2")
    assert sender.timer.asked == [FLUSH_DELAY]
    sender.on_timer()
    assert sender.count() >= 2
    assert sender.timer.asked == []
    sender.clock.advance(1.0)
    sender.send(b"alone")
    assert sender.written().endswith(b"alone\0")


def test_batches_of_large_messages_grow_while_they_follow_each_other(sender, monkeypatch):
    # No more than the buffer of any socket holds.
    monkeypatch.setattr("stomp.client.threads.write_scheduler._STREAM", 2 * BATCH)
    body = b"x" * 16_384
    sender.send(body)
    sender.written()
    sizes = []
    for _ in range(4 + 8 * 3):
        sender.send(body)
        if written := sender.written():
            sizes.append(len(written))
    assert [size // BATCH for size in sizes] == [1, 2, 2, 2]
    # The keeper came, and there was no batch meanwhile.
    sender.on_timer()
    sender.on_timer()
    sender.send(*[body] * 5)
    assert len(sender.written()) >= BATCH


def test_large_messages_do_not_make_small_ones_wait(sender):
    for _ in range(2):
        sender.send(b"x" * BATCH)
        assert len(sender.written()) > BATCH
        sender.clock.advance(1.0)
        sender.send(b"small")
        assert sender.count() == 1
        sender.clock.advance(1.0)
    assert sender.timer.asked == []


def handle(sender, work):
    """A batch of two is handled on this thread; `work` is the handler."""
    link = sender.link
    link._receiver = threading.get_ident()
    link._dispatcher._handler = lambda batch: work()
    link.session.receive_data(b"MESSAGE\nmessage-id:1\n\n\0" * 2, sender.clock())
    link._queue_events()
    link._dispatch()
    link._receiver = 0


def test_replies_of_a_batch_leave_when_it_ends_and_the_keeper_is_asked_once(sender):
    handle(sender, lambda: sender.send(b"1", b"2", b"3"))
    assert sender.count() == 3
    assert sender.timer.asked == [FLUSH_DELAY]


def test_the_keeper_comes_less_often_to_handlers_that_are_quick(sender):
    waits = []
    for _ in range(6):
        handle(sender, lambda: sender.send(b"1"))
        waits += sender.timer.asked
        sender.on_timer()
    assert waits == [FLUSH_DELAY * times for times in (1, 2, 4, 8, 8, 8)]


def test_the_keeper_writes_what_a_handler_leaves_waiting_and_comes_soon_again(sender):
    for _ in range(3):
        handle(sender, lambda: sender.send(b"1"))
        sender.on_timer()
    assert sender.count() == 3
    counts = []

    def take_time():
        for _ in range(2):
            sender.send(b"1", b"2")
            counts.append((list(sender.timer.asked), sender.count()))
            sender.on_timer()
            counts.append((list(sender.timer.asked), sender.count()))

    handle(sender, take_time)
    assert counts == [([8 * FLUSH_DELAY], 0), ([], 2), ([FLUSH_DELAY], 0), ([], 2)]


def test_a_keeper_that_comes_for_something_else_learns_nothing_of_the_handler(sender):
    for _ in range(3):
        sender.on_timer()
    handle(sender, lambda: sender.send(b"1"))
    assert sender.timer.asked == [FLUSH_DELAY]
