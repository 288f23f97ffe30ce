"""Frames, messages and results can be copied and pickled with every protocol; the copy has no connection."""

import copy
import pickle
from typing import Any

import pytest

import stomp
from stomp.classic.frames import BytesMessageFrame, ReceiptFrame, TextMessageFrame
from stomp.core.errors import StaleDelivery
from stomp.core.frames.frame import Frame, Headers
from stomp.core.session.events import MessageFrame, Receipt
from stomp.utils import Frame as ListenerFrame
from tests.listening import RecentFrames

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def pairs():
    return Headers.of([("foo", "World"), ("a", "1"), ("foo", "Hello")])


def twins(value):
    """All copies of an object: by copy and by each pickle protocol."""
    for protocol in PROTOCOLS:
        yield pickle.loads(pickle.dumps(value, protocol))
    yield copy.copy(value)
    yield copy.deepcopy(value)


def test_headers_keep_order_and_duplicates():
    for twin in twins(pairs()):
        assert type(twin) is Headers
        assert twin.pairs() == [("foo", "World"), ("a", "1"), ("foo", "Hello")]
    for twin in twins(Headers(a="1")):
        assert twin.pairs() == [("a", "1")]


@pytest.mark.parametrize("cls", [Frame, MessageFrame, Receipt, stomp.Message, stomp.AsyncMessage])
def test_core_frames_and_messages_can_be_pickled(cls):
    frame = cls("MESSAGE", pairs(), b"\0body")
    for twin in twins(frame):
        assert type(twin) is cls
        assert twin == frame
        assert twin.headers.all("foo") == ["World", "Hello"]


@pytest.mark.parametrize("cls", [ListenerFrame, BytesMessageFrame, TextMessageFrame, ReceiptFrame])
def test_frames_of_stomp_utils_can_be_pickled(cls):
    frame = cls("MESSAGE", pairs(), "body")
    if cls is ReceiptFrame:
        frame.original_headers = dict(frame.headers)
    frame.headers["more"] = "changed"
    frame.mine = 5
    for twin in twins(frame):
        assert type(twin) is cls
        assert vars(twin) == vars(frame)
        assert "more" not in twin.original_headers


def test_received_frames_can_be_pickled(broker):
    conn = stomp.Connection([(broker.host, broker.port)])
    conn.set_listener("", recorder := RecentFrames())
    conn.connect(wait=True)
    conn.subscribe("/queue/a", id="1", receipt="r")
    conn.send("/queue/a", "x")
    recorder.wait_for_bodies(1)
    conn.disconnect()
    frames = [detail for method, detail in recorder.notes if method in ("on_connected", "on_message")]
    assert len(frames) == 2
    for frame in frames:
        for twin in twins(frame):
            assert (twin.cmd, twin.headers, twin.body) == (frame.cmd, frame.headers, frame.body)


def test_unpickled_message_can_be_read_but_not_settled(broker):
    with stomp.Client(broker.url) as client:
        subscription = client.subscribe("/queue/a", ack="client-individual")
        client.send("/queue/a", '{"a": 1}', headers={"reply-to": "/queue/b"})
        message = subscription.receive(20)
        assert message is not None
        for protocol in PROTOCOLS:
            twin: Any = pickle.loads(pickle.dumps(message, protocol))
            assert twin.json() == {"a": 1}
            assert twin.headers == message.headers
            assert not twin.settled
            for settle in (twin.ack, twin.nack, twin.reply, twin.__enter__):
                with pytest.raises(StaleDelivery, match="unpickled"):
                    settle()
            with client.transaction() as transaction, pytest.raises(StaleDelivery, match="unpickled"):
                transaction.ack(twin)
        message.ack()


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
def test_copied_message_keeps_its_connection(broker, make):
    with stomp.Client(broker.url) as client:
        subscription = client.subscribe("/queue/a", ack="client-individual")
        client.send("/queue/a", b"x")
        message = subscription.receive(20)
        assert message is not None
        twin = make(message)
        twin.headers["x"] = "y"
        assert ("x" in message.headers) is (make is copy.copy)
        twin.ack(confirm=True)
        assert twin.settled
        with pytest.raises(stomp.AlreadySettled):
            message.ack()


def test_errors_keep_their_frame():
    error = stomp.BrokerError("refused", frame=Frame("ERROR", pairs(), b"x"), hint="ask")
    for twin in twins(error):
        assert str(twin) == "refused (ask)"
        assert twin.frame == error.frame


def test_results_of_the_clients_can_be_pickled(broker):
    with stomp.Client(broker.url) as client:
        client.send("/queue/a", b"x", confirm=True)
        values: list[Any] = [client.stats(), client.address, client.state]
    values.append(client.drain())
    values += [stomp.Backoff(), stomp.TlsSettings(ca_certs="ca.pem")]
    for value in values:
        for twin in twins(value):
            assert twin == value
