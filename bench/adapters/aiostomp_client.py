"""aiostomp: asyncio; its sends never wait, and it has no receipts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from time import perf_counter, process_time
from typing import Any, Self

from aiostomp import AioStomp

from bench.adapters import Turnstile, Unsupported
from bench.forms import Body, Form
from bench.work import Work

VERSION = version("aiostomp")


#: It sends no DISCONNECT, and a broker may drop what it has not read when a connection is closed. Seconds.
GRACE = 0.5


class Client:
    """See `bench.adapters.AsyncContract`."""

    def __init__(self, work: Work) -> None:
        if work.kind in ("confirm", "pair", "connect"):
            raise Unsupported("it has no receipts, and does not report the end of the connection")
        self.began = 0.0, 0.0
        self._left = 0
        self._then = 0
        self._acknowledge = False
        self._all_here = Turnstile()
        self._subscription: Any = None
        self._client = AioStomp(
            work.host,
            work.port,
            heartbeat=bool(work.heartbeat),
            heartbeat_interval_cx=work.heartbeat,
            heartbeat_interval_cy=work.heartbeat,
        )

    @classmethod
    async def open(cls, work: Work) -> Self:
        client = cls(work)
        await client._client.connect(work.login, work.passcode)
        return client

    async def _take(self, frame: Any, body: Any) -> bool:
        _ = frame.headers["message-id"], len(body or "")
        self._left -= 1
        if not self._left:
            if self._then:
                self.began = perf_counter(), process_time()
                self._left, self._then = self._then, 0
            else:
                self._all_here.open()
        elif self._acknowledge:
            self._client.ack(frame)
        return True

    def expect(self, messages: int, *, acknowledge: bool = False, then: int = 0) -> None:
        self._left = messages
        self._then = then
        self._acknowledge = acknowledge

    async def wait(self) -> None:
        await self._all_here.enter()

    async def subscribe(self, destination: str, ack: str = "auto") -> None:
        self._subscription = self._client.subscribe(destination, ack=ack, handler=self._take, auto_ack=False)

    async def unsubscribe(self) -> None:
        self._client.unsubscribe(self._subscription)

    async def send(self, destination: str, body: Body) -> None:
        self._client.send(destination, body)

    def sender(self, form: Form) -> Callable[[str, Body, int], Awaitable[None]]:
        if form.observed:
            raise Unsupported("it has no callback for frames that are sent")
        send, headers = self._client.send, form.all_headers

        async def call(destination: str, body: Body, number: int) -> None:
            send(destination, body, headers(number))

        return call

    async def confirm(self, destination: str, body: Body) -> None:
        """For `produce`: wait until the buffer of the transport is empty. There are no receipts."""
        self._client.send(destination, body)
        protocol: Any = self._client._protocol
        while protocol._protocol._transport.get_write_buffer_size():
            await asyncio.sleep(0.001)

    async def confirm_many(self, destination: str, body: Body, count: int, window: int) -> None:
        raise Unsupported("it has no receipts")

    def alive(self) -> bool:
        return True

    async def close(self) -> None:
        await asyncio.sleep(GRACE)
        self._client.close()
