"""Runs one of the traced paths of docs/explanation/architecture.md, and prints the functions that were called.

    python -m tests.path_recorder send

The output is JSON: for each function its file (relative to the package), its qualified name and the thread of its
first call, in the order of these calls. The program needs a separate process, because a profile hook reaches only
threads that start after it was set. Brokers are started before, so that their calls are not recorded.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import stomp
from stomp.broker import Broker
from stomp.testing.servers import ScriptedServer, greet_back, read_frame

PACKAGE = Path(stomp.__file__).parent
TIMEOUT = 20.0


class Recorder:
    """A profile hook that records functions of the package while it is on."""

    def __init__(self) -> None:
        self._on = False
        #: (file, function) -> the thread of the first call.
        self.calls: dict[tuple[str, str], int] = {}

    def set_hook(self) -> None:
        """Observe this thread, and all threads that are started from now on."""
        threading.setprofile(self)
        sys.setprofile(self)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Record the calls of the block."""
        self._on = True
        try:
            yield
        finally:
            self._on = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and self._on:
            file = Path(frame.f_code.co_filename)
            if file.is_relative_to(PACKAGE):
                call = file.relative_to(PACKAGE).as_posix(), frame.f_code.co_qualname
                self.calls.setdefault(call, threading.get_ident())


class Waiter(stomp.ConnectionListener):
    """Sets an event when a message arrives, or when heart-beats are missing; another one when CONNECTED arrives."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.connected = threading.Event()

    def on_connected(self, frame: Any) -> None:
        self.connected.set()

    def on_message(self, frame: Any) -> None:
        self.event.set()

    def on_heartbeat_timeout(self) -> None:
        self.event.set()


def send(recorder: Recorder) -> None:
    """`conn.send` of the listener API, from the call to the socket."""
    with Broker() as broker, stomp.Connection12([(broker.host, broker.port)], heartbeats=(0, 0)) as conn:
        recorder.set_hook()
        conn.connect("me", "secret", wait=True)
        with recorder.recording():
            conn.send("/queue/orders", "two pairs of shoes")


def receive(recorder: Recorder) -> None:
    """A MESSAGE, from the socket to `on_message`."""
    waiter = Waiter()
    with Broker() as broker:
        with stomp.Client(broker.url) as client:
            client.send("/queue/orders", "two pairs of shoes", confirm=True)
        recorder.set_hook()
        with stomp.Connection12([(broker.host, broker.port)], heartbeats=(0, 0)) as conn:
            conn.set_listener("waiter", waiter)
            conn.connect("me", "secret", wait=True)
            assert waiter.connected.wait(TIMEOUT)
            with recorder.recording():
                conn.subscribe("/queue/orders", id="1")
                assert waiter.event.wait(TIMEOUT)


def heartbeat(recorder: Recorder) -> None:
    """A broker that sends no heart-beats, until the connection is closed."""

    def say_connected_only(sock: socket.socket) -> None:
        read_frame(sock)
        greet_back(sock, heartbeat="100,100")
        while sock.recv(4096):
            pass

    waiter = Waiter()
    with ScriptedServer(say_connected_only) as server:
        recorder.set_hook()
        conn = stomp.Connection12([server.address], heartbeats=(100, 100))
        conn.set_listener("waiter", waiter)
        conn.connect("me", "secret", wait=True)
        assert waiter.connected.wait(TIMEOUT)  # its dispatch has the functions of the end, too
        with recorder.recording():
            assert waiter.event.wait(TIMEOUT)
            conn.transport.join()


def confirmed(recorder: Recorder) -> None:
    """`Client.send(confirm=True)` whose connection is lost before the RECEIPT; the client sends it again."""

    def close_after_send(sock: socket.socket) -> None:
        read_frame(sock)
        greet_back(sock)
        read_frame(sock)

    def confirm(sock: socket.socket) -> None:
        read_frame(sock)
        greet_back(sock)
        while True:
            lines = read_frame(sock).split(b"\n")
            receipt = next(line for line in lines if line.startswith(b"receipt:"))
            sock.sendall(b"RECEIPT\nreceipt-id:" + receipt.removeprefix(b"receipt:") + b"\n\n\0")

    with ScriptedServer(close_after_send, confirm) as server:
        recorder.set_hook()
        with (
            stomp.Client(server.url, on_unknown="resend", heartbeat=(0, 0)) as client,
            recorder.recording(),
        ):
            client.send("/queue/orders", "two pairs of shoes", confirm=True)


PATHS = {path.__name__: path for path in (send, receive, heartbeat, confirmed)}


def main() -> None:
    recorder = Recorder()
    try:
        PATHS[sys.argv[1]](recorder)
    finally:
        sys.setprofile(None)
    print(json.dumps([(*call, thread) for call, thread in recorder.calls.items()]))


if __name__ == "__main__":
    main()
