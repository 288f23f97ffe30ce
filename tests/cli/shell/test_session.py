"""What the client prints about received frames."""

from __future__ import annotations

import io
from typing import Any

import pytest

from stomp.cli.framework.exit_status import Status
from stomp.cli.framework.terminal import Terminal
from stomp.cli.shell.render import Renderer
from stomp.cli.shell.session import ShellListener
from stomp.core.errors import ReceiptMissing
from stomp.utils import Frame
from tests.cli.framework.test_terminal import Closed


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def listener(out: io.StringIO, tmp_path: Any) -> ShellListener:
    made = ShellListener()
    made.terminal = Terminal(out, out)
    made.renderer = Renderer(made.terminal, verbose=False, spaced=True)
    made.save_to = tmp_path
    made.on_connected(Frame("CONNECTED", {}, b""))
    return made


def test_callbacks_accept_frames_and_headers_with_body(listener: ShellListener, out: io.StringIO) -> None:
    listener.on_message(Frame("MESSAGE", {"message-id": "1"}, b"new"))
    listener.on_message({"message-id": "2"}, "old")
    assert out.getvalue() == "\nmessage-id: 1\n\nnew\n\nmessage-id: 2\n\nold\n"
    assert listener.received == 2


def test_an_error_is_one_line_and_the_status(listener: ShellListener, out: io.StringIO) -> None:
    listener.on_error({"message": "no\x1b such"}, b"line 1\nline 2 \xff")
    assert out.getvalue() == "ERROR: no\\x1b such: line 1 line 2 �\n"
    assert listener.status is Status.REFUSED


def test_an_error_with_its_headers(listener: ShellListener, out: io.StringIO) -> None:
    listener.renderer.verbose = True
    listener.on_error({"message": "no", "receipt-id": "r"}, "")
    assert out.getvalue() == "ERROR: no\nmessage: no\nreceipt-id: r\n"


def test_the_first_failure_decides(listener: ShellListener) -> None:
    listener.fail("a", Status.USAGE)
    listener.fail("b", Status.REFUSED)
    assert listener.status is Status.USAGE


def test_lost_connection_is_reported_unless_requested(listener: ShellListener, out: io.StringIO) -> None:
    listener.on_disconnected()
    listener.on_disconnected()
    assert out.getvalue() == "lost connection\n"
    listener.on_connected(Frame("CONNECTED", {}, b""))
    listener._closing = True
    listener.on_disconnected()
    assert out.getvalue() == "lost connection\n"
    assert not listener.lost


def test_errors_before_connected_are_left_to_connect(out: io.StringIO) -> None:
    listener = ShellListener()
    listener.terminal = Terminal(out, out)
    listener.on_connecting(("x", 1))
    listener.on_error({"message": "denied"}, b"")
    listener.on_disconnected()
    assert out.getvalue() == ""


def test_waiting_ends_with_the_receipt(listener: ShellListener) -> None:
    with listener.wait_for_receipt("r", seconds=5):
        listener.on_receipt({"receipt-id": "r"}, b"")
    with listener.wait_for_receipt("r", seconds=5):  # the refusal was reported before
        listener.on_error({"message": "no"}, b"")
    with (
        pytest.raises(ReceiptMissing, match=r"0\.01 s have passed"),
        listener.wait_for_receipt("r", seconds=0.01),
    ):
        listener.on_receipt({"receipt-id": "another"}, b"")
    with (
        pytest.raises(ReceiptMissing, match="the connection ended"),
        listener.wait_for_receipt("r", seconds=5),
    ):
        listener.on_disconnected()


def test_internal_receipts_are_not_shown(listener: ShellListener, out: io.StringIO) -> None:
    listener.renderer.verbose = True
    with listener.wait_for_receipt("mine", seconds=5, silent=True):
        listener.on_receipt({"receipt-id": "mine"}, b"")
    assert out.getvalue() == ""
    listener.on_receipt({"receipt-id": "yours"}, b"")
    assert out.getvalue() == "RECEIPT\nreceipt-id: yours\n\n\n"


def test_heartbeats_are_not_shown(listener: ShellListener, out: io.StringIO) -> None:
    listener.renderer.verbose = True
    listener.on_send(Frame(None))
    assert out.getvalue() == ""


def test_closed_output_ends_the_session(listener: ShellListener) -> None:
    listener.terminal = Terminal(Closed(), io.StringIO())
    listener.on_message({"message-id": "1"}, b"x")
    assert listener.output_closed
