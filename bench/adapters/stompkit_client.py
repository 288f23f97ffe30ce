"""stompkit by its `Client`: messages by plain iteration, confirmations as objects."""

from __future__ import annotations

from time import perf_counter, process_time

import stomp
from bench.adapters import stompkit_version
from bench.work import Work
from stomp.core.engine.status import ClientState

VERSION = stompkit_version()


class Client:
    """See `bench.adapters.Contract`."""

    def __init__(self, work: Work) -> None:
        self.began = 0.0, 0.0
        self._left = 0
        self._then = 0
        self._acknowledge = False
        self._client = stomp.Client(
            f"stomp://{work.host}:{work.port}",
            login=work.login,
            passcode=work.passcode,
            vhost=work.vhost,
            heartbeat=(work.heartbeat, work.heartbeat),
            window=max(2, work.window),
        )
        self._client.connect()

    def expect(self, messages: int, *, acknowledge: bool = False, then: int = 0) -> None:
        self._left = messages
        self._then = then
        self._acknowledge = acknowledge

    def wait(self) -> None:
        self._take(self._left)
        if self._then:
            self.began = perf_counter(), process_time()
            self._take(self._then)

    def _take(self, left: int) -> None:
        acknowledge = self._acknowledge
        for message in self._subscription:
            _ = message.id, len(message.body)
            left -= 1
            if not left:
                return
            if acknowledge:
                message.ack()

    def subscribe(self, destination: str, ack: str = "auto") -> None:
        individual = ack == "client-individual"
        self._subscription = self._client.subscribe(
            destination, ack="client-individual" if individual else "auto", confirm=False
        )

    def unsubscribe(self) -> None:
        self._subscription.close()

    def send(self, destination: str, body: bytes) -> None:
        self._client.send(destination, body)

    def confirm(self, destination: str, body: bytes) -> None:
        self._client.send(destination, body, confirm=True)

    def confirm_many(self, destination: str, body: bytes, count: int, window: int) -> None:
        with self._client.confirmations() as batch:
            for _ in range(count):
                batch.send(destination, body)

    def alive(self) -> bool:
        return self._client.state is ClientState.CONNECTED

    def close(self) -> None:
        self._client.close()
