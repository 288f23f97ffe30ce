"""The client reaches brokers by every way that settings can name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stomp.broker import Broker
from stomp.cli.config.settings import ConnectionSettings
from stomp.cli.shell.connect import connect, connection
from stomp.core.errors import ConnectFailed
from stomp.testing.proxies import HttpProxy, Socks5Proxy
from stomp.testing.servers import ScriptedServer
from tests.cli.running import Command

SENT = "sendrec /queue/a hello\n"


@pytest.fixture
def endpoints(tmp_path: Path) -> Iterator[Broker]:
    with Broker(
        listen=["stomp://127.0.0.1:0", "ws://127.0.0.1:0/ws", f"unix://{tmp_path}/socket"]
    ) as running:
        yield running


@pytest.mark.parametrize("number", range(3), ids=["tcp", "websocket", "unix"])
def test_each_transport_connects(endpoints: Broker, tmp_path: Path, number: int) -> None:
    ended = Command(tmp_path).run("--url", endpoints.urls[number], "-S", "1.2", typed=SENT)
    assert (ended.status, ended.err) == (0, "Shutting down, please wait\n")
    assert endpoints.depth("/queue/a") == 1


def test_failover_tries_different_transports(endpoints: Broker, tmp_path: Path, free_port: int) -> None:
    url = f"failover:(unix:///no/such/socket,stomp://127.0.0.1:{free_port},{endpoints.urls[1]})"
    ended = Command(tmp_path).run("--url", url, typed=SENT)
    assert (ended.status, ended.err) == (0, "Shutting down, please wait\n")


@pytest.mark.parametrize(("kind", "scheme"), [(HttpProxy, "http"), (Socks5Proxy, "socks5")])
def test_proxy_is_used(endpoints: Broker, tmp_path: Path, kind: type, scheme: str) -> None:
    proxy = kind(login=("me", "secret"))
    with ScriptedServer(proxy) as server:
        where = f"{server.host}:{server.port}"
        command = Command(tmp_path)
        through = command.run(
            "--url", endpoints.urls[0], "--proxy", f"{scheme}://me:secret@{where}", typed=SENT
        )
        refused = command.run("--url", endpoints.urls[0], "--proxy", f"{scheme}://me:swordfish@{where}")
    assert (through.status, through.err) == (0, "Shutting down, please wait\n")
    assert proxy.requested
    assert (refused.status, refused.err.count("\n")) == (3, 1)
    assert "swordfish" not in refused.err


def test_invalid_proxy_is_an_error(endpoints: Broker, tmp_path: Path) -> None:
    ended = Command(tmp_path).run("--url", endpoints.urls[0], "--proxy", "gopher://x")
    assert (ended.status, ended.err.count("\n")) == (1, 1)


def test_connect_headers_are_sent(tmp_path: Path) -> None:
    def script(sock: object) -> None:
        received.append(sock.recv(4096))  # type: ignore[attr-defined]
        sock.sendall(b"ERROR\nmessage:no\n\n\0")  # type: ignore[attr-defined]

    received: list[bytes] = []
    with ScriptedServer(script) as server:
        ended = Command(tmp_path).run(
            *(
                "-H",
                server.host,
                "-P",
                str(server.port),
                "--connect-header",
                "client-id:me",
                "--vhost",
                "shop",
            )
        )
    assert ended.status == 2
    assert b"\nclient-id:me\n" in received[0]
    assert b"\nhost:shop\n" in received[0]


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2", None])
def test_each_version_has_its_methods(version: str | None) -> None:
    made = connection(ConnectionSettings(addresses=(), versions=(version,) if version else None))
    assert made.version == (version or "1.1")


def test_connecting_is_tried_once(free_port: int) -> None:
    from stomp.net.address import Address

    settings = ConnectionSettings(addresses=(Address("127.0.0.1", free_port),))
    with pytest.raises(ConnectFailed) as caught:
        connect(connection(settings), settings)
    assert len(caught.value.failures) == 1
