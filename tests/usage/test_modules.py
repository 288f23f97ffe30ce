"""What programs take from the modules, and how their tests put something else in its place."""

import functools
from unittest import mock

import pytest

import stomp
from stomp.adapter.ws import WSTransport
from stomp.connect import BaseConnection
from stomp.protocol import Protocol12
from stomp.testing.servers import ScriptedServer
from stomp.transport import Transport
from stomp.utils import (
    Frame,
    calculate_heartbeats,
    convert_frame,
    get_uuid,
    length,
    merge_headers,
    parse_frame,
)
from tests.listening import RecentFrames
from tests.websocket_endpoint import WebSocketEndpoint


def test_26_exceptions_are_available_after_import_stomp(free_port):
    conn = stomp.Connection([("127.0.0.1", free_port)], reconnect_attempts_max=1)
    try:
        conn.connect(wait=True)
    except (stomp.exception.ConnectFailedException, stomp.exception.NotConnectedException) as err:
        caught = err
    assert isinstance(caught, stomp.exception.StompException)
    with pytest.raises(stomp.exception.NotConnectedException):
        conn.send("/queue/a", "nobody is there")
    assert issubclass(stomp.exception.ConnectionClosedException, stomp.exception.StompException)


def test_26_exception_module_works_in_an_except_clause(connect):
    """It is no exception class; Python reports that only when an exception is caught."""
    conn, _ = connect()
    try:
        conn.send("/queue/a", "hello")
    except stomp.exception:  # type: ignore[misc]
        pytest.fail("nothing went wrong")
    conn.disconnect()
    with pytest.raises(TypeError, match="BaseException"):
        try:
            conn.send("/queue/a", "hello")
        except stomp.exception:  # type: ignore[misc]
            pytest.fail("it was caught")


def test_27_convert_frame_serves_other_websocket_libraries():
    """Frames are made and read here, and somebody else carries them."""
    frame = Frame(cmd="SEND", headers={"destination": "/queue/a", "content-length": 5}, body="hello")
    data = b"".join(convert_frame(frame))
    assert data == b"SEND\ncontent-length:5\ndestination:/queue/a\n\nhello\0"
    answer = parse_frame(b"MESSAGE\ndestination:/queue/a\n\nhello")
    assert answer is not None
    assert (answer.cmd, answer.headers, answer.body) == ("MESSAGE", {"destination": "/queue/a"}, b"hello")
    beat = parse_frame(b"\n")
    assert beat is not None
    assert beat.cmd == "heartbeat"


def test_27_helper_functions_exist():
    assert merge_headers([{"a": 1}, None, {"a": 2}]) == {"a": 2}
    assert len({get_uuid() for _ in range(10)}) == 10
    assert calculate_heartbeats(("1000", "2000"), (3000, 500)) == (3000, 1000)
    assert (length(None), length("abc")) == (0, 3)


def test_27_frame_can_be_mocked():
    frame = mock.Mock(spec=Frame)
    frame.headers, frame.body = {"message-id": "1"}, "body"
    assert isinstance(frame, Frame)
    with pytest.raises(AttributeError):
        frame.no_such_thing  # noqa: B018


def test_29_websocket_with_path_and_headers_connects(broker):
    endpoint = WebSocketEndpoint((broker.host, broker.port), path="/ws", authorization="Bearer token")
    with ScriptedServer(endpoint) as server:
        conn = stomp.WSStompConnection(
            [server.address], ws_path="/ws", header={"Authorization": "Bearer token"}
        )
        conn.set_listener("", recorder := RecentFrames())
        conn.connect(wait=True)
        conn.subscribe("/queue/a", 1)
        conn.send("/queue/a", "hello")
        recorder.wait_for_bodies(1)
        conn.disconnect()


def test_29_own_transport_in_a_composed_connection_works(broker):
    started = []

    class RecordingTransport(WSTransport):
        def start(self):
            started.append(self.current_host_and_port)
            super().start()

    class Composed(BaseConnection, Protocol12):
        def __init__(self, *args, **kwargs):
            transport = RecordingTransport(*args, **kwargs)
            BaseConnection.__init__(self, transport)
            Protocol12.__init__(self, transport, heartbeats=(0, 0))

    with ScriptedServer(WebSocketEndpoint((broker.host, broker.port))) as server:
        conn = Composed([server.address], ws_path="/")
        conn.connect(wait=True)
        assert started == [None]
        conn.disconnect()


def test_29_composed_connection_works_over_tcp(address):
    class Composed(BaseConnection, Protocol12):
        def __init__(self, pairs):
            transport = Transport(pairs)
            BaseConnection.__init__(self, transport)
            Protocol12.__init__(self, transport, (0, 0), True, 2)

    conn = Composed([address])
    conn.set_listener("", recorder := RecentFrames())
    conn.connect(wait=True)
    conn.subscribe("/queue/a", 1)
    conn.send("/queue/a", "hello")
    recorder.wait_for_bodies(1)
    conn.disconnect()


def publish(address, body):
    """A function of a program, as its tests see it."""
    conn = stomp.Connection([address])
    conn.connect("user", "secret", wait=True)
    conn.send(destination="/queue/a", body=body)
    conn.disconnect()


def test_30_class_can_be_mocked_with_autospec():
    with mock.patch("stomp.Connection", autospec=True) as patched:
        publish(("broker.example", 61613), "hello")
        conn = patched.return_value
        conn.connect.assert_called_once_with("user", "secret", wait=True)
        conn.send.assert_called_once_with(destination="/queue/a", body="hello")
        with pytest.raises(TypeError):
            conn.subscribe()
        with pytest.raises(AttributeError):
            conn.no_such_verb()
    assert stomp.Connection is stomp.connect.StompConnection11


def test_30_one_method_can_be_mocked():
    with mock.patch("stomp.connect.StompConnection12.connect") as connect:
        stomp.Connection12([("broker.example", 61613)]).connect("user", "secret")
    connect.assert_called_once_with("user", "secret")


def test_30_tracer_can_wrap_sending_and_receiving(connect, monkeypatch):
    spans = []

    def traced(cls, name):
        original = getattr(cls, name)

        @functools.wraps(original)
        def wrapper(self, *args, **kwargs):
            spans.append(name)
            return original(self, *args, **kwargs)

        monkeypatch.setattr(cls, name, wrapper)

    class Handler(stomp.ConnectionListener):
        def on_message(self, frame):
            spans.append(frame.body)

    traced(stomp.StompConnection11, "send")
    traced(Handler, "on_message")
    conn, recorder = connect()
    conn.set_listener("handler", Handler())
    conn.subscribe("/queue/a", 1)
    conn.send("/queue/a", "hello")
    recorder.wait_for_bodies(1)
    assert spans == ["send", "on_message", "hello"]
