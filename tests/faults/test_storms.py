"""Brokers that end each connection soon after the login, by both clients, the listener API and the command.

The lengths of the waits are tested with a fake clock (tests/core/engine/test_losses.py, tests/client/test_connect.py);
the tests here count connections.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import stomp
from stomp.core.engine.failover import Backoff
from stomp.core.errors import BrokerError, ConnectFailed, OutcomeUnknown, RetriesExhausted
from stomp.exception import ConnectFailedException, NotConnectedException
from stomp.testing.servers import ScriptedServer, greet_back, read_frame, say_nothing
from tests.cli.oneshot import Stomp
from tests.listening import RecentFrames, wait_until
from tests.pulling.faces import KINDS, face
from tests.websocket_endpoint import WebSocketEndpoint

QUICK = Backoff(initial=0.01, increase=0.0, jitter=0.0, maximum=0.01)
#: A client without back-off makes more connections than this within a fraction of a second.
STORM = 60


class Counting:
    """Script: accept logins until there are too many; `serve` gets each connection after CONNECTED.

    Attributes:
        count: number of clients.
    """

    def __init__(
        self, serve: Callable[[socket.socket, int], None] | None = None, server: str | None = None
    ) -> None:
        self.count = 0
        self._serve = serve
        self._server = server
        self._lock = threading.Lock()

    def __call__(self, sock: socket.socket) -> None:
        with self._lock:
            self.count += 1
            number = self.count
        read_frame(sock)
        greet_back(sock, server=self._server)
        if number > STORM:
            say_nothing(sock)
        elif self._serve is not None:
            self._serve(sock, number)


def receipt_of(frame: bytes) -> bytes:
    """The receipt id that a frame requests; empty if it requests none."""
    lines = frame.partition(b"\n\n")[0].split(b"\n")
    return next((line.removeprefix(b"receipt:") for line in lines if line.startswith(b"receipt:")), b"")


def answer(sock: socket.socket, frame: bytes) -> None:
    if receipt := receipt_of(frame):
        sock.sendall(b"RECEIPT\nreceipt-id:" + receipt + b"\n\n\0")


def serve_until(word: bytes, end: Callable[[socket.socket, bytes], None]) -> Callable[..., None]:
    """Answer frames until one contains this word."""

    def serve(sock: socket.socket, number: int) -> None:
        while word not in (frame := read_frame(sock)):
            answer(sock, frame)
        end(sock, frame)

    return serve


def close_after(event: threading.Event) -> Callable[..., None]:
    """Close each connection, but none before this event.

    A client takes a connection that ends before `connect` returns for a failed attempt.
    """

    def serve(sock: socket.socket, number: int) -> None:
        assert event.wait(20)

    return serve


def hang_up(sock: socket.socket, frame: bytes) -> None:
    """Send nothing, and close."""


class HangingUp:
    """The same, counted: a client that has given a frame up connects again without it.

    Attributes:
        count: number of connections that ended so.
    """

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, sock: socket.socket, frame: bytes) -> None:
        self.count += 1


@pytest.fixture(params=KINDS)
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """A function that makes clients of both kinds."""
    with face(request.param) as make_client, contextlib.ExitStack() as stack:

        def one(url: str, **settings: Any) -> Any:
            client = make_client(url, **{"backoff": QUICK, "timeout": 20.0, **settings})
            stack.callback(client.close, timeout=2)
            return client.connect()

        yield one


# ------------------------------------------------------------------------------------- clients


def test_a_broker_that_closes_after_connected_is_given_up(make: Callable[..., Any]) -> None:
    connected = threading.Event()
    script = Counting(close_after(connected))
    with ScriptedServer(script) as server:
        client = make(server.url, reattempts=4)
        connected.set()
        wait_until(lambda: client.state.over or script.count > STORM)
        assert client.state is stomp.ClientState.FAILED
        assert script.count == 1 + 4
        error = client.error
        assert isinstance(error, ConnectFailed)
        assert "the peer closed the connection; 4 attempts failed" in str(error)


def test_reconnect_to_a_broker_that_closes_after_connected_is_delayed(make: Callable[..., Any]) -> None:
    connected = threading.Event()
    script = Counting(close_after(connected))
    with ScriptedServer(script) as server:
        client = make(server.url, backoff=Backoff(initial=600.0, maximum=600.0))
        connected.set()
        # The first retry is immediate, and the wait before the second one is longer than this test.
        wait_until(lambda: script.count == 2 and client.state is stomp.ClientState.RECONNECTING)
        client.close()
        assert script.count == 2


def test_reconnect_to_a_broker_that_delivered_is_immediate(make: Callable[..., Any]) -> None:
    def deliver(sock: socket.socket, frame: bytes) -> None:
        answer(sock, frame)
        sock.sendall(b"MESSAGE\nsubscription:news\nmessage-id:1\ndestination:/topic/news\n\n\0")

    script = Counting(serve_until(b"SUBSCRIBE", deliver))
    with ScriptedServer(script) as server:
        client = make(server.url, backoff=Backoff(initial=600.0, maximum=600.0), reattempts=1)
        subscription = client.subscribe("/topic/news", id="news", ack="auto")
        for _ in range(10):
            assert subscription.receive(timeout=20) is not None
        wait_until(lambda: script.count > 10)


def test_a_subscribe_that_ends_each_connection_is_given_up(make: Callable[..., Any]) -> None:
    ended = HangingUp()
    with ScriptedServer(Counting(serve_until(b"/exchange/none", ended))) as server:
        client = make(server.url, max_losses=3)
        with pytest.raises(RetriesExhausted, match=r"3 connections in a row .* SUBSCRIBE to /exchange/none"):
            client.subscribe("/exchange/none")
        assert ended.count == 3
        client.send("/queue/a", "it lives", confirm=True)


@pytest.mark.slow(reason="waits after each of several losses")
def test_a_send_that_ends_each_connection_is_given_up_and_its_neighbours_are_confirmed(
    make: Callable[..., Any],
) -> None:
    script = Counting(serve_until(b"poison", hang_up))
    with ScriptedServer(script) as server:
        client = make(server.url, max_losses=3, on_unknown="resend")
        sends = [client.send_async("/queue/a", "poison" if number == 5 else "good") for number in range(10)]
        with pytest.raises(RetriesExhausted, match=r"SEND to /queue/a \(6 bytes\)"):
            sends[5].result(timeout=20)
        for number in (0, 1, 2, 3, 4, 6, 7, 8, 9):
            sends[number].result(timeout=20)
        # Three are lost with the message alone. How many it shared before that depends on how the threads run.
        assert script.count <= 3 + 2 + 3


def test_a_send_with_unknown_outcome_is_sent_once(make: Callable[..., Any]) -> None:
    script = Counting(serve_until(b"poison", hang_up))
    with ScriptedServer(script) as server:
        client = make(server.url)
        with pytest.raises(OutcomeUnknown) as caught:
            client.send("/queue/a", "poison", confirm=True)
        assert not isinstance(caught.value, RetriesExhausted)


def test_the_reason_of_the_websocket_is_in_the_error(make: Callable[..., Any]) -> None:
    pytest.importorskip("websockets")
    ended = HangingUp()
    with ScriptedServer(Counting(serve_until(b"/exchange/none", ended))) as inner:
        endpoint = WebSocketEndpoint(inner.address)
        endpoint.said_last = (1000, "STOMP died")
        with ScriptedServer(endpoint) as server:
            client = make(f"ws://127.0.0.1:{server.port}/ws", max_losses=2)
            with pytest.raises(RetriesExhausted, match=r"/exchange/none.*code 1000: STOMP died"):
                client.subscribe("/exchange/none")
            assert ended.count == 2


# ------------------------------------------------------------------------------------- the command


def test_listen_ends_when_its_subscription_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = HangingUp()
    with ScriptedServer(Counting(serve_until(b"/exchange/none", ended))) as server:
        answered = Stomp(f"{server.url}?max_losses=2", monkeypatch)("listen", "/exchange/none")
        assert answered.status == 3
        assert "given up: 2 connections in a row were lost after SUBSCRIBE to /exchange/none" in answered.err
        assert ended.count == 2


def test_listen_ends_when_its_subscription_ends_each_later_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def serve(sock: socket.socket, number: int) -> None:
        frame = read_frame(sock)
        if number == 1:
            answer(sock, frame)

    script = Counting(serve)
    with ScriptedServer(script) as server:
        answered = Stomp(f"{server.url}?max_losses=2", monkeypatch)("listen", "/queue/gone")
        assert answered.status == 3
        assert "SUBSCRIBE to /queue/gone" in answered.err
        assert script.count <= 4


# ------------------------------------------------------------------------------------- the listener API


class Recipe(RecentFrames):
    """The listener of section 3.6 of stomp.py's documentation; it reconnects until `leaving` is set."""

    def __init__(self, conn: Any) -> None:
        super().__init__()
        self.conn = conn
        self.leaving = False
        self.raised: list[BaseException] = []

    def connect_and_subscribe(self) -> None:
        self.conn.start()
        self.conn.connect("guest", "guest", wait=True)
        self.conn.subscribe(destination="/queue/test", id=1, ack="auto")

    def on_disconnected(self) -> None:
        super().on_disconnected()
        while not self.leaving:
            try:
                self.connect_and_subscribe()
            except ConnectFailedException as err:
                self.raised.append(err)
                continue
            except NotConnectedException:
                pass  # the connection was lost before SUBSCRIBE; on_disconnected is called again
            return


@pytest.fixture
def leaving() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def follow_recipe(server: ScriptedServer, stack: contextlib.ExitStack, **waits: Any) -> Recipe:
    conn = stomp.Connection12([server.address], **waits)
    recipe = Recipe(conn)
    conn.set_listener("", recipe)

    def leave() -> None:
        recipe.leaving = True
        conn.transport.stop()

    stack.callback(leave)
    recipe.connect_and_subscribe()
    return recipe


def test_recipe_delays_the_reconnect_to_a_broker_that_closes_after_connected(
    leaving: contextlib.ExitStack,
) -> None:
    script = Counting(serve_until(b"SUBSCRIBE", hang_up))
    with ScriptedServer(script) as server:
        recipe = follow_recipe(server, leaving, reconnect_sleep_initial=600.0, reconnect_sleep_max=600.0)
        recipe.wait_for_method("on_disconnected", 1)
        recipe.leaving = True
        # `disconnect` ends the wait. It is repeated, because on_disconnected may not have begun to wait yet.
        wait_until(lambda: recipe.conn.disconnect() or recipe.raised)
        assert "stopped" in str(recipe.raised[0])
        assert script.count == 1


def test_recipe_reconnects_at_once_to_a_broker_that_delivered(
    leaving: contextlib.ExitStack,
) -> None:
    def deliver(sock: socket.socket, frame: bytes) -> None:
        sock.sendall(b"MESSAGE\nsubscription:1\nmessage-id:1\ndestination:/queue/test\n\nnews\0")

    script = Counting(serve_until(b"SUBSCRIBE", deliver))
    with ScriptedServer(script) as server:
        recipe = follow_recipe(server, leaving, reconnect_sleep_initial=600.0, reconnect_sleep_max=600.0)
        recipe.wait_for_bodies(10)
        recipe.leaving = True


def test_recipe_waits_longer_each_time(leaving: contextlib.ExitStack) -> None:
    script = Counting(serve_until(b"SUBSCRIBE", hang_up))
    waits: list[float] = []
    with ScriptedServer(script) as server:
        conn = stomp.Connection12(
            [server.address],
            reconnect_sleep_initial=100.0,
            reconnect_sleep_jitter=0,
            reconnect_sleep_max=1000.0,
            reconnect_attempts_max=1,
        )
        recipe = Recipe(conn)
        conn.set_listener("", recipe)

        def stopped(seconds: float) -> bool:
            waits.append(seconds)
            return False

        conn.transport._wait_or_stopped = stopped  # type: ignore[method-assign]
        recipe.connect_and_subscribe()
        wait_until(lambda: len(waits) >= 5)
        recipe.leaving = True
        leaving.callback(conn.transport.stop)
    # The time since the end of the connection is subtracted from the wait.
    assert waits[0] == 0.0
    assert all(
        full - 20 < wait <= full for wait, full in zip(waits[1:5], (100, 150, 225, 337.5), strict=True)
    )


def test_a_connect_after_disconnect_is_made_at_once() -> None:
    script = Counting(lambda sock, number: answer(sock, read_frame(sock)))
    with ScriptedServer(script) as server:
        conn = stomp.Connection12([server.address], reconnect_sleep_initial=600.0, reconnect_sleep_max=600.0)
        for count in range(1, 4):
            conn.connect("guest", "guest", wait=True)
            conn.disconnect()
            assert script.count == count


# ------------------------------------------------------------------------------------- an ERROR that is the end

APOLLO, ARTEMIS = "apache-apollo/1.7.1", "ActiveMQ-Artemis/2.44.0 ActiveMQ Artemis Messaging Engine"


def refuse_and_wait(sock: socket.socket, frame: bytes) -> None:
    """As Apollo: send an ERROR without receipt-id, and wait until the client closes. (Apollo closes 5 s later.)"""
    sock.sendall(b"ERROR\nmessage:Invalid destination\n\n\0")
    with contextlib.suppress(OSError):
        # After the ERROR, the client may send nothing but heart-beats before the end of its stream.
        assert not sock.recv(1000).strip(b"\n")


def refuse_and_close(sock: socket.socket, frame: bytes) -> None:
    """As Artemis: send an ERROR and close."""
    sock.sendall(b"ERROR\nmessage:forbidden\nreceipt-id:" + receipt_of(frame) + b"\n\n\0")


BROKERS = [
    pytest.param(APOLLO, refuse_and_wait, id="apollo"),
    pytest.param(ARTEMIS, refuse_and_close, id="artemis"),
    pytest.param(None, refuse_and_wait, id="unknown"),
]


@pytest.mark.parametrize(("called", "refuse"), BROKERS)
def test_client_reconnects_after_an_error(
    make: Callable[..., Any], called: str | None, refuse: Callable[[socket.socket, bytes], None]
) -> None:
    script = Counting(serve_until(b"forbidden", refuse), server=called)
    with ScriptedServer(script) as server:
        client = make(server.url)
        with pytest.raises(BrokerError, match=r"Invalid destination|forbidden"):
            client.send("/queue/a", "forbidden", confirm=True)
        for number in range(5):
            client.send("/queue/a", f"after it {number}", confirm=True)
        assert script.count == 2


@pytest.mark.parametrize("called", ["RabbitMQ/3.10.8", "ActiveMQ/5.17.2", "HornetQ/2.5.0.SNAPSHOT"])
def test_client_stays_connected_if_the_broker_continues_after_an_error(
    make: Callable[..., Any], called: str
) -> None:
    def serve(sock: socket.socket, number: int) -> None:
        while True:
            frame = read_frame(sock)
            if b"forbidden" in frame:
                sock.sendall(b"ERROR\nmessage:no\n\n\0")
            else:
                answer(sock, frame)

    script = Counting(serve, server=called)
    with ScriptedServer(script) as server:
        client = make(server.url)
        with pytest.raises(BrokerError):
            client.send("/queue/a", "forbidden", confirm=True)
        client.send("/queue/a", "after it", confirm=True)
        assert script.count == 1


@pytest.mark.parametrize(("called", "refuse"), BROKERS[:2])
def test_a_listener_is_disconnected_after_the_error_and_send_raises(
    called: str, refuse: Callable[[socket.socket, bytes], None]
) -> None:
    script = Counting(serve_until(b"forbidden", refuse), server=called)
    with ScriptedServer(script) as server:
        conn = stomp.Connection12([server.address])
        recorder = RecentFrames()
        conn.set_listener("", recorder)
        conn.connect("guest", "guest", wait=True)
        conn.send("/queue/a", "forbidden", receipt="1")
        recorder.wait_for_method("on_disconnected")
        assert recorder.methods.index("on_error") < recorder.methods.index("on_disconnected")
        with pytest.raises(NotConnectedException):
            conn.send("/queue/a", "it would vanish")


def test_listener_connection_to_an_unknown_broker_continues_after_an_error() -> None:
    def serve(sock: socket.socket, number: int) -> None:
        read_frame(sock)
        sock.sendall(b"ERROR\nmessage:no\n\n\0")
        answer(sock, read_frame(sock))
        say_nothing(sock)

    with ScriptedServer(Counting(serve)) as server:
        conn = stomp.Connection12([server.address])
        recorder = RecentFrames()
        conn.set_listener("", recorder)
        conn.connect("guest", "guest", wait=True)
        conn.send("/queue/a", "forbidden")
        recorder.wait_for_method("on_error")
        conn.send("/queue/a", "after it", receipt="2")
        recorder.wait_for_method("on_receipt")
        conn.transport.stop()
