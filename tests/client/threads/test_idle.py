"""stomp.client.threads.idle: links that have no thread while nothing comes. The test is the broker."""

import contextlib
import select
import socket
import threading

import pytest

from stomp.client.options import Options
from stomp.client.threads import idle
from stomp.client.threads.idle_poller import WATCH
from stomp.client.threads.link import Link
from stomp.core.frames import commands
from stomp.core.frames.frame import Headers
from stomp.core.session.client import ClientSession
from stomp.core.session.events import (
    Closed,
    Connected,
    Error,
    HeartbeatReceived,
    HeartbeatSent,
    Message,
    Reason,
    Receipt,
    ReceiptOverdue,
)
from stomp.net.dial import Deadline, wait_ready
from stomp.testing import FakeClock
from tests.client.threads.test_link import Events, Peer
from tests.listening import PATIENCE, wait_until

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="needs epoll")


class Handler(Events):
    """Notes on which thread it was told; `of_interest` are the kinds of events that the user hears of."""

    def __init__(self, *of_interest):
        super().__init__()
        self.of_interest = set(of_interest)
        self.threads = {}

    def __call__(self, batch):
        for event in batch:
            self.threads[type(event)] = threading.current_thread()
        super().__call__(batch)

    def hears(self, batch):
        return any(type(event) in self.of_interest for event in batch)


class Bed:
    """A link that is logged in and was started as one on which nothing is awaited."""

    farewell = b"RECEIPT\nreceipt-id:bye\n\n\0"

    def __init__(self, handler, heartbeat=(0, 0), **options):
        ours, theirs = socket.socketpair()
        self.handler, self.peer = handler, Peer(theirs, heartbeat[::-1])
        self.link = Link(ours, ClientSession(), handler, Options(**options), None, handler.hears)
        self.link.transmit(commands.connect(["1.2"], "/", heartbeat=heartbeat))
        self.peer.read()
        self.link.read_connected()
        self.link.start(quiet=True)

    def disconnect(self, *, answered=True):
        """Say good-bye, have it answered unless the test does, and wait."""
        self.link.transmit(commands.disconnect("bye"))
        while not self.peer.requests or self.peer.requests[-1].command != "DISCONNECT":
            assert self.peer.read()
        if answered:
            self.peer.sock.sendall(self.farewell)
        return self.link.join(PATIENCE)


@contextlib.contextmanager
def bed(*of_interest, **settings):
    made = Bed(Handler(*of_interest), **settings)
    yield made
    made.link.close()
    assert made.link.join(PATIENCE)
    assert not made.link.asleep
    made.peer.sock.close()


def receivers():
    return [thread for thread in threading.enumerate() if thread.name == "stomp-receiver"]


def test_it_sleeps_without_a_thread_and_has_one_when_something_comes():
    wait_until(lambda: not receivers())
    with bed(Message) as made:
        assert made.link.asleep
        assert receivers() == []
        assert made.handler.of(Connected)  # on this thread, as no user hears of it
        made.peer.deliver(3)
        made.handler.wait_for(Message, 3)
        assert not made.link.asleep
        assert made.handler.threads[Message].name == "stomp-receiver"


def test_it_does_not_sleep_while_the_user_is_to_hear_of_connected():
    with bed(Connected, Message) as made:
        assert made.handler.wait_for(Connected)
        assert made.handler.threads[Connected].name == "stomp-receiver"
        assert not made.link.asleep


def test_who_is_told_everything_never_sleeps():
    ours, theirs = socket.socketpair()
    handler, peer = Handler(), Peer(theirs)
    link = Link(ours, ClientSession(), handler, Options())
    link.transmit(commands.connect(["1.2"], "/"))
    peer.read()
    link.read_connected()
    link.start(quiet=True)
    assert not link.asleep
    assert link.thread is not None
    link.close()
    assert link.join(PATIENCE)
    theirs.close()


def test_a_thread_of_the_users_own_stays():
    threads = []

    def start(run):
        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return threads[-1]

    with bed(Message, start_thread=start) as made:
        assert not made.link.asleep
        assert made.link.thread is threads[0]


def test_a_thread_that_was_asked_for_stays(monkeypatch):
    monkeypatch.setattr(idle, "_QUIET", 0.0)
    with bed(Message, heartbeat=(0, 3600_000)) as made:
        assert made.link.asleep
        thread = made.link.thread
        assert not made.link.asleep
        assert thread.is_alive()
        for count in range(1, 4):
            made.peer.sock.sendall(b"\n")
            made.handler.wait_for(HeartbeatReceived, count)
        assert made.link.thread is thread
        assert thread.is_alive()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def beat(made):
    before = made.link.session.counters.heartbeats_received
    made.peer.sock.sendall(b"\n")
    wait_until(lambda: made.link.session.counters.heartbeats_received > before)


def test_heart_beats_do_not_wake_it_unless_somebody_hears_of_them():
    with bed(Message, heartbeat=(0, 3600_000)) as made:
        for _ in range(3):
            beat(made)
            wait_until(lambda: not made.link._inbox)
            assert made.link.asleep
        assert made.handler.of(HeartbeatReceived) == []
        made.handler.of_interest.add(HeartbeatReceived)
        beat(made)
        made.handler.wait_for(HeartbeatReceived)
        assert not made.link.asleep


def test_it_falls_asleep_again_when_only_heart_beats_have_come_for_some_time():
    clock = FakeClock()
    with bed(Message, heartbeat=(0, 3600_000), clock=clock) as made:
        made.peer.deliver(1)
        made.handler.wait_for(Message)
        for seconds in (1.0, idle._QUIET - 0.5):
            beat(made)
            made.handler.wait_for(HeartbeatReceived)
            clock.advance(seconds)
        made.peer.deliver(1)
        made.handler.wait_for(Message, 2)
        clock.advance(1.0)
        beat(made)
        made.handler.wait_for(HeartbeatReceived, 3)
        assert not made.link.asleep
        clock.advance(idle._QUIET)
        made.peer.sock.sendall(b"\n")
        wait_until(lambda: made.link.asleep)
        made.peer.deliver(1)
        made.handler.wait_for(Message, 3)


def test_beats_that_are_sent_while_it_sleeps_are_not_heaped_up():
    with bed(Message, heartbeat=(20, 0)) as made:
        # Of the server's own end, which counts what it reads.
        while made.peer.session.counters.heartbeats_received < 30:
            made.peer.read()
        assert made.link.asleep
        assert len(made.link._inbox) < 15
        made.handler.of_interest.add(HeartbeatSent)
        made.handler.wait_for(HeartbeatSent)


def test_its_end_is_read_by_who_waits_for_it(monkeypatch):
    with bed(Message) as made:

        def wait(*args, **kwargs):
            made.peer.sock.sendall(made.farewell)
            made.farewell = b""
            return wait_ready(*args, **kwargs)

        monkeypatch.setattr("stomp.client.threads.link.wait_ready", wait)
        assert made.disconnect(answered=False)
        assert made.handler.threads[Closed] is made.handler.threads[Receipt] is threading.current_thread()
        assert made.handler.of(Closed)[0].reason is Reason.CLEAN


@pytest.mark.parametrize("kind", [Receipt, Closed, Message])
def test_who_waits_for_the_end_runs_no_code_of_the_user(kind):
    with bed(kind) as made:
        if kind is Message:
            made.peer.deliver(3)
        assert made.disconnect()
        assert made.handler.threads[kind].name == "stomp-receiver"
        assert made.handler.threads[Closed] is not threading.current_thread()


def test_who_waits_for_an_end_that_does_not_come_leaves_it_to_a_thread():
    with bed(Message) as made:
        assert not made.link.join(0.05)
        assert not made.link.asleep
        made.peer.deliver(1)
        made.handler.wait_for(Message)


def test_an_interrupt_while_waiting_for_the_end_leaves_it_to_a_thread(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with bed(Message) as made:
        with monkeypatch.context() as patch:
            patch.setattr("stomp.client.threads.link.wait_ready", interrupted)
            with pytest.raises(KeyboardInterrupt):
                made.link.join(PATIENCE)
        made.peer.deliver(1)
        made.handler.wait_for(Message)


def test_the_broker_hangs_up_while_it_sleeps():
    with bed() as made:
        made.peer.sock.shutdown(socket.SHUT_RDWR)
        assert made.handler.wait_for(Closed).reason is Reason.EOF


def test_the_broker_complains_while_it_sleeps():
    with bed() as made:
        made.peer.sock.sendall(b"ERROR\nmessage:no\n\n\0")
        made.handler.wait_for(Error)
        made.peer.sock.close()
        made.handler.wait_for(Closed)


def test_it_is_closed_while_it_sleeps():
    with bed() as made:
        made.link.close()
        assert made.handler.wait_for(Closed).reason is Reason.ABORTED
        wait_until(lambda: made.link.sock.fileno() < 0)
        assert made.link.join(PATIENCE)


def test_silence_is_noticed_while_it_sleeps():
    with bed(heartbeat=(0, 50)) as made:
        assert made.handler.of(Connected)
        assert made.handler.wait_for(Closed).reason is Reason.HEARTBEAT


def test_an_overdue_receipt_is_told_while_it_sleeps():
    with bed() as made:
        deadline = made.link._clock() + 0.05
        made.link.transmit(commands.send("/queue/a", b"", receipt="r"), deadline=deadline)
        made.handler.wait_for(ReceiptOverdue)


def test_a_defect_in_reading_ends_one_connection_and_no_other(monkeypatch, caplog):
    class Defect(Exception):
        pass

    with bed(Message) as made, bed(Message) as other:

        def broken(data, now):
            raise Defect

        monkeypatch.setattr(made.link.session, "receive_data", broken)
        monkeypatch.setattr(threading, "excepthook", lambda _: None)
        made.peer.deliver(1)
        made.handler.wait_for(Closed)
        assert "reading failed" in caplog.text
        other.peer.deliver(1)
        other.handler.wait_for(Message)


def test_without_descriptors_it_keeps_its_thread(monkeypatch):
    def full(*_):
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(WATCH, "add", full)
        made = Bed(Handler(Message))
    assert not made.link.asleep
    made.peer.deliver(1)
    made.handler.wait_for(Message)
    made.link.close()
    assert made.link.join(PATIENCE)
    made.peer.sock.close()


def test_many_that_sleep_need_two_threads_in_all():
    wait_until(lambda: not receivers())
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        beds = [stack.enter_context(bed(Message, heartbeat=(60_000, 60_000))) for _ in range(20)]
        assert threading.active_count() <= before + 2
        for made in beds:
            made.peer.deliver(1)
        for made in beds:
            made.handler.wait_for(Message)


def test_what_another_thread_tells_meanwhile_is_not_taken_out_again():
    with bed(Message) as made:
        link = made.link

        class Telling:
            """The lock, got by another thread first: it tells all there is, and then a message comes."""

            def acquire(self, _):
                with link._state:
                    link._inbox = [message]
                return True

            def release(self):
                pass

        message = Message("MESSAGE", Headers({"message-id": "1"}), b"x")
        lock, link._telling = link._telling, Telling()
        with link._state:
            link._inbox.append(HeartbeatSent())
        assert not link._passed_over()
        link._telling = lock
        assert link._inbox == [message]
        link._inbox.clear()


def test_who_waits_for_the_end_does_not_run_on_the_spot_when_another_thread_has_told_it(monkeypatch):
    with bed(Message) as made:
        link = made.link
        assert link._wake_up()
        link.close()
        with link._state:
            link._inbox.clear()  # by the other thread
        looks = []

        class Watched(Deadline):
            @property
            def left(self):
                looks.append(1)
                return super().left

        link._receive_end(Watched(PATIENCE))
        assert len(looks) <= 1
        assert link.join(PATIENCE)
