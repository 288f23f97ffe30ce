from unittest import mock

import pytest

from stomp.classic.base_transport import BaseTransport
from stomp.classic.frames import ReceiptFrame
from stomp.core.frames.frame import Headers
from stomp.listener import ConnectionListener
from stomp.utils import Frame, default_create_thread


@pytest.fixture
def transport():
    return BaseTransport(True, "utf-8", lambda c: c == b"\n")


def test_methods_of_the_base_class_do_nothing(transport):
    for name in ("attempt_connection", "cleanup", "disconnect_socket", "receive", "start", "stop", "join"):
        assert getattr(transport, name)() is None
    assert transport.send(b"x") is None
    assert transport.wait_for_connection(1) is None
    assert not transport.is_connected()
    assert not transport.is_open
    sent = []
    transport.connect(lambda: sent.append("CONNECT"), wait=True)
    assert sent == ["CONNECT"]


def test_override_threading_starts_threads(transport):
    assert transport.create_thread_fc is default_create_thread
    transport.override_threading(start := mock.Mock())
    assert transport.create_thread_fc is start


def test_on_send_gets_sent_frames(transport):
    transport.set_listener("a", listener := mock.Mock())
    transport.set_listener("b", object())
    frame = Frame("SEND")
    transport.transmit(frame)
    listener.on_send.assert_called_once_with(frame)


def receipts(*names):
    return [ReceiptFrame("RECEIPT", Headers({"receipt-id": name})) for name in names]


def test_all_listeners_get_receipts_if_one_fails(transport, caplog):
    seen = []

    class Fails(ConnectionListener):
        def on_receipt(self, frame):
            seen.append(("fails", frame.headers["receipt-id"]))
            raise ValueError

    class Pair(ConnectionListener):
        def on_receipt(self, headers, body):  # type: ignore[override]
            seen.append((headers["receipt-id"], body))

    transport.set_listener("a", Fails())
    transport.set_listener("b", Pair())
    transport.handle(receipts("1", "2"))
    assert seen == [("fails", "1"), ("1", ""), ("fails", "2"), ("2", "")]
    assert [record.message for record in caplog.records] == [
        "listener 'a' (Fails): on_receipt failed; the connection stays open"
    ] * 2


def test_removed_listener_gets_no_further_receipt_of_a_batch(transport):
    seen = []

    class Once(ConnectionListener):
        def on_receipt(self, frame):
            seen.append((frame.cmd, frame.headers["receipt-id"]))
            transport.remove_listener("a")

    transport.set_listener("a", Once())
    transport.handle(receipts("1", "2"))
    assert seen == [("RECEIPT", "1")]
