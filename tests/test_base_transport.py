from unittest import mock

import pytest

from stomp.base_transport import BaseTransport
from stomp.utils import Frame, default_create_thread


@pytest.fixture
def transport():
    return BaseTransport(True, "utf-8", lambda c: c == b"\n")


def test_it_does_nothing_and_can_be_asked_to(transport):
    for name in ("attempt_connection", "cleanup", "disconnect_socket", "receive", "start", "stop", "join"):
        assert getattr(transport, name)() is None
    assert transport.send(b"x") is None
    assert transport.wait_for_connection(1) is None
    assert not transport.is_connected()
    assert not transport.is_open
    assert transport.begin_login()


def test_threads(transport):
    assert transport.create_thread_fc is default_create_thread
    transport.override_threading(start := mock.Mock())
    assert transport.create_thread_fc is start


def test_frames_that_go_out_are_told(transport):
    transport.set_listener("a", listener := mock.Mock())
    transport.set_listener("b", object())
    frame = Frame("SEND")
    transport.transmit(frame)
    listener.on_send.assert_called_once_with(frame)
