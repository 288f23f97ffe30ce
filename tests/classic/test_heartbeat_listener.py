"""Heart-beats by a thread of their own, on a transport that is none."""

import time
from unittest import mock

import pytest

import stomp
from stomp.listener import HeartbeatListener
from stomp.utils import HEARTBEAT_FRAME, Frame
from tests.listening import wait_until


@pytest.fixture
def transport():
    return mock.Mock(listeners={"empty": object(), "mock": mock.Mock()})


def connected(listener, text):
    listener.on_connected(Frame("CONNECTED", {"heart-beat": text}, ""))


def test_connect_requests_heartbeats(transport):
    frame = Frame("STOMP", {}, "")
    HeartbeatListener(transport, (1000, 2000)).on_send(frame)
    assert frame.headers == {"heart-beat": "1000,2000"}
    for other, wish in (("SEND", (1000, 2000)), ("STOMP", (0, 0))):
        frame = Frame(other, {}, "")
        HeartbeatListener(transport, wish).on_send(frame)
        assert frame.headers == {}


def test_heartbeats_are_sent_until_the_end(transport):
    listener = HeartbeatListener(transport, (10, 0))
    listener.on_connected({"heart-beat": "0,10"}, "")  # type: ignore[arg-type, call-arg]
    wait_until(lambda: transport.transmit.call_count >= 3)
    transport.transmit.assert_called_with(HEARTBEAT_FRAME)
    thread = listener.heartbeat_thread
    assert thread is not None
    listener.on_disconnecting()
    listener.on_disconnected()
    thread.join(20)
    assert listener.heartbeat_thread is None


def test_silence_calls_on_heartbeat_timeout(transport):
    listener = HeartbeatListener(transport, (0, 20))
    connected(listener, "20,0")
    wait_until(lambda: transport.listeners["mock"].on_heartbeat_timeout.called)
    transport.set_connected.assert_called_once_with(False)
    transport.disconnect_socket.assert_called_once()
    transport.stop.assert_called_once()


def test_any_frame_counts_as_a_heartbeat(transport):
    listener = HeartbeatListener(transport, (0, 100_000))
    connected(listener, "1,0")
    for come in (
        listener.on_heartbeat,
        lambda: listener.on_message(Frame("MESSAGE")),
        lambda: listener.on_receipt(Frame("RECEIPT")),
        lambda: listener.on_error({}, ""),  # type: ignore[arg-type, call-arg]
    ):
        before = listener.received_heartbeat
        assert before is not None
        time.sleep(0.001)
        come()
        assert listener.received_heartbeat != before
    listener.on_disconnected()


@pytest.mark.parametrize("headers", [{}, {"heart-beat": "soon"}, {"heart-beat": "0,0"}])
def test_without_heartbeats_no_thread_is_started(transport, headers):
    listener = HeartbeatListener(transport, (1000, 1000))
    listener.on_connected(Frame("CONNECTED", headers, ""))
    assert listener.heartbeat_thread is None


def test_transport_with_own_heartbeats_gets_none(broker):
    conn = stomp.Connection([(broker.host, broker.port)])
    conn.set_listener("mine", listener := HeartbeatListener(conn.transport, (500, 20_000)))
    conn.connect(wait=True)
    assert conn.transport.heartbeat == (500, 20_000)
    assert listener.heartbeat_thread is None
    conn.disconnect()
