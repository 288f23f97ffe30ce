"""stompkit by its `Client`: messages by plain iteration, confirmations as objects."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, process_time

import stomp
from bench.adapters import stompkit_version
from bench.forms import FORMS, Body, Form
from bench.work import Work
from stomp.core.engine.status import ClientState
from stomp.core.frames.frame import Frame

VERSION = stompkit_version()


class Observer(stomp.Hooks):
    """Counts the frames that are sent, as a hook for metrics does."""

    sent = 0

    def sending(self, frame: Frame) -> None:
        self.sent += 1


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
            hooks=[Observer()] if FORMS[work.form].observed else (),
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

    def send(self, destination: str, body: Body) -> None:
        self._client.send(destination, body)

    def sender(self, form: Form) -> Callable[[str, Body, int], None]:
        client, headers, options = self._client, form.headers, form.options
        if form.is_plain:
            return lambda destination, body, number: client.send(destination, body)
        if options:
            return lambda destination, body, number: client.send(destination, body, **options)
        content_type = form.content_type or None
        return lambda destination, body, number: client.send(
            destination, body, content_type=content_type, headers=headers(number)
        )

    def confirm(self, destination: str, body: Body) -> None:
        self._client.send(destination, body, confirm=True)

    def confirm_many(self, destination: str, body: Body, count: int, window: int) -> None:
        with self._client.confirmations() as batch:
            for _ in range(count):
                batch.send(destination, body)

    def alive(self) -> bool:
        return self._client.state is ClientState.CONNECTED

    def close(self) -> None:
        self._client.close()
