"""stompest: the program pulls frames."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from time import perf_counter, process_time
from typing import Any

from stompest.config import StompConfig
from stompest.protocol import StompSpec
from stompest.sync import Stomp

from bench.adapters import Unsupported
from bench.forms import Body, Form, encoded
from bench.work import Work

VERSION = version("stompest")


class Client:
    """See `bench.adapters.Contract`."""

    def __init__(self, work: Work) -> None:
        self.began = 0.0, 0.0
        self._left = 0
        self._then = 0
        self._acknowledge = False
        self._token: Any = None
        self._receipts = (f"receipt-{number}" for number in itertools.count())
        config = StompConfig(
            f"tcp://{work.host}:{work.port}",
            login=work.login,
            passcode=work.passcode,
            version=StompSpec.VERSION_1_2,
        )
        self._client = Stomp(config)
        self._client.connect(host=work.vhost, heartBeats=(work.heartbeat, work.heartbeat))

    def expect(self, messages: int, *, acknowledge: bool = False, then: int = 0) -> None:
        self._left = messages
        self._then = then
        self._acknowledge = acknowledge

    def wait(self) -> None:
        client = self._client
        while self._left:
            frame = client.receiveFrame()
            if frame.command != "MESSAGE":
                continue
            _ = frame.headers["message-id"], len(frame.body)
            self._left -= 1
            if not self._left:
                if self._then:
                    self.began = perf_counter(), process_time()
                    self._left, self._then = self._then, 0
            elif self._acknowledge:
                client.ack(frame)

    def subscribe(self, destination: str, ack: str = "auto") -> None:
        self._token = self._client.subscribe(destination, {"id": "1", "ack": ack})

    def unsubscribe(self) -> None:
        self._client.unsubscribe(self._token)

    def send(self, destination: str, body: Body) -> None:
        self._client.send(destination, encoded(body))

    def sender(self, form: Form) -> Callable[[str, Body, int], None]:
        if form.observed:
            raise Unsupported("it has no callback for frames that are sent")
        client, headers = self._client, form.all_headers
        return lambda destination, body, number: client.send(destination, encoded(body), headers(number))

    def confirm(self, destination: str, body: Body) -> None:
        self._client.send(destination, encoded(body), receipt=next(self._receipts))
        self._confirmed(1)

    def confirm_many(self, destination: str, body: Body, count: int, window: int) -> None:
        for sent in range(0, count, window):
            batch = min(window, count - sent)
            for _ in range(batch):
                self._client.send(destination, encoded(body), receipt=next(self._receipts))
            self._confirmed(batch)

    def _confirmed(self, count: int) -> None:
        while count:
            count -= self._client.receiveFrame().command == "RECEIPT"

    def hold(self, clients: Sequence[Client], seconds: float) -> None:
        """Beat: stompest leaves that to the program."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.4)
            for client in clients:
                client._client.beat()
                while client._client.canRead(0):
                    client._client.receiveFrame()

    def alive(self) -> bool:
        return True

    def close(self) -> None:
        self._client.disconnect(receipt="bye")
        self._confirmed(1)
        self._client.close()
