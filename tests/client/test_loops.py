"""A sync client on an event loop that serves its broker, and an asyncio client on another loop, are named."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import stomp
from stomp.broker import Broker
from stomp.client.sync import waiting
from stomp.core.errors import UsageError
from stomp.net.serving import check_not_served_here, running_loop
from tests.awaiting import run

WAIT = 20.0


@pytest.mark.parametrize(
    "endpoint", ["stomp://127.0.0.1:0", "stomp://0.0.0.0:0", "stomp+ssl://127.0.0.1:0", "unix"]
)
def test_a_client_on_the_loop_that_serves_its_broker_is_refused(
    endpoint: str, tmp_path: Any, server_tls: Any, ca_file: str
) -> None:
    if endpoint == "unix":
        endpoint = f"unix://{tmp_path}/broker.sock"

    async def main() -> None:
        async with Broker(listen=[endpoint], ssl_context=server_tls) as broker:
            url = broker.url + (f"?ca_certs={ca_file}" if "ssl" in endpoint else "")
            with pytest.raises(UsageError, match=r"runs on the event loop of this thread.*AsyncClient"):
                stomp.Client(url, attempts=1).connect()

    run(main())


def test_a_connection_on_the_loop_that_serves_its_broker_is_refused() -> None:
    async def main() -> None:
        async with Broker() as broker:
            conn = stomp.Connection([(broker.host, broker.port)])
            with pytest.raises(UsageError, match="runs on the event loop of this thread"):
                conn.connect(wait=True)

    run(main())


def test_waiting_method_on_the_loop_that_serves_its_broker_is_refused() -> None:
    async def main() -> None:
        async with Broker() as broker:
            client = await asyncio.to_thread(stomp.Client(broker.url, timeout=3 * WAIT).connect)
            with pytest.raises(UsageError, match="runs on the event loop of this thread"):
                client.send("/queue/a", b"x", confirm=True)
            client.send("/queue/a", b"x")
            await asyncio.to_thread(client.send, "/queue/a", b"x", confirm=True)
            await asyncio.to_thread(client.close)

    run(main())


def test_client_that_blocks_another_loop_is_reported_once(
    broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_warned", [])

    async def main() -> None:
        for _ in range(2):
            with stomp.Client(broker.url) as client:
                client.send("/queue/a", b"x", confirm=True)

    with stomp.Client(broker.url):
        assert "event loop" not in caplog.text
    run(main())
    assert caplog.text.count("waits on a thread that runs an event loop") == 1


def test_stopped_broker_is_no_longer_registered(broker: Broker) -> None:
    async def main() -> None:
        async with Broker() as own:
            port = own.port
        with stomp.Client(broker.url) as client:
            assert client.address is not None
            assert client.address.port != port

    run(main())
    assert running_loop() is None


def test_a_socket_that_is_not_connected_is_not_refused() -> None:
    import socket

    async def main() -> None:
        async with Broker():
            with socket.socket() as sock:
                check_not_served_here(sock)

    run(main())


def test_an_asyncio_client_is_refused_on_another_loop(broker: Broker) -> None:
    with asyncio.Runner() as one, asyncio.Runner() as two:
        client = one.run(stomp.AsyncClient(broker.url).connect())
        subscription = one.run(client.subscribe("/queue/a", ack="client-individual"))

        async def take() -> None:
            await anext(aiter(subscription))

        for verb in (
            lambda: client.send("/queue/a", b"x"),
            lambda: client.send("/queue/a", b"x", confirm=True),
            lambda: client.send_async("/queue/a", b"x"),
            lambda: client.subscribe("/queue/b"),
            lambda: client.connect(),
            lambda: client.close(),
            lambda: subscription.receive(timeout=0),
            take,
        ):
            with pytest.raises(UsageError, match="connected on another event loop"):
                two.run(verb())
        one.run(client.close())
        # It may be connected on another one now.
        two.run(client.connect())
        two.run(client.send("/queue/a", b"x", confirm=True))
        two.run(client.close())


def test_async_client_with_a_closed_loop_is_refused(broker: Broker) -> None:
    async def main() -> None:
        async with stomp.AsyncClient(broker.url) as client:
            own, client._loop = client._loop, closed
            with pytest.raises(UsageError, match="an event loop that is closed"):
                await client.send("/queue/a", b"x")
            client._loop = own

    # A client that is left on a loop when that is closed would have Python warn about its transport, too.
    closed = asyncio.new_event_loop()
    closed.close()
    run(main())
