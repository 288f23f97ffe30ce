"""The log of all three APIs, as a program sees it with `logging.basicConfig(level=...)`: see docs/howto/observe.md."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
from functools import partial
from typing import Any

import pytest

import stomp
from stomp.adapter.multicast import MulticastConnection
from stomp.broker import Broker
from stomp.core.errors import StompError
from stomp.core.repeats import BURST
from stomp.testing.servers import ScriptedServer, greet_back, read_frame, say_nothing
from tests.awaiting import run, until
from tests.listening import PATIENCE, RecentFrames, wait_until
from tests.multicasting import group_of_our_own

SECRET = "s3cr3t-mark-4711"


class Log:
    """The lines of the loggers of stompkit, as (level, text)."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog

    @property
    def records(self) -> list[tuple[str, str]]:
        return [
            (record.levelname, record.getMessage())
            for record in list(self._caplog.records)
            if record.name in ("stomp.py", "stomp.client")
        ]

    def of(self, level: str) -> list[str]:
        return [text for name, text in self.records if name == level]

    def find(self, level: str, *words: str) -> list[str]:
        """The lines of a level that contain all these texts."""
        return [text for text in self.of(level) if all(word in text for word in words)]

    def wait_for(self, level: str, *words: str, count: int = 1) -> None:
        wait_until(lambda: len(self.find(level, *words)) >= count)


@pytest.fixture
def log(caplog):
    """The log at level DEBUG."""
    caplog.set_level(logging.DEBUG)
    return Log(caplog)


@pytest.fixture
def warnings(caplog):
    """The log without configuration."""
    caplog.set_level(logging.WARNING)
    return Log(caplog)


@pytest.fixture
def locked_broker():
    with Broker(users={"admin": SECRET}) as running:
        yield running


def check_conversation(log: Log, *, content_length: str) -> None:
    """CONNECT, CONNECTED, SUBSCRIBE, SEND, MESSAGE, ACK, DISCONNECT, RECEIPT: one line each, in stomp.py's form."""
    frames = [text for text in log.of("DEBUG") if text.startswith(("sending frame: ", "received frame: "))]
    for command in ("SUBSCRIBE", "SEND", "ACK", "DISCONNECT"):
        found = [line for line in frames if line.startswith(f"sending frame: [b'{command}', b'\\n', ")]
        assert len(found) == 1, (command, frames)
        assert found[0].endswith(r", b'\x00']")
    for command in ("CONNECTED", "MESSAGE"):
        found = [line for line in frames if line.startswith(f"received frame: '{command}', headers={{'")]
        assert len(found) == 1, (command, frames)
    [sent] = [line for line in frames if "[b'SEND'" in line]
    assert r"b'destination:/queue/a\n', " in sent
    assert rf"b'content-length:{content_length}\n'" in sent
    assert sent.endswith(r"b'\n', b'hello', b'\x00']")
    [message] = [line for line in frames if "'MESSAGE'" in line]
    assert "'destination': '/queue/a'" in message
    assert message.endswith("body='hello'")
    [connect] = [line for line in frames if re.search(r"\[b'(CONNECT|STOMP)'", line)]
    assert r"b'login:admin\n', b'passcode:********\n'" in connect
    assert SECRET not in "\n".join(text for _, text in log.records)


# ------------------------------------------------------------------------------------- DEBUG


def test_each_frame_is_a_line_at_debug_by_the_listener_api(log, locked_broker):
    conn = stomp.Connection12([(locked_broker.host, locked_broker.port)])

    class Acknowledging(RecentFrames):
        def on_message(self, frame):
            conn.ack(frame.headers["ack"])
            super().on_message(frame)

    recorder = Acknowledging()
    conn.set_listener("recorder", recorder)
    conn.connect("admin", SECRET, wait=True)
    conn.subscribe("/queue/a", id="1", ack="client-individual")
    conn.send("/queue/a", "hello")
    recorder.wait_for_bodies(1)
    conn.disconnect(receipt="bye")
    recorder.wait_for_method("on_disconnected")
    check_conversation(log, content_length="5")
    assert log.find("DEBUG", "received frame: 'RECEIPT', headers={'receipt-id': 'bye'}, body=''")


def test_each_frame_is_a_line_at_debug_where_a_listener_sees_what_is_sent(log, locked_broker):
    conn = stomp.Connection12([(locked_broker.host, locked_broker.port)])
    recorder = RecentFrames()
    conn.set_listener("recorder", recorder)
    conn.set_listener("stats", stomp.StatsListener())
    conn.connect("admin", SECRET, wait=True)
    conn.subscribe("/queue/a", id="1", ack="client-individual")
    conn.send("/queue/a", "hello", headers={"x-token": SECRET})
    recorder.wait_for_bodies(1)
    [frame] = [detail for method, detail in recorder.notes if method == "on_message"]
    conn.ack(frame.headers["ack"])
    conn.disconnect()
    check_conversation(log, content_length="5")


def test_each_frame_is_a_line_at_debug_by_client(log, locked_broker):
    url = f"stomp://admin:{SECRET}@{locked_broker.host}:{locked_broker.port}"
    with stomp.Client(url) as client:
        subscription = client.subscribe("/queue/a", ack="client-individual")
        client.send("/queue/a", b"hello")
        message = subscription.receive(PATIENCE)
        assert message is not None
        message.ack()
    check_conversation(log, content_length="5")


def test_each_frame_is_a_line_at_debug_by_async_client(log, locked_broker):
    async def test() -> None:
        url = f"stomp://admin:{SECRET}@{locked_broker.host}:{locked_broker.port}"
        async with stomp.AsyncClient(url) as client:
            subscription = await client.subscribe("/queue/a", ack="client-individual")
            await client.send("/queue/a", b"hello")
            message = await subscription.receive(PATIENCE)
            assert message is not None
            await message.ack()

    run(test())
    check_conversation(log, content_length="5")


@pytest.mark.parametrize("how", ["plain", "confirmed", "with headers", "in a batch"])
def test_every_way_of_sending_is_logged_by_client(log, broker, how):
    with stomp.Client(f"stomp://{broker.host}:{broker.port}") as client:
        for number in range(20):
            body = f"body-{number}".encode()
            if how == "confirmed":
                client.send("/queue/a", body, confirm=True)
            elif how == "with headers":
                client.send("/queue/a", body, headers={"x": "1"})
            elif how == "in a batch":
                client.send_async("/queue/a", body)
            else:
                client.send("/queue/a", body)
    sent = log.find("DEBUG", "sending frame: [b'SEND'")
    assert [re.search(r"body-\d+", line)[0] for line in sent] == [f"body-{n}" for n in range(20)]  # type: ignore[index]


@pytest.mark.parametrize("command", ["ack", "nack", "begin", "unsubscribe", "send_frame"])
def test_every_verb_is_logged_by_the_listener_api(log, command):
    def serve(sock: socket.socket) -> None:
        read_frame(sock)
        greet_back(sock)
        say_nothing(sock)

    with ScriptedServer(serve) as server:
        conn = stomp.Connection12([server.address])
        conn.connect(wait=True)
        arguments: dict[str, Any] = {"send_frame": ("SEND", {"destination": "/queue/a"})}
        getattr(conn, command)(*arguments.get(command, ("7",)))
        name = {"send_frame": "SEND"}.get(command, command.upper())
        assert len(log.find("DEBUG", f"sending frame: [b'{name}'")) == 1
        conn.transport.disconnect_socket()


def test_debug_can_be_turned_on_while_a_connection_is_open(log, broker):
    logging.getLogger("stomp.py").setLevel(logging.WARNING)
    try:
        conn = stomp.Connection12([(broker.host, broker.port)])
        conn.connect(wait=True)
        conn.send("/queue/a", "before")
        logging.getLogger("stomp.py").setLevel(logging.DEBUG)
        conn.send("/queue/a", "after")
        conn.disconnect()
    finally:
        logging.getLogger("stomp.py").setLevel(logging.NOTSET)
    assert not log.find("DEBUG", "before")
    assert log.find("DEBUG", "b'after'")


def beating(sock: socket.socket) -> None:
    """Script: negotiate heart-beats, and send one for each received one."""
    read_frame(sock)
    greet_back(sock, heartbeat="100,100")
    while data := sock.recv(4096):
        if data == b"\n":
            sock.sendall(b"\n")


def check_beats(log: Log) -> None:
    log.wait_for("DEBUG", r"sending frame: [b'\n']")
    log.wait_for("DEBUG", "received frame: 'heartbeat', headers={}, body=None")


def test_heartbeats_are_lines_at_debug_by_the_listener_api(log):
    with ScriptedServer(beating) as server:
        conn = stomp.Connection12([server.address], heartbeats=(100, 100), heart_beat_receive_scale=100)
        conn.connect(wait=True)
        check_beats(log)
        conn.transport.disconnect_socket()


def test_heartbeats_are_lines_at_debug_by_client(log):
    with ScriptedServer(beating) as server:
        client = stomp.Client(server.url, heartbeat=(100, 100), reconnect=False).connect()
        check_beats(log)
        client.close(0.0)


def test_heartbeats_are_lines_at_debug_by_async_client(log):
    async def test(url: str) -> None:
        client = stomp.AsyncClient(url, heartbeat=(100, 100), reconnect=False)
        await client.connect()
        await until(lambda: log.find("DEBUG", r"sending frame: [b'\n']"))
        await until(lambda: log.find("DEBUG", "received frame: 'heartbeat', headers={}, body=None"))
        await client.close(0.0)

    with ScriptedServer(beating) as server:
        run(test(server.url))


def test_datagrams_are_lines_at_debug(log, monkeypatch):
    with group_of_our_own(monkeypatch):
        conn = MulticastConnection()
        recorder = RecentFrames()
        conn.set_listener("recorder", recorder)
        conn.connect()
        try:
            conn.subscribe("/queue/a", id="1")
            conn.send("/queue/a", "hello")
            recorder.wait_for_bodies(1)
        finally:
            conn.disconnect()
    assert log.find("DEBUG", "sending frame: [b'SEND'", "b'hello'")
    assert log.find("DEBUG", "received frame: 'SEND'", "body='hello'")


# ------------------------------------------------------------------------------------- INFO and WARNING


def connect_with(api: str, url: str, **settings: Any) -> Any:
    """Connect with one of the two APIs with threads; the returned object has `send` and `end`."""
    if api == "client":
        return stomp.Client(url, reconnect=False, **settings).connect()
    host, port = url.removeprefix("stomp://").split(":")
    conn = stomp.Connection12([(host, int(port))], **settings)
    conn.connect(wait=True)
    return conn


def end(connection: Any) -> None:
    (connection.close if isinstance(connection, stomp.Client) else connection.disconnect)()


@pytest.mark.parametrize("api", ["client", "listener"])
def test_a_connection_and_its_clean_end_are_at_info(log, broker, api):
    connection = connect_with(api, f"stomp://{broker.host}:{broker.port}")
    log.wait_for("INFO", "connected to", str(broker.port))
    end(connection)
    log.wait_for("INFO", "closed" if api == "client" else "disconnected from")
    assert log.of("WARNING") == log.of("ERROR") == []


def after_first_frame(sock: socket.socket, data: bytes) -> None:
    """Script: send these bytes in response to the first frame, and close."""
    read_frame(sock)
    greet_back(sock)
    read_frame(sock)
    sock.sendall(data)


ENDS = {
    "the end of the stream": (b"", "the peer closed the connection"),
    "an ERROR": (b"ERROR\nmessage:out of memory\n\n\0", "out of memory"),
    "a broken protocol": (b"GET / HTTP/1.1\r\n\r\n", "is not a STOMP command"),
    "a limit": (b"MESSAGE\n" + b"a:b\n" * 1_000_000, "the head of a frame is longer than"),
}


@pytest.mark.parametrize("why", ENDS)
@pytest.mark.parametrize("api", ["client", "listener"])
def test_the_reason_of_an_end_that_is_not_clean_is_at_warning(warnings, api, why):
    data, words = ENDS[why]
    with ScriptedServer(partial(after_first_frame, data=data)) as server:
        connection = connect_with(api, server.url.replace("localhost", "127.0.0.1"))
        connection.send("/queue/a", "x")
        warnings.wait_for("WARNING", words)


@pytest.mark.parametrize("why", ENDS)
def test_the_reason_of_an_end_that_is_not_clean_is_at_warning_by_async_client(warnings, why):
    data, words = ENDS[why]

    async def test(url: str) -> None:
        client = stomp.AsyncClient(url, reconnect=False)
        await client.connect()
        await client.send("/queue/a", "x")
        await until(lambda: warnings.find("WARNING", words))

    with ScriptedServer(partial(after_first_frame, data=data)) as server:
        run(test(server.url))


def promise_and_be_silent(sock: socket.socket) -> None:
    read_frame(sock)
    greet_back(sock, heartbeat="50,50")
    say_nothing(sock)


def test_silence_is_at_warning(warnings):
    with ScriptedServer(promise_and_be_silent) as server:
        connect_with("client", server.url, heartbeat=(0, 50))
        warnings.wait_for("WARNING", "the peer sent nothing for")
        connect_with("listener", server.url, heartbeats=(0, 50))
        warnings.wait_for("WARNING", "the peer sent nothing for", count=2)


def test_an_error_that_no_listener_takes_is_at_warning(warnings):
    data = b"ERROR\nmessage:no such queue\n\n\0"
    with ScriptedServer(partial(after_first_frame, data=data)) as server:
        conn = connect_with("listener", server.url)
        conn.send("/queue/a", "x")
        warnings.wait_for("WARNING", "the broker sent an ERROR, and no listener has on_error: no such queue")
        warnings.wait_for("WARNING", "the connection to")  # otherwise it could be logged during the next test


def test_an_error_that_a_listener_takes_is_no_warning_of_its_own(warnings):
    data = b"ERROR\nmessage:no such queue\n\n\0"
    with ScriptedServer(partial(after_first_frame, data=data)) as server:
        recorder = RecentFrames()
        conn = stomp.Connection12([server.address])
        conn.set_listener("recorder", recorder)
        conn.connect(wait=True)
        conn.send("/queue/a", "x")
        recorder.wait_for_method("on_disconnected")
        assert not warnings.find("WARNING", "on_error")
        assert len(warnings.find("WARNING", f"the connection to 127.0.0.1:{server.port}")) == 1


def test_without_any_setting_a_clean_connection_writes_nothing(warnings, broker):
    for api in ("client", "listener"):
        end(connect_with(api, f"stomp://{broker.host}:{broker.port}"))
    assert warnings.records == []


# ------------------------------------------------------------------------------------- floods


def flood(sock: socket.socket, data: bytes, times: int) -> None:
    read_frame(sock)
    greet_back(sock)
    read_frame(sock)
    for _ in range(times):
        sock.sendall(data * 100)


FLOODS = {
    "errors": b"ERROR\nmessage:flood\n\n\0",
    "unknown frames": b"FLOOD\n\n\0",
    "heart-beats": b"\n",
}


@pytest.mark.parametrize("what", FLOODS)
@pytest.mark.parametrize("api", ["client", "listener"])
def test_a_flood_grows_the_log_by_a_few_lines(warnings, api, what):
    with ScriptedServer(partial(flood, data=FLOODS[what], times=200)) as server:
        connection = connect_with(api, server.url)
        connection.send("/queue/a", "x")
        warnings.wait_for("WARNING", "failed: " if api == "client" else "the connection to")
        if what != "heart-beats" and api == "listener":  # for a client, an ERROR ends the connection
            wait_until(lambda: counted(warnings) > 19_000)
    assert len(warnings.records) < 5 * BURST


def counted(log: Log) -> int:
    """The number of lines that were summarized."""
    found = re.findall(r"repeated ([\d,]+) times", "\n".join(log.of("WARNING")))
    return sum(int(number.replace(",", "")) for number in found)


def test_a_flood_grows_the_log_of_a_stats_listener_by_a_few_lines(caplog):
    caplog.set_level(logging.INFO)
    log = Log(caplog)
    with ScriptedServer(partial(flood, data=FLOODS["errors"], times=20)) as server:
        conn = stomp.Connection12([server.address])
        conn.set_listener("stats", stats := stomp.StatsListener())
        conn.connect(wait=True)
        conn.send("/queue/a", "x")
        log.wait_for("INFO", "disconnected (x 1)")
    assert stats.errors == 2000
    assert len(log.find("INFO", "received an error")) == BURST + 1


@pytest.mark.parametrize(("what", "method"), [("errors", "on_error"), ("heart-beats", "on_heartbeat")])
def test_a_flood_grows_the_log_of_a_listener_that_fails_by_a_few_lines(warnings, what, method):
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    with ScriptedServer(partial(flood, data=FLOODS[what], times=20)) as server:
        conn = stomp.Connection12([server.address])
        conn.set_listener("failing", recorder := RecentFrames())
        setattr(recorder, method, fail)
        conn.connect(wait=True)
        conn.send("/queue/a", "x")
        warnings.wait_for("ERROR", f"{method} failed", "repeated 1,990 times")
    assert len(warnings.find("ERROR", f"{method} failed")) == BURST + 1


def test_each_message_that_a_listener_has_failed_for_has_its_line(warnings, broker):
    conn = stomp.Connection12([(broker.host, broker.port)])

    class Failing(RecentFrames):
        def on_message(self, frame):
            raise ZeroDivisionError

    conn.set_listener("failing", Failing())
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1")
    for number in range(5 * BURST):
        conn.send("/queue/a", str(number))
    warnings.wait_for("ERROR", "on_message failed for message", count=5 * BURST)
    conn.disconnect()


def test_a_flood_of_heartbeats_grows_the_log_by_a_few_lines_at_debug(log):
    with ScriptedServer(partial(flood, data=b"\n", times=200)) as server:
        conn = connect_with("listener", server.url)
        conn.send("/queue/a", "x")
        log.wait_for("WARNING", "the peer closed the connection")
    assert len(log.records) < 5 * BURST + 20


# ------------------------------------------------------------------------------------- no lock is held


class Probe:
    """Uses the connection in another thread, and waits for it: with a lock held, this would deadlock.

    It is a filter, because `logging` holds a lock while a handler writes.
    """

    def __init__(self) -> None:
        self.use: Any = None
        self.stuck: list[str] = []
        self.used = 0
        self._busy = threading.Lock()  # held while the connection is used, which also logs

    def __call__(self, record: logging.LogRecord) -> bool:
        if self.use is not None and self._busy.acquire(blocking=False):
            thread = threading.Thread(target=self._use, daemon=True)
            thread.start()
            thread.join(PATIENCE)
            if thread.is_alive():
                self.stuck.append(record.getMessage())
            self.used += 1
            self._busy.release()
        return True

    def _use(self) -> None:
        with contextlib.suppress(StompError):  # the connection may have ended meanwhile
            self.use()


@pytest.mark.parametrize("api", ["client", "listener"])
def test_no_lock_is_held_while_a_line_is_written(log, broker, api):
    probe = Probe()
    loggers = [logging.getLogger(name) for name in ("stomp.py", "stomp.client")]
    for logger in loggers:
        logger.addFilter(probe)
    try:
        connection = connect_with(api, f"stomp://{broker.host}:{broker.port}")
        probe.use = partial(connection.send, "/queue/log", "x")
        connection.send("/queue/a", "x")
        connection.subscribe("/queue/a", id="1")
        end(connection)
    finally:
        for logger in loggers:
            logger.removeFilter(probe)
    assert probe.stuck == []
    assert probe.used
