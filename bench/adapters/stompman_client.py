"""stompman: asyncio, a handler for each subscription."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from time import perf_counter, process_time
from typing import Any, Self

import stompman

from bench.adapters import Turnstile, Unsupported
from bench.forms import Body, Form, encoded
from bench.work import Work

VERSION = version("stompman")
#: It divides by the heart-beats that it is given, so "none" is "very rarely".
RARELY = 60_000


class Client:
    """See `bench.adapters.AsyncContract`."""

    def __init__(self, work: Work) -> None:
        self.began = 0.0, 0.0
        self._left = 0
        self._then = 0
        self._acknowledge = False
        self._all_here = Turnstile()
        self._subscription: Any = None
        beat = work.heartbeat or RARELY
        server = stompman.ConnectionParameters(work.host, work.port, work.login, work.passcode)
        self._client = stompman.Client([server], heartbeat=stompman.Heartbeat(beat, beat))

    @classmethod
    async def open(cls, work: Work) -> Self:
        client = cls(work)
        await client._client.__aenter__()
        return client

    async def _take(self, frame: Any) -> None:
        _ = frame.headers["message-id"], len(frame.body)
        self._left -= 1
        if not self._left:
            if self._then:
                self.began = perf_counter(), process_time()
                self._left, self._then = self._then, 0
            else:
                self._all_here.open()
        elif self._acknowledge:
            await frame.ack()

    def expect(self, messages: int, *, acknowledge: bool = False, then: int = 0) -> None:
        self._left = messages
        self._then = then
        self._acknowledge = acknowledge

    async def wait(self) -> None:
        await self._all_here.enter()

    async def subscribe(self, destination: str, ack: str = "auto") -> None:
        if ack == "auto":
            self._subscription = await self._client.subscribe(
                destination, self._take, ack="auto", on_suppressed_exception=_raise
            )
        else:
            self._subscription = await self._client.subscribe_with_manual_ack(
                destination, self._take, ack="client-individual"
            )

    async def unsubscribe(self) -> None:
        await self._subscription.unsubscribe()

    async def send(self, destination: str, body: Body) -> None:
        await self._client.send(encoded(body), destination)

    def sender(self, form: Form) -> Callable[[str, Body, int], Awaitable[None]]:
        if form.observed:
            raise Unsupported("it has no callback for frames that are sent")
        client, headers, content_type = self._client, form.headers, form.content_type or None
        return lambda destination, body, number: client.send(
            encoded(body), destination, content_type=content_type, headers=headers(number)
        )

    async def confirm(self, destination: str, body: Body) -> None:
        await self._client.send(encoded(body), destination, receipt_timeout=30)

    async def confirm_many(self, destination: str, body: Body, count: int, window: int) -> None:
        for sent in range(0, count, window):
            batch = min(window, count - sent)
            await asyncio.gather(*(self.confirm(destination, body) for _ in range(batch)))

    def alive(self) -> bool:
        return bool(self._client.is_alive())

    async def close(self) -> None:
        await self._client.__aexit__(None, None, None)


def _raise(error: Exception, frame: Any) -> None:
    raise error
