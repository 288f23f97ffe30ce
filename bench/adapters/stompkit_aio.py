"""stompkit by its `AsyncClient`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter, process_time
from typing import Self

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
    """See `bench.adapters.AsyncContract`."""

    def __init__(self, work: Work) -> None:
        self.began = 0.0, 0.0
        self._left = 0
        self._then = 0
        self._acknowledge = False
        self._client = stomp.AsyncClient(
            f"stomp://{work.host}:{work.port}",
            login=work.login,
            passcode=work.passcode,
            vhost=work.vhost,
            heartbeat=(work.heartbeat, work.heartbeat),
            window=max(2, work.window),
            hooks=[Observer()] if FORMS[work.form].observed else (),
        )

    @classmethod
    async def open(cls, work: Work) -> Self:
        client = cls(work)
        await client._client.connect()
        return client

    def expect(self, messages: int, *, acknowledge: bool = False, then: int = 0) -> None:
        self._left = messages
        self._then = then
        self._acknowledge = acknowledge

    async def wait(self) -> None:
        await self._take(self._left)
        if self._then:
            self.began = perf_counter(), process_time()
            await self._take(self._then)

    async def _take(self, left: int) -> None:
        acknowledge = self._acknowledge
        async for message in self._subscription:
            _ = message.id, len(message.body)
            left -= 1
            if not left:
                return
            if acknowledge:
                await message.ack()

    async def subscribe(self, destination: str, ack: str = "auto") -> None:
        individual = ack == "client-individual"
        self._subscription = await self._client.subscribe(
            destination, ack="client-individual" if individual else "auto", confirm=False
        )

    async def unsubscribe(self) -> None:
        await self._subscription.close()

    async def send(self, destination: str, body: Body) -> None:
        await self._client.send(destination, body)

    def sender(self, form: Form) -> Callable[[str, Body, int], Awaitable[None]]:
        client, headers, options = self._client, form.headers, form.options
        if form.is_plain:
            return lambda destination, body, number: client.send(destination, body)
        if options:
            return lambda destination, body, number: client.send(destination, body, **options)
        content_type = form.content_type or None
        return lambda destination, body, number: client.send(
            destination, body, content_type=content_type, headers=headers(number)
        )

    async def confirm(self, destination: str, body: Body) -> None:
        await self._client.send(destination, body, confirm=True)

    async def confirm_many(self, destination: str, body: Body, count: int, window: int) -> None:
        async with self._client.confirmations() as batch:
            for _ in range(count):
                await batch.send(destination, body)

    def alive(self) -> bool:
        return self._client.state is ClientState.CONNECTED

    async def close(self) -> None:
        await self._client.close()
