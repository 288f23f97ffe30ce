"""The asyncio driver over a socket pair; the test is the broker, through a `ServerSession`."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from stomp.client.aio import link as aio_link
from stomp.client.aio.link import AioLink, open_link
from stomp.client.connect import TlsSettings
from stomp.client.options import Options
from stomp.client.write_scheduler import BURST
from stomp.core.errors import ConnectFailed, ConnectionLost, FrameError, NotConnected, SendStalled
from stomp.core.frames import commands
from stomp.core.frames.frame import Frame, Headers
from stomp.core.session.client import ClientSession
from stomp.core.session.events import (
    Closed,
    Connected,
    HeartbeatReceived,
    HeartbeatSent,
    MessageFrame,
    Reason,
    Receipt,
    Request,
)
from stomp.core.session.server import ServerSession
from stomp.net.address import parse
from stomp.testing.clock import FakeClock
from stomp.testing.servers import ScriptedServer, greet
from tests.awaiting import LOOPS, loop_of, run, until


@pytest.fixture(params=LOOPS)
def playing(request):
    """Runs a coroutine function with a `Pair`, on each kind of loop."""
    loop = loop_of(request.param)

    def play(test, **settings):
        async def played():
            async with Pair(**settings) as pair:
                await test(pair)

        run(played(), **loop)

    return play


class CountingLayer:
    """A layer that changes nothing, and notes what it is given at once."""

    def __init__(self):
        self.ended = False
        self.failure = None
        self.is_websocket = False
        self.sent = []
        self.rest = b""
        self.broken = None
        self._out = []

    def receive(self, data):
        if self.broken is not None:
            raise self.broken
        data, self.rest = self.rest + data, b""
        return data

    def send(self, parts):
        if parts:
            self.sent.append(parts)
        self._out += parts

    def outgoing(self):
        out, self._out = b"".join(self._out), []
        return out

    def close(self):
        self._out.append(b"\n")


class Pair:
    """A link, and the broker's end of its socket."""

    def __init__(self, *, heartbeat=(0, 0), layer=None, **options):
        self.events = []
        self.batches = 0
        self.hook = lambda event: None
        self.ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)
        self.session = ServerSession(heartbeat=heartbeat)
        self.requests = []
        self.layer = layer
        self.heartbeat = heartbeat
        self.options = Options(**options)

    async def __aenter__(self):
        self.loop = asyncio.get_running_loop()
        session = ClientSession(tolerance=self.options.tolerance)
        self.link = AioLink(self.ours, session, self.handle, self.options, self.layer)
        await self.link.start()
        return self

    async def __aexit__(self, kind, *_):
        self.link.close()
        self.theirs.close()
        await self.link.wait_closed()
        if kind is None:
            assert self.ours.fileno() == -1
            assert len(self.of(Closed)) == 1
            assert self.events[-1] is self.of(Closed)[0]
            assert self.link._timer is None

    def handle(self, link, events):
        assert link is self.link
        self.events += events
        self.batches += 1
        for event in events:
            self.hook(event)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    async def connect(self):
        self.link.transmit(commands.connect(["1.2"], "/", heartbeat=self.heartbeat))
        await self.read_until(lambda: self.of(Connected))

    async def read(self):
        """Read once, and answer what the session answers; False at the end."""
        data = await self.loop.sock_recv(self.theirs, 1 << 20)
        if not data:
            return False
        self.session.receive_data(data, self.loop.time())
        for event in self.session.events():
            if isinstance(event, Request):
                self.requests.append(event.frame)
            elif type(event).__name__ == "ConnectRequested":
                self.session.accept(self.loop.time())
        await self.write()
        return True

    async def write(self):
        data = b"".join(self.session.data_to_send(self.loop.time()))
        if data:
            await self.loop.sock_sendall(self.theirs, data)

    async def read_until(self, condition):
        reading = self.loop.create_task(self._read_on())
        try:
            await until(lambda: condition() or reading.done())
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await reading
        assert condition(), "the client hung up"

    async def _read_on(self):
        while await self.read():
            pass

    async def deliver(self, count, body=b"x"):
        for number in range(count):
            headers = {"subscription": "1", "message-id": str(number), "destination": "/queue/a"}
            headers["content-length"] = str(len(body))
            self.session.deliver(Frame("MESSAGE", Headers(headers), body))
        await self.write()

    def send(self, body=b"hello", **headers):
        return self.link.transmit(commands.send("/queue/a", body, headers=headers))


# ------------------------------------------------------------------------------------- frames and events


def test_frames_go_out_in_order_and_events_come_in_order(playing):
    async def test(pair):
        await pair.connect()
        for number in range(50):
            pair.send(str(number).encode())
        await pair.read_until(lambda: len(pair.requests) == 50)
        assert [frame.body for frame in pair.requests] == [str(n).encode() for n in range(50)]
        await pair.deliver(50)
        await until(lambda: len(pair.of(MessageFrame)) == 50)
        assert [event.headers["message-id"] for event in pair.of(MessageFrame)] == [str(n) for n in range(50)]

    playing(test)


def test_frames_of_a_burst_are_written_together():
    async def test():
        clock = FakeClock(1.0)
        async with Pair(layer=CountingLayer(), clock=clock) as pair:
            await pair.connect()
            pair.layer.sent.clear()
            clock.advance(2 * BURST)
            for number in range(10):
                pair.send(str(number).encode())
            await pair.read_until(lambda: len(pair.requests) == 10)
            # The first one is written at once.
            assert [len(parts) for parts in pair.layer.sent] == [1, 9]

    run(test())


def test_frames_that_are_no_burst_are_written_at_once():
    async def test():
        clock = FakeClock(1.0)
        async with Pair(layer=CountingLayer(), clock=clock) as pair:
            await pair.connect()
            pair.layer.sent.clear()
            for number in range(3):
                clock.advance(2 * BURST)
                pair.send(str(number).encode())
            assert [len(parts) for parts in pair.layer.sent] == [1, 1, 1]
            assert not pair.link._scheduler.flush_scheduled
            await pair.read_until(lambda: len(pair.requests) == 3)

    run(test())


def test_later_frames_of_a_burst_are_written_at_64_kib():
    async def test():
        clock = FakeClock(1.0)
        async with Pair(layer=CountingLayer(), clock=clock) as pair:
            await pair.connect()
            pair.layer.sent.clear()
            clock.advance(2 * BURST)
            for _ in range(40):
                pair.send(bytes(4096))
            assert [len(parts) for parts in pair.layer.sent] == [1, 16, 16]
            await pair.read_until(lambda: len(pair.requests) == 40)

    run(test())


def test_large_bodies_pass_both_ways(playing):
    async def test(pair):
        await pair.connect()
        body = bytes(range(256)) * 12_000
        pair.send(body)
        pair.send(b"after")
        await pair.read_until(lambda: len(pair.requests) == 2)
        assert [frame.body for frame in pair.requests] == [body, b"after"]
        await pair.deliver(2, body)
        await until(lambda: len(pair.of(MessageFrame)) == 2)
        assert [message.body for message in pair.of(MessageFrame)] == [body, body]

    playing(test)


def test_frame_that_cannot_be_encoded_leaves_no_trace(playing):
    async def test(pair):
        await pair.connect()
        with pytest.raises(FrameError):
            pair.send(evil="a\0b", receipt="never")
        assert not pair.link.session.ledger.expects("never")
        pair.send(b"good")
        await pair.read_until(lambda: pair.requests)
        assert pair.requests[0].body == b"good"

    playing(test)


def test_failing_handler_is_logged_and_the_connection_stays_open(playing, caplog):
    async def test(pair):
        await pair.connect()

        def fail(event):
            raise KeyError("a defect of ours")

        pair.hook = fail
        await pair.deliver(1)
        await until(lambda: pair.of(MessageFrame))
        pair.hook = lambda event: None
        await pair.deliver(1)
        await until(lambda: len(pair.of(MessageFrame)) == 2)
        assert "a defect of ours" in caplog.text

    playing(test)


# ------------------------------------------------------------------------------------- the end


def test_closing_peer_ends_the_link(playing):
    async def test(pair):
        await pair.connect()
        pair.theirs.close()
        await pair.link.wait_closed()
        assert pair.of(Closed)[0].reason is Reason.EOF
        assert not pair.link.alive
        assert not pair.link.is_open
        with pytest.raises(NotConnected, match="closed the connection"):
            pair.send()

    playing(test)


def test_reset_by_the_peer_ends_the_link(playing):
    async def test(pair):
        await pair.connect()
        pair.theirs.shutdown(socket.SHUT_RD)
        pair.send()
        await pair.link.wait_closed()
        assert isinstance(pair.of(Closed)[0].error, ConnectionLost)

    playing(test)


def test_frames_before_a_failed_write_are_dispatched():
    async def test():
        async with Pair() as pair:
            await pair.connect()
            pair.link.pause()
            await pair.loop.sock_sendall(pair.theirs, b"ERROR\nmessage:no more\n\n\0")
            pair.theirs.close()
            # The transport would find the broken pipe before it reads on.
            pair.send()
            pair.link.resume()
            await pair.link.wait_closed()
            assert "no more" in pair.of(Closed)[0].error.message

    run(test())


def test_close_calls_the_handler_once(playing):
    async def test(pair):
        await pair.connect()
        pair.send(b"before")
        pair.link.close()
        pair.link.close()
        assert [event.reason for event in pair.of(Closed)] == [Reason.ABORTED]
        # What was sent before still goes out.
        await pair.read_until(lambda: pair.requests)
        await pair.link.wait_closed()

    playing(test)


def test_disconnect_with_receipt_ends_cleanly(playing):
    async def test(pair):
        await pair.connect()
        pair.link.transmit(commands.disconnect("bye"))
        await pair.read_until(lambda: pair.requests)
        pair.session.receipt("bye")
        await pair.write()
        await pair.link.wait_closed()
        assert [type(event) for event in pair.events[-2:]] == [Receipt, Closed]
        assert pair.events[-1].reason is Reason.CLEAN

    playing(test)


def test_disconnect_without_receipt_is_written_before_the_socket_closes(playing):
    async def test(pair):
        await pair.connect()
        pair.send(b"last words")
        pair.link.transmit(commands.disconnect())
        await pair.read_until(lambda: len(pair.requests) == 2)
        assert [frame.command for frame in pair.requests] == ["SEND", "DISCONNECT"]
        await pair.link.wait_closed()

    playing(test)


def test_close_does_not_wait_for_a_broker_that_does_not_read(playing, monkeypatch):
    async def test(pair):
        await pair.connect()
        while not pair.link.write_paused:
            pair.send(bytes(1 << 20))
        pair.link.transmit(commands.disconnect())
        await pair.link.wait_closed()

    monkeypatch.setattr(aio_link, "_LAST_WORDS", 0.05)
    playing(test)


def test_unanswered_requests_end_at_their_deadline(playing):
    async def test(pair):
        pair.link.transmit(commands.connect(["1.2"], "/"), deadline=pair.options.clock() + 0.05)
        await until(lambda: pair.of(Closed))
        assert pair.of(Closed)[0].reason is Reason.TIMEOUT

    playing(test)


def test_a_layer_that_cannot_read_ends_the_connection():
    async def test():
        async with Pair(layer=CountingLayer()) as pair:
            await pair.connect()
            pair.layer.broken = ssl.SSLError(1, "bad record")
            await pair.deliver(1)
            await until(lambda: pair.of(Closed))
            assert "bad record" in pair.of(Closed)[0].error.message

    run(test())


def test_a_layer_that_cannot_write_ends_the_connection():
    def refuse(parts):
        raise ssl.SSLError(1, "bad record")

    async def test():
        async with Pair(layer=CountingLayer()) as pair:
            await pair.connect()
            pair.layer.send = refuse
            pair.send()
            await until(lambda: pair.of(Closed))
            assert "bad record" in pair.of(Closed)[0].error.message

    run(test())


def test_bytes_received_with_the_handshake_come_first():
    async def test():
        layer = CountingLayer()
        layer.rest = b"ERROR\nmessage:no\n\n\0"
        async with Pair(layer=layer) as pair:
            await until(lambda: pair.of(Closed))
            assert "no" in pair.of(Closed)[0].error.message

    run(test())


# ------------------------------------------------------------------------------------- the heart


def test_heartbeats_are_exchanged_while_idle(playing):
    async def test(pair):
        await pair.connect()
        await until(lambda: len(pair.of(HeartbeatSent)) >= 2)
        await pair.loop.sock_sendall(pair.theirs, b"\n")
        await until(lambda: pair.of(HeartbeatReceived))

    playing(test, heartbeat=(40, 40), tolerance=1000)


def test_silence_ends_the_link(playing):
    async def test(pair):
        await pair.connect()
        await until(lambda: pair.of(Closed))
        assert pair.of(Closed)[0].reason is Reason.HEARTBEAT

    playing(test, heartbeat=(50, 50))


def test_unread_bytes_count_as_activity():
    """Neither while reading is paused nor after the loop was blocked."""

    async def test():
        clock = FakeClock()
        async with Pair(heartbeat=(10_000, 10_000), clock=clock) as pair:
            await pair.connect()
            pair.link.pause()
            await pair.deliver(1)
            clock.advance(100)
            pair.link._tick()
            assert pair.link.alive
            pair.link.resume()
            await until(lambda: pair.of(MessageFrame))
            clock.advance(100)
            pair.link._tick()
            assert pair.of(Closed)[0].reason is Reason.HEARTBEAT

    run(test())


def test_reading_can_be_paused(playing):
    async def test(pair):
        await pair.connect()
        pair.link.pause()
        pair.link.pause()
        await pair.deliver(1)
        await asyncio.sleep(0)
        assert not pair.of(MessageFrame)
        pair.link.resume()
        pair.link.resume()
        await until(lambda: pair.of(MessageFrame))

    playing(test)


# ------------------------------------------------------------------------------------- room


def fill(pair):
    while not pair.link.write_paused:
        pair.send(bytes(256 * 1024))


def test_writing_resumes_when_the_broker_reads(playing):
    async def test(pair):
        await pair.connect()
        await pair.link.wait_writable()
        fill(pair)
        waiting = [asyncio.create_task(pair.link.wait_writable()) for _ in range(2)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        await pair.read_until(lambda: all(task.done() for task in waiting))
        await asyncio.gather(*waiting)
        assert not pair.link.write_paused

    playing(test)


def test_a_broker_that_does_not_read_stalls_the_sender(playing):
    async def test(pair):
        await pair.connect()
        fill(pair)
        with pytest.raises(SendStalled, match=r"has not read for 0\.05 s; \d+ bytes wait"):
            await pair.link.wait_writable()
        # Nothing is lost.
        sent = pair.link.session.counters.frames_sent - 1
        await pair.read_until(lambda: len(pair.requests) == sent)

    playing(test, send_timeout=0.05)


def test_lost_connection_ends_the_wait_for_writing(playing):
    async def test(pair):
        await pair.connect()
        fill(pair)
        waiting = asyncio.create_task(pair.link.wait_writable())
        await asyncio.sleep(0)
        pair.theirs.close()
        with pytest.raises(ConnectionLost):
            await waiting

    playing(test)


# ------------------------------------------------------------------------------------- dialing


def address_of(server, scheme="stomp"):
    return parse(f"{scheme}://{server.host}:{server.port}").addresses[0]


def ignore(link, events):
    pass


def test_open_link_connects_and_reads():
    async def test():
        events = []
        link = await open_link(
            address_of(server), Options(), None, ClientSession(), lambda _, new: events.extend(new)
        )
        link.transmit(commands.connect(["1.2"], "/"))
        await until(lambda: any(isinstance(event, Connected) for event in events))
        link.close()
        await link.wait_closed()

    with ScriptedServer(greet) as server:
        run(test())


def test_open_link_uses_the_tls_layer(server_tls, ca_file):
    async def test():
        events = []
        link = await open_link(
            address_of(server, "stomp+ssl"),
            Options(),
            TlsSettings(ca_certs=ca_file),
            ClientSession(),
            lambda _, new: events.extend(new),
        )
        link.transmit(commands.connect(["1.2"], "/"))
        await until(lambda: any(isinstance(event, Connected) for event in events))
        link.close()
        await link.wait_closed()

    with ScriptedServer(greet, tls=server_tls) as server:
        run(test())


def test_open_link_raises_the_reason(free_port):
    async def test():
        address = parse(f"stomp://127.0.0.1:{free_port}").addresses[0]
        with pytest.raises(ConnectFailed, match="refused"):
            await open_link(address, Options(), None, ClientSession(), ignore)

    run(test())
