"""`stomp.broker.Broker`: starting, stopping, and the methods that return its state."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from stomp.broker import Broker
from stomp.core.errors import NotConnected, UsageError
from tests.broker.rawclient import PATIENCE, Ended, RawClient, eventually, still_serves

#: `stop` raises after 10 seconds if the thread does not end.
SOON = 8.0


def threads() -> set[threading.Thread]:
    return set(threading.enumerate())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_stop_leaves_no_thread_or_descriptor(host: str) -> None:
    gc.collect()
    before, open_before = threads(), descriptors()
    broker = Broker(host).start()
    assert threads() - before
    client = RawClient(broker) if host == "127.0.0.1" else None
    begun = time.monotonic()
    broker.stop()
    broker.stop()
    assert time.monotonic() - begun < SOON
    if client is not None:
        client.expect_end()
        client.close()
    gc.collect()
    assert threads() <= before
    assert descriptors() <= open_before
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", broker.port), timeout=1).close()


def test_stop_does_not_wait_for_a_client_that_does_not_read() -> None:
    with Broker() as broker:
        client = RawClient(broker, receive_buffer=64 * 1024)
        client.connect()
        client.send("SUBSCRIBE", id="1", destination="/queue/a")
        for _ in range(100):
            client.send("SEND", b"x" * 100_000, destination="/queue/a")
        eventually(lambda: broker.depth("/queue/a") > 0)
        begun = time.monotonic()
    assert time.monotonic() - begun < SOON
    client.close()


def test_a_broker_can_be_started_again() -> None:
    broker = Broker()
    for _ in range(2):
        with broker:
            assert still_serves(broker)
    assert broker.connections == []
    with pytest.raises(NotConnected, match="stopped"):
        broker.depth("/queue/a")


def test_second_start_is_refused() -> None:
    with Broker() as broker, pytest.raises(UsageError, match="already running"):
        broker.start()


def test_port_in_use_is_an_error(broker: Broker) -> None:
    before = threads()
    with pytest.raises(OSError, match="in use"):
        Broker(port=broker.port).start()
    assert threads() <= before


@pytest.mark.parametrize("versions", [[], ["1.3"], ["1.2", "2.0"]])
def test_unknown_versions_are_refused(versions: list[str]) -> None:
    with pytest.raises(UsageError, match="versions"):
        Broker(versions=versions)


def test_broker_listens_on_ipv6() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    with Broker("::1") as broker:
        assert still_serves(broker)


def test_localhost_has_one_port_on_all_its_addresses() -> None:
    with Broker("localhost") as broker:
        for family, _, _, _, address in socket.getaddrinfo("localhost", broker.port, type=socket.SOCK_STREAM):
            with socket.socket(family) as probe:
                try:
                    probe.bind((address[0], 0))
                except OSError:
                    continue  # the name resolves to an address that this machine does not have
            with socket.socket(family) as sock:
                sock.connect(address)


def test_open_connections_are_listed(broker: Broker) -> None:
    with RawClient(broker) as client:
        client.connect(login="bob")
        client.send("SUBSCRIBE", id="1", destination="/queue/a")
        client.sync()
        (info,) = broker.connections
        assert (info.login, info.version, info.subscriptions) == ("bob", "1.2", 1)
        assert info.peer == f"127.0.0.1 port {client.sock.getsockname()[1]}"
    eventually(lambda: broker.connections == [])


@pytest.mark.parametrize("abort", [True, False])
def test_connections_can_be_dropped(broker: Broker, client: RawClient, abort: bool) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client")
    client.send("SEND", "x", destination="/queue/a")
    client.expect("MESSAGE")
    assert broker.disconnect_all(abort=abort) == 1
    client.expect_end()
    assert broker.connections == []
    with RawClient(broker) as again:
        again.connect()
        again.send("SUBSCRIBE", id="1", destination="/queue/a")
        again.expect("MESSAGE", redelivered="true")


def test_messages_of_a_closed_connection_are_requeued(broker: Broker, client: RawClient) -> None:
    client.send("SUBSCRIBE", id="1", destination="/queue/a", ack="client")
    client.send("SEND", "x", destination="/queue/a", receipt="r")
    client.expect("RECEIPT", receipt_id="r")
    client.expect("MESSAGE")
    client.sock.shutdown(socket.SHUT_WR)
    with pytest.raises(Ended):
        client.frame()
    assert broker.destinations() == {"/queue/a": 1}


def test_broker_runs_on_an_event_loop() -> None:
    async def main() -> None:
        before = threads()
        async with Broker() as broker:
            assert threads() <= before
            reader, writer = await asyncio.open_connection(broker.host, broker.port)
            writer.write(b"CONNECT\naccept-version:1.2\n\n\0SEND\ndestination:/queue/a\nreceipt:r\n\nx\0")
            await asyncio.wait_for(reader.readuntil(b"receipt-id:r\n\n\0"), PATIENCE)
            assert broker.depth("/queue/a") == 1
            assert len(broker.connections) == 1
            writer.close()
            await writer.wait_closed()

    asyncio.run(main())


def test_handshake_with_a_stopping_broker_is_closed(
    server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with Broker(ssl_context=server_tls) as broker:
            late = await loop.run_in_executor(None, RawClient, broker)
            # Connections are accepted in order, so the late one is accepted as well.
            assert await loop.run_in_executor(None, still_serves, broker, client_tls)

        def tls_handshake() -> None:
            with late:
                late.sock = client_tls.wrap_socket(late.sock, server_hostname="127.0.0.1")
                late.expect_end()

        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await loop.run_in_executor(None, tls_handshake)

    asyncio.run(main())


def test_serve_serves_until_cancelled() -> None:
    async def main() -> None:
        broker = Broker()
        task = asyncio.create_task(broker.serve())
        while broker.port == 0:
            await asyncio.sleep(0)
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, still_serves, broker)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert broker.connections == []

    asyncio.run(main())


def test_repr_has_no_secret() -> None:
    with Broker(users={"alice": "Zauberwort"}) as broker:
        assert str(broker.port) in repr(broker)
        assert "Zauberwort" not in repr(broker) + repr(vars(broker))
