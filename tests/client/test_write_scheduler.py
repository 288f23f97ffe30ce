"""When frames are written: a link without its threads, with a timer thread and a clock of the test."""

import socket
import threading

import pytest

from stomp.client.options import Options
from stomp.client.threads.link import Link
from stomp.client.write_scheduler import BATCH, BURST, FLUSH_DELAY, WriteScheduler
from stomp.core.frames import commands
from stomp.core.session.client import ClientSession
from stomp.testing import FakeClock
from tests.listening import PATIENCE


class TimerThread:
    """Records the delays that it is asked for."""

    def __init__(self):
        self.asked = []

    def call_within(self, charge, seconds):
        self.asked.append(seconds)

    def remove(self, charge):
        pass


class Sender:
    """A connected link, and the other end of its socket."""

    def __init__(self):
        ours, self.theirs = socket.socketpair()
        self.theirs.settimeout(PATIENCE)
        self.clock = FakeClock()
        self.timer = TimerThread()
        self.link = Link(ours, ClientSession(), lambda events: None, Options(clock=self.clock))
        self.link._timer = self.timer  # type: ignore[assignment]
        self.link.session.connect(["1.2"], "/")
        self.link.session.receive_data(b"CONNECTED\nversion:1.2\n\n\0", self.clock())
        self.link.session.events()
        self.link.session.data_to_send(self.clock())
        self.clock.advance(1.0)

    def send(self, *bodies):
        for body in bodies:
            self.link.transmit(commands.send("/queue/a", body))

    def on_timer(self):
        """The timer thread calls the link; the earlier requests are done."""
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


@pytest.mark.parametrize(
    ("queued", "since", "may_delay", "scheduled", "write"),
    [
        (100, 1.0, False, False, True),
        (100, 1.0, True, False, False),
        (100, 1.0, False, True, False),
        (100, BURST / 2, False, False, False),
        (100, BURST * 1.01, False, False, True),
        (BATCH - 1, 0.0, True, True, False),
        (BATCH, 0.0, True, True, True),
    ],
)
def test_decision_table_is_followed(queued, since, may_delay, scheduled, write):
    scheduler = WriteScheduler()
    scheduler.last_sent = 5.0
    scheduler.flush_scheduled = scheduled
    assert scheduler.decide(queued, 5.0 + since, may_delay=may_delay) is write
    assert scheduler.last_sent == 5.0 + since
    assert scheduler.flush_scheduled is scheduled


def test_a_single_frame_is_written_at_once_without_the_timer_thread(sender):
    for _ in range(3):
        sender.send(b"x")
        assert sender.count() == 1
        sender.clock.advance(1.0)
    assert sender.timer.asked == []


def test_frames_of_a_burst_stay_queued_until_the_timer_thread_writes_them(sender):
    sender.send(b"1", b"2", b"3", b"4")
    assert sender.count() == 1
    assert sender.timer.asked == [FLUSH_DELAY]
    sender.on_timer()
    assert sender.count() == 3
    assert sender.timer.asked == []


def test_a_frame_that_may_be_delayed_is_written_by_the_timer_thread(sender):
    sender.link.transmit(commands.send("/queue/a", b"x"), may_delay=True)
    assert sender.count() == 0
    assert sender.timer.asked == [FLUSH_DELAY]
    sender.on_timer()
    assert sender.count() == 1


def test_frames_that_follow_queued_ones_are_queued_too(sender):
    sender.link.transmit(commands.send("/queue/a", b"1"), may_delay=True)
    sender.clock.advance(1.0)
    sender.send(b"2")
    assert sender.count() == 0
    sender.on_timer()
    assert sender.count() == 2
    sender.clock.advance(1.0)
    sender.send(b"3")
    assert sender.count() == 1


def test_flush_writes_the_queued_frames(sender):
    sender.send(b"1", b"2")
    sender.link.flush()
    assert sender.count() == 2


def test_a_full_batch_is_written_without_the_timer_thread(sender):
    body = b"x" * 4096
    sender.send(*[body] * 2)
    assert sender.count() == 1
    for _ in range(3):
        sender.send(*[body] * (BATCH // 4096))
        assert len(sender.written()) >= BATCH
    assert sender.timer.asked == [FLUSH_DELAY]


def test_large_messages_do_not_delay_small_ones(sender):
    for _ in range(2):
        sender.send(b"x" * BATCH)
        assert len(sender.written()) > BATCH
        sender.clock.advance(1.0)
        sender.send(b"small")
        assert sender.count() == 1
        sender.clock.advance(1.0)
    assert sender.timer.asked == []


def handle(sender, work, count=2):
    """This thread runs a handler, `work`, for a batch of events."""
    link = sender.link
    link._receiver = threading.get_ident()
    link._dispatcher._handler = lambda batch: work()
    link.session.receive_data(b"MESSAGE\nmessage-id:1\n\n\0" * count, sender.clock())
    link._queue_events()
    link._dispatch()
    link._receiver = 0


def test_frames_of_a_handler_are_written_at_the_end_of_its_batch(sender):
    during = []

    def reply():
        for body in (b"1", b"2", b"3"):
            sender.send(body)
            sender.clock.advance(1.0)
        during.append(sender.count())

    handle(sender, reply)
    assert during == [0]
    assert sender.count() == 3
    assert sender.timer.asked == [FLUSH_DELAY]


def test_the_reply_to_a_single_event_is_written_at_once(sender):
    during = []

    def reply():
        sender.send(b"1")
        during.append(sender.count())

    handle(sender, reply, count=1)
    assert during == [1]


def test_the_timer_thread_writes_the_frames_of_a_slow_handler(sender):
    counts = []

    def reply():
        for _ in range(2):
            sender.send(b"1", b"2")
            counts.append((list(sender.timer.asked), sender.count()))
            sender.on_timer()
            counts.append((list(sender.timer.asked), sender.count()))

    handle(sender, reply)
    assert counts == [([FLUSH_DELAY], 0), ([], 2), ([FLUSH_DELAY], 0), ([], 2)]
