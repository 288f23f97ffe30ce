"""stompkit by its `AsyncClient`."""

from __future__ import annotations

from time import perf_counter, process_time
from typing import Self

import stomp
from bench.adapters import stompkit_version
from bench.work import Work
from stomp.core.engine.status import ClientState

VERSION = stompkit_version()


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

    async def send(self, destination: str, body: bytes) -> None:
        await self._client.send(destination, body)

    async def confirm(self, destination: str, body: bytes) -> None:
        await self._client.send(destination, body, confirm=True)

    async def confirm_many(self, destination: str, body: bytes, count: int, window: int) -> None:
        async with self._client.confirmations() as batch:
            for _ in range(count):
                await batch.send(destination, body)

    def alive(self) -> bool:
        return self._client.state is ClientState.CONNECTED

    async def close(self) -> None:
        await self._client.close()
