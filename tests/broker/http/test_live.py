"""The live stream: its states are shared and take a part of the time; a page that does not read costs no memory."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

import pytest

from stomp.broker import Broker
from stomp.broker.http import live, views
from tests.broker.http.conftest import monitor_of, page_of
from tests.broker.rawclient import RawClient


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_states_are_shared_and_take_a_part_of_the_time() -> None:
    clock, made = Clock(), []

    async def ask(question: Any) -> Any:
        clock.now += 0.5  # this is how long a state takes
        return question(None, None)

    def maker(name: str) -> Any:
        def make(server: object, monitor: object) -> views.Json:
            made.append(name)
            return {"number": len(made)}

        return make

    async def main() -> None:
        states = live.States(cast("Any", ask), clock)

        async def get(name: str) -> bytes | None:
            return await states.get(name, maker(name))

        first = await get("a")
        assert first == b'event: state\ndata: {"number":1}\n\n'
        assert await get("a") is first  # another stream with the same key
        assert await get("b") is None  # no time for it: it has to rest 2 seconds
        clock.now += 1.5
        assert await get("a") is first  # old, but there is no time for another one
        clock.now += 0.6
        assert await get("b") == b'event: state\ndata: {"number":2}\n\n'
        clock.now += 2.1
        assert await get("a") == b'event: state\ndata: {"number":3}\n\n'
        assert made == ["a", "b", "a"]
        for number in range(2 * live.MAX_STREAMS):
            clock.now += 3
            await get(str(number))
        assert len(states._kept) == live.MAX_STREAMS

    asyncio.run(main())


@pytest.mark.slow(reason="thousands of frames")
def test_page_that_does_not_read_costs_no_memory(broker: Broker, client: RawClient) -> None:
    with page_of(broker) as page, socket.create_connection(("127.0.0.1", page.port), timeout=20) as sock:
        sock.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in sock.recv(1000)
        server = page._server
        assert server is not None
        (connection,) = server.server_state.connections
        written: list[int] = []
        while len(written) < 50 or max(written) == 0:
            for _ in range(100):
                client.send("SEND", "x" * 2000, destination="/topic/flood")
            client.sync()
            written.append(cast("Any", connection).transport.get_write_buffer_size())
            assert len(written) < 2000
        assert max(written) < 2 * 1024 * 1024
        assert len(monitor_of(broker).recorder) <= 5000
