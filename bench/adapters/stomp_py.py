"""stomp.py: a listener on a `Connection12`."""

from __future__ import annotations

import threading
from typing import Any

import stomp
from bench.adapters import PATIENCE

_version: Any = stomp.__version__
VERSION = ".".join(map(str, _version)) if isinstance(_version, tuple) else str(_version)


class Client(stomp.ConnectionListener):
    """See `bench.adapters.Contract`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._left = 0
        self._acknowledge = False
        self._all_here = _shut()
        self._confirmed = _shut()
        self._gone = threading.Event()
        self._seen: tuple[str, int] = ("", 0)
        self._connection = stomp.Connection12([("127.0.0.1", port)])
        self._connection.set_listener("bench", self)
        self._connection.connect("guest", "guest", wait=True)

    def on_message(self, frame: Any) -> None:
        self._seen = frame.headers["message-id"], len(frame.body)
        self._left -= 1
        if not self._left:
            self._all_here.release()
        elif self._acknowledge:
            self._connection.ack(frame.headers["ack"])

    def on_receipt(self, frame: Any) -> None:
        if frame.headers["receipt-id"] == "bench":
            self._confirmed.release()

    def on_disconnected(self) -> None:
        self._gone.set()

    def expect(self, messages: int, *, acknowledge: bool = False) -> None:
        self._left = messages
        self._acknowledge = acknowledge

    def wait(self) -> None:
        _pass(self._all_here)

    def subscribe(self, destination: str, ack: str = "auto") -> None:
        self._connection.subscribe(destination, "1", ack)

    def unsubscribe(self) -> None:
        self._connection.unsubscribe("1")

    def send(self, destination: str, body: bytes) -> None:
        self._connection.send(destination, body)

    def confirm(self, destination: str, body: bytes) -> None:
        self._connection.send(destination, body, receipt="bench")
        _pass(self._confirmed)

    def close(self) -> None:
        self._connection.disconnect()
        # stomp.py returns at once, and stompkit when the broker knows: wait for the same moment with both.
        if not self._gone.wait(PATIENCE):
            raise TimeoutError("the broker did not let go")


def _shut() -> threading.Lock:
    """A gate that one thread passes each time another one releases it: the cheapest that Python has."""
    lock = threading.Lock()
    lock.acquire()
    return lock


def _pass(gate: threading.Lock) -> None:
    if not gate.acquire(timeout=PATIENCE):
        raise TimeoutError("the broker did not answer")
