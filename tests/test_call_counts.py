"""The number of calls of the package from a verb to the socket, and from the socket to `on_message`.

A short chain of calls makes the listener API fast, and is what a maintainer has to read. All forms of a send take the
same chain. The limits are goals of the project: raise them only with a reason.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import stomp
from stomp.core.frames import native as native_codec
from stomp.testing import ScriptedServer
from stomp.testing.servers import greet_back, read_frame
from tests.listening import PATIENCE

PACKAGE = str(Path(stomp.__file__).parent)


class CallRecorder:
    """Records the Python calls of the package on one thread, up to a call of the socket or of the test.

    Attributes:
        calls: "file:function" of each call, in order.
        stack: those of them that were running at the end, the last one first.
    """

    def __init__(self, last: str) -> None:
        self._last = last
        self._done = False
        self.calls: list[str] = []
        self.stack: list[str] = []

    def __call__(self, frame: Any, event: str, argument: Any) -> None:
        if self._done:
            return
        ended = argument.__name__ if event == "c_call" else frame.f_code.co_name if event == "call" else ""
        if ended == self._last and (event == "c_call") is (ended != "on_message"):
            self._done = True
            while frame is not None:
                self._add(frame, self.stack)
                frame = frame.f_back
        elif event == "call":
            self._add(frame, self.calls)

    def _add(self, frame: Any, names: list[str]) -> None:
        file = frame.f_code.co_filename
        if file.startswith(PACKAGE):
            names.append(f"{file.removeprefix(PACKAGE)}:{frame.f_code.co_name}")


@pytest.fixture(autouse=True)
def without_debug_lines(caplog: pytest.LogCaptureFixture) -> None:
    """The examples of the documentation, which another test runs, switch them on."""
    caplog.set_level(logging.WARNING, "stomp.py")


def files(calls: list[str]) -> set[str]:
    return {call.partition(":")[0] for call in calls}


class Watcher(stomp.ConnectionListener):
    """A listener with `on_send`, whose call is one of the program."""

    def on_send(self, frame: Any) -> None:
        frame.headers["seen"] = "yes"


class Receiver(stomp.ConnectionListener):
    """Records the calls from the last `recv` to `on_message`, on the receiving thread."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._recorder = CallRecorder("on_message")
        self.received = threading.Semaphore(0)

    def on_connected(self, frame: Any) -> None:
        sys.setprofile(self._profile)

    def _profile(self, frame: Any, event: str, argument: Any) -> None:
        if event == "c_call" and argument.__name__ == "recv":
            self._recorder = CallRecorder("on_message")
            event = "call"  # the function that reads is the first one
        self._recorder(frame, event, argument)

    def on_message(self, frame: Any) -> None:
        self.calls = self._recorder.calls
        self.received.release()


def serve(sock: socket.socket) -> None:
    """Answer CONNECT, and send a message for each SEND with a receipt."""
    read_frame(sock)
    greet_back(sock)
    while frame := read_frame(sock):
        if b"receipt:m" in frame:
            sock.sendall(b"MESSAGE\nsubscription:1\nmessage-id:1\nack:1\ndestination:/queue/a\n\nhello\0")


@pytest.fixture
def conn() -> Iterator[Any]:
    with ScriptedServer(serve) as server:
        made = stomp.Connection12([server.address])
        made.connect(wait=True)
        yield made
        made.transport.stop()


OPTIONS: dict[str, Any] = {"persistent": "true", "priority": "4", "expires": "0"}
SENDS: dict[str, Callable[[Any], object]] = {
    "str": lambda conn: conn.send("/queue/a", "text"),
    "bytes": lambda conn: conn.send("/queue/a", b"data"),
    "three headers and a content type": lambda conn: conn.send("/queue/a", "text", "text/plain", OPTIONS),
    "options as arguments": lambda conn: conn.send("/queue/a", "text", **OPTIONS),
    "JSON": lambda conn: conn.send("/queue/a", json.dumps({"id": 5}), content_type="application/json"),
    "a correlation-id": lambda conn: conn.send("/queue/a", "text", headers={"correlation-id": "c-1"}),
    "a receipt": lambda conn: conn.send("/queue/a", "text", receipt="r-1"),
    "a body of 1 MiB": lambda conn: conn.send("/queue/a", b"x" * (1 << 20)),
}


def recorded(last: str, function: Callable[[Any], object], conn: Any) -> CallRecorder:
    """The calls of a frame that is written at once: none was sent just before."""
    conn.transport._link._scheduler.last_sent = 0.0
    recorder = CallRecorder(last)
    before = sys.getprofile()
    sys.setprofile(recorder)
    try:
        function(conn)
    finally:
        sys.setprofile(before)
    assert recorder.stack, recorder.calls
    return recorder


@pytest.mark.parametrize("codec", ["pure", "as installed"])
@pytest.mark.parametrize("watched", [False, True], ids=["", "with on_send"])
@pytest.mark.parametrize("form", SENDS)
def test_a_send_is_one_chain_of_calls(
    conn: Any, form: str, watched: bool, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if codec == "pure":
        monkeypatch.setattr(native_codec, "native", None)
    if watched:
        conn.set_listener("watcher", Watcher())
    last = "sendmsg" if "MiB" in form else "send"
    recorder = recorded(last, SENDS[form], conn)
    assert len(recorder.calls) <= 14, recorder.calls
    # The functions that pass the frame on, from the socket up; the others only return to one of these.
    names = [call.partition(":")[2] for call in recorder.stack]
    assert names[-4:] == ["transmit", "transmit", "send_frame", "send"]
    assert len(files(recorder.stack)) <= 6
    assert len(files(recorder.calls)) <= (10 if "receipt" in form else 9), recorder.calls


def test_an_acknowledgement_is_the_same_chain(conn: Any) -> None:
    for acknowledge in (lambda conn: conn.ack("ID:a:1"), lambda conn: conn.nack("2")):
        recorder = recorded("send", acknowledge, conn)
        assert len(recorder.calls) <= 16, recorder.calls


def test_a_message_is_one_chain_of_calls() -> None:
    receiver = Receiver()
    with ScriptedServer(serve) as server:
        conn = stomp.Connection12([server.address])
        conn.set_listener("", receiver)
        conn.connect(wait=True)
        for number in range(3):  # the first one teaches the decoder what messages of this broker look like
            conn.send("/queue/a", "x", receipt=f"m{number}")
            assert receiver.received.acquire(timeout=PATIENCE)
        conn.transport.stop()
    calls = receiver.calls
    assert calls[0].endswith("reader.py:read")
    assert len(calls) <= 20, calls
    assert len(files(calls)) <= (7 if native_codec.native else 8), (
        calls
    )  # in Python with the templates of heads
