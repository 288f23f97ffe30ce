"""stomp.py: a listener on a `Connection12`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

import stomp
from bench.adapters import Gate, Window
from bench.forms import Body, Form
from bench.work import PATIENCE, Work

_version: Any = stomp.__version__
VERSION = ".".join(map(str, _version)) if isinstance(_version, tuple) else str(_version)


class Observer(stomp.ConnectionListener):
    """Counts the frames that are sent, as a listener for metrics does."""

    sent = 0

    def on_send(self, frame: Any) -> None:
        self.sent += 1


class Client(stomp.ConnectionListener):
    """See `bench.adapters.Contract`."""

    def __init__(self, work: Work) -> None:
        self.began = 0.0, 0.0
        self._left = 0
        self._then = 0
        self._acknowledge = False
        self._all_here = Gate()
        self._confirmed = Gate()
        self._window = Window()
        self._gone = threading.Event()
        self._seen: tuple[str, int] = ("", 0)
        self._connection = stomp.Connection12(
            [(work.host, work.port)], heartbeats=(work.heartbeat, work.heartbeat), vhost=work.vhost
        )
        self._connection.set_listener("bench", self)
        self._connection.connect(work.login, work.passcode, wait=True)

    def on_message(self, frame: Any) -> None:
        self._seen = frame.headers["message-id"], len(frame.body)
        self._left -= 1
        if not self._left:
            if self._then:
                self.began = perf_counter(), process_time()
                self._left, self._then = self._then, 0
            else:
                self._all_here.open()
        elif self._acknowledge:
            self._connection.ack(frame.headers["ack"])

    def on_receipt(self, frame: Any) -> None:
        receipt = frame.headers["receipt-id"]
        if receipt == "one":
            self._confirmed.open()
        elif receipt.isdigit():
            self._window.confirmed()

    def on_disconnected(self) -> None:
        self._gone.set()

    def expect(self, messages: int, *, acknowledge: bool = False, then: int = 0) -> None:
        self._left = messages
        self._then = then
        self._acknowledge = acknowledge

    def wait(self) -> None:
        self._all_here.enter()

    def subscribe(self, destination: str, ack: str = "auto") -> None:
        self._connection.subscribe(destination, "1", ack)

    def unsubscribe(self) -> None:
        self._connection.unsubscribe("1")

    def send(self, destination: str, body: Body) -> None:
        self._connection.send(destination, body)

    def sender(self, form: Form) -> Callable[[str, Body, int], None]:
        connection, headers, content_type = self._connection, form.headers, form.content_type or None
        if form.observed:
            connection.set_listener("observer", Observer())
        if form.is_plain:
            return lambda destination, body, number: connection.send(destination, body)
        return lambda destination, body, number: connection.send(
            destination, body, content_type=content_type, headers=headers(number)
        )

    def confirm(self, destination: str, body: Body) -> None:
        self._connection.send(destination, body, receipt="one")
        self._confirmed.enter()

    def confirm_many(self, destination: str, body: Body, count: int, window: int) -> None:
        self._window.begin(count, window)
        for number in range(count):
            self._connection.send(destination, body, receipt=str(number))
            self._window.sent()
        self._window.end()

    def alive(self) -> bool:
        return self._connection.is_connected()

    def close(self) -> None:
        self._connection.disconnect()
        # stomp.py returns at once, and stompkit when the broker knows: wait for the same moment with both.
        if not self._gone.wait(PATIENCE):
            raise TimeoutError("the broker did not let go")
